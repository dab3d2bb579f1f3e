"""The directives ``ledger-table``, ``ledger-totals`` and ``ledger-figures``: gnomon's own predictions and their scores.

They show what ``make ledger`` found. As a program it keeps of ``gnomon ledger score --json`` (from stdin, to stdout)
what the page shows.
"""

import abc
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_MARKUP, _ESCAPED = re.compile(r"([|*_$<\\`])"), r"\\\1"
_FIGURES = {
    "every": "Every prediction by its z, misses first",
    "calibration": "The probability integral transform of all predictions, in order",
    "coverage": "Coverage of the 90 % interval over time",
    "skill": "CRPS over that of each baseline, by challenge",
}
_STATES = ("miss", "hit", "outside", "open")


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the directives ``ledger-table STATE``, ``ledger-totals`` and ``ledger-figures``."""
    app.add_directive("ledger-figures", Figures)
    app.add_directive("ledger-table", Table)
    app.add_directive("ledger-totals", Totals)
    return {"parallel_read_safe": True}


class _Made(SphinxDirective, abc.ABC):
    """A directive whose content is Markdown made from ``docs/ledger.json``."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.app.srcdir) / "ledger.json"
        self.env.note_dependency(str(source))
        place = nodes.container()
        if source.exists():
            lines = list(self.lines(json.loads(source.read_text(encoding="utf-8"))))
        else:
            lines = ["*Not made yet:* `make ledger`."]
        self.state.nested_parse(StringList(lines, str(source)), self.content_offset, place)
        return place.children

    @abc.abstractmethod
    def lines(self, document: dict[str, Any]) -> Iterator[str]:
        """The Markdown."""


class Table(_Made):
    """The predictions in one state: ``miss``, ``hit``, ``outside`` the domain, or ``open`` (without a score)."""

    required_arguments = 1

    def lines(self, document: dict[str, Any]) -> Iterator[str]:
        """A row a prediction, as the ledger lists them."""
        wanted = directives.choice(self.arguments[0], _STATES)
        chosen = [p for p in document["predictions"] if _state(p) == wanted]
        if not chosen:
            yield "*None.*"
            return
        baselines = sorted({name for p in chosen for name in p["skill"]}, reverse=True)
        heads = ["No.", "prediction", "by", "predicted, 90 %", "measured", "z"]
        heads += [f"skill over {name.replace('_', ' ')}" for name in baselines]
        yield f"| {' | '.join(heads)} |"
        yield f"| {' | '.join('---' for _ in heads)} |"
        for p in chosen:
            cells = [str(p["number"]), f"`{p['name']}`", f"{p['by']['kind']} `{p['by']['name']}`", _predicted(p)]
            cells += [_measured(p), _number(p["z"])]
            yield f"| {' | '.join(cells + [_number(p['skill'].get(name)) for name in baselines])} |"


class Totals(_Made):
    """The totals, of predictions inside their domain and of those outside."""

    def lines(self, document: dict[str, Any]) -> Iterator[str]:
        """A table of totals, the note on them, and the head of the ledger."""
        yield from ("| | inside the domain | outside |", "| --- | --- | --- |")
        both = [document["totals"][domain] for domain in ("inside", "outside")]
        counts = [f"{one['predictions']}, in {one['clusters']} clusters" for one in both]
        yield f"| predictions scored | {' | '.join(counts)} |"
        for level in sorted({level for one in both for level in one["coverage"]}, key=int):
            cells = (_ranged(one["coverage"].get(level), ".0%") for one in both)
            yield f"| coverage of the {level} % interval | {' | '.join(cells)} |"
        for name in sorted({name for one in both for name in one["skill"]}, reverse=True):
            cells = (_ranged(one["skill"].get(name), ".2f") for one in both)
            yield f"| skill over {name.replace('_', ' ')} | {' | '.join(cells)} |"
        yield f"| root mean square of z | {' | '.join(_number(one['z_rms']) for one in both)} |"
        yield ""
        yield f"In brackets: {document['totals']['level']:.0%} intervals. {document['totals']['note']}"
        yield ""
        yield f"Head of this ledger: `{document['head']}`."


class Figures(_Made):
    """The figures of the page of the ledger."""

    def lines(self, document: dict[str, Any]) -> Iterator[str]:
        """An image each, with what it shows."""
        del document
        for name, said in _FIGURES.items():
            yield from (f"![{said}](figures/ledger-{name}.svg)", "")


def _state(p: dict[str, Any]) -> str:
    if p["value"] is None:
        return "open"
    return "outside" if p["outside"] else str(p["state"])


def _predicted(p: dict[str, Any]) -> str:
    at, unit = p["predicted"], "" if p["unit"] == "1" else f" {p['unit']}"
    return _MARKUP.sub(_ESCAPED, f"{at['median']:.4g} [{at['low']:.4g}, {at['high']:.4g}]{unit}")


def _measured(p: dict[str, Any]) -> str:
    if p["value"] is None:
        return _MARKUP.sub(_ESCAPED, f"{p['state']}: {p['reason']}" if p["reason"] else p["state"])
    interval = "" if p["low"] is None else f" [{p['low']:.4g}, {p['high']:.4g}]"
    return f"{p['value']:.4g}{interval}" + (" (within its error)" if p["explained"] else "")


def _ranged(one: dict[str, Any] | None, style: str) -> str:
    if one is None:
        return "–"
    ends = "" if one["low"] is None else f" [{one['low']:{style}}, {one['high']:{style}}]"
    return f"{one['value']:{style}}{ends}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of the document of a ledger."""
    return {
        "head": document["head"],
        "totals": document["totals"],
        "predictions": list(map(_row, document["predictions"])),
    }


def _row(p: dict[str, Any]) -> dict[str, Any]:
    score, measured = p["score"], p["measured"]
    kept = (
        "number",
        "name",
        "challenge",
        "by",
        "outside",
        "unit",
        "predicted",
        "state",
        "registered_at",
        "measured_at",
    )
    return {
        **{name: p[name] for name in kept},
        "reason": "" if measured is None else measured["reason"],
        "value": None if score is None else score["value"],
        "low": None if score is None else measured["uncertainty"]["low"],
        "high": None if score is None else measured["uncertainty"]["high"],
        "z": None if score is None else score["z"],
        "explained": p["state"] == "miss" and score["beyond_error"] is False,
        "skill": {} if score is None else score["skill"],
    }


if __name__ == "__main__":
    json.dump(shown(json.load(sys.stdin)), sys.stdout, indent=1)
    sys.stdout.write("\n")
