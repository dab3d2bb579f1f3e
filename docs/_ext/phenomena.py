"""The directive ``phenomenon``: claims, controls, figures and cost of one, as ``make phenomena`` last found them.

As a program it keeps of ``gnomon run all --json`` (from stdin, to stdout) what the pages show.
"""

import abc
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_MARKUP, _ESCAPED = re.compile(r"([|*_$<\\`])"), r"\\\1"


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the directives ``phenomenon NAME`` and ``phenomena-table``."""
    app.add_directive("phenomenon", Phenomenon)
    app.add_directive("phenomena-table", Table)
    return {"parallel_read_safe": True}


class _Made(SphinxDirective, abc.ABC):
    """A directive whose content is Markdown made from ``docs/phenomena.json``."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.app.srcdir) / "phenomena.json"
        self.env.note_dependency(str(source))
        reports = json.loads(source.read_text(encoding="utf-8")) if source.exists() else []
        place = nodes.container()
        self.state.nested_parse(StringList(list(self.lines(reports)), str(source)), self.content_offset, place)
        return place.children

    @abc.abstractmethod
    def lines(self, reports: list[dict[str, Any]]) -> Iterator[str]:
        """The Markdown."""


class Phenomenon(_Made):
    """Everything that was found about one phenomenon."""

    required_arguments = 1

    def lines(self, reports: list[dict[str, Any]]) -> Iterator[str]:
        """A table of claims and controls, the figures, and the cost."""
        found = [r for r in reports if r["phenomenon"] == self.arguments[0]]
        if not found:
            yield f"*Not in the last run of* `make phenomena`: `{self.arguments[0]}`."
            return
        (one,) = found
        yield (
            f"**{one['verdict']}**, control **{one['control']['verdict']}** "
            f"(`gnomon run {one['phenomenon']} --preset {one['preset']} --seeds {len(one['seeds'])}`; "
            f"{one['points']:,} points, {one['seconds']:.0f} s on one core, if nothing else runs)."
        )
        yield ""
        yield from ("| arm | claim | measured | threshold | state |", "| --- | --- | --- | --- | --- |")
        for claim in [{"arm": "claim", **c} for c in one["claims"]] + one["control"]["claims"]:
            yield _row((claim["arm"], claim["statement"], _measured(claim), _threshold(claim), claim["state"]))
        yield ""
        for figure in one["figures"]:
            yield f"![{one['phenomenon']}](figures/{Path(figure).name})"
            yield ""
        for note in one["notes"]:
            yield f"- {_MARKUP.sub(_ESCAPED, note)}"


class Table(_Made):
    """All phenomena, each in a line."""

    def lines(self, reports: list[dict[str, Any]]) -> Iterator[str]:
        """Phenomenon, verdict, control, seeds and the time of its points."""
        yield from ("| phenomenon | claim | control | seeds | time | ", "| --- | --- | --- | --- | --- |")
        for one in reports:
            name = f"[{_MARKUP.sub(_ESCAPED, one['phenomenon'])}]({one['phenomenon']}.md)"
            cells = (one["verdict"], one["control"]["verdict"], str(len(one["seeds"])), f"{one['seconds']:.0f} s")
            yield f"| {name} | {' | '.join(cells)} |"


def _measured(claim: dict[str, Any]) -> str:
    if claim["value"] is None:
        return str(claim["measurement"]["reason"])
    unit = "" if claim["unit"] == "1" else f" {claim['unit']}"
    return f"{claim['value']:.4g} [{claim['low']:.4g}, {claim['high']:.4g}]{unit}"


def _threshold(claim: dict[str, Any]) -> str:
    if claim["sense"] == "within":
        low, high = claim["threshold"]
        return f"{low:g} to {high:g}"
    return f"{'≥' if claim['sense'] == 'at least' else '≤'} {claim['threshold']:g}"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_MARKUP.sub(_ESCAPED, cell) for cell in cells)} |"


def shown(report: dict[str, Any]) -> dict[str, Any]:
    """``report`` without measured curves, and without the origin of its measurements."""
    control = {**report["control"], "claims": [_claim(c) for c in report["control"]["claims"]]}
    kept = {name: value for name, value in report.items() if name != "curves"}
    return {**kept, "claims": [_claim(c) for c in report["claims"]], "control": control}


def _claim(claim: dict[str, Any]) -> dict[str, Any]:
    return {**claim, "measurement": {"reason": claim["measurement"]["reason"]}}


if __name__ == "__main__":
    json.dump([shown(report) for report in json.load(sys.stdin)], sys.stdout, indent=1)
    sys.stdout.write("\n")
