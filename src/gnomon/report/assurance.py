"""The page of a case: the verdict at a glance, every threshold against its limit, the argument, and what is next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.assurance.case import Argument, Case, Claim, Context, Doubt, Evidence, Observation
from gnomon.measurement import Measurement, catalogue
from gnomon.report.assurance_figures import figures
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.numbers import plain, read, unit_text

PAGE = "case.html"
_HASH_SHOWN = 16
_LONGEST = 320  # letters of a reason
_VERDICTS = {
    "within": ("Within policy", "good"),
    "crossed": ("Threshold crossed", "bad"),
    "insufficient": ("Insufficient evidence", "warn"),
}


def write_page(case: Case, out_dir: Path | str) -> Path:
    """Write ``case.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    The page needs no network and forbids itself any. Raises GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    drawn = [draw(figure) for figure in figures(case)]
    word, tone = _VERDICTS[case.decision["verdict"]]
    html = rendered(
        "assurance.html.j2",
        title=f"Assurance of {case.subject.name}",
        lead=case.decision["sentence"],
        word=word,
        tone=tone,
        cards=list(_cards(case)),
        rows=[_row(row) for row in case.decision["rows"]],
        figures=drawn,
        tree=_tree(case, case.top),
        assumed=[node.text for node in case.nodes if isinstance(node, Context) and node.assumed],
        forecasts=[_forecast(one) for one in case.forecasts],
        due=_due(case),
        quantities=_quantities(case),
        facts=list(_facts(case)),
    )
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in drawn:
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / PAGE, html.encode())


def crossing_text(m: Measurement) -> str:
    """A forecast crossing as text; an end that is infinite is said in words.

    >>> from gnomon.assurance.forecast import CROSSING
    >>> from gnomon.measurement import Uncertainty
    >>> found = Uncertainty.interval(2e20, float("inf"), covers={"data"})
    >>> crossing_text(Measurement.ok(CROSSING, float("inf"), found))
    'not within the horizon; not before 2.00 × 10²⁰'
    """
    u = m.uncertainty
    if m.value is None or u.low is None or u.high is None:
        return f"{m.status}: {m.reason}"
    value, low, high = (float(end) for end in (m.value, u.low, u.high))
    before = f"not before {plain(low)}" if low > 0 else "no lower bound"
    if not np.isfinite(value):
        return f"not within the horizon; {before}"
    return f"{plain(value)}, {before}" if not np.isfinite(high) else f"{plain(value)} [{plain(low)}, {plain(high)}]"


def _cards(case: Case) -> Iterator[tuple[str, str, str]]:
    """Title, figure and words of each card."""
    decision, policy = case.decision, case.policy.facts["policy"]
    counts = {word: sum(row["verdict"] == word for row in decision["rows"]) for word in _VERDICTS}
    yield "Level", str(decision["level"]), decision.get("level_title") or "the highest that is not ruled out"
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count and word != "within")
    yield "Thresholds within", f"{counts['within']} of {len(decision['rows'])}", told or "none crossed, none open"
    yield "Confidence", f"{100 * policy['confidence']:g} %", "at least, that a pass is no wrong one"
    leaves = list(case.evidence())
    runs = len({one.command for one in leaves if one.command})
    yield "Evidence", str(len(leaves)), f"measurements, made again by {runs} command{'s' if runs != 1 else ''}"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    sense = {"above": "below", "below": "above", None: ""}[row["worse"]]
    return {
        **row,
        "shown": _interval(row["measured"]),
        "asked": "–" if row["limit"] is None else f"{sense} {row['limit']:g}",
        "short": "–" if row["buffer"] is None else f"{row['buffer']:g}",
        "guards": [
            {**one, "shown": _interval(one["measured"]), "tone": _tone(one["verdict"])} for one in row["safeguards"]
        ],
        "reason": _short(row["reason"]),
        "tone": _tone(row["verdict"]),
    }


def _short(text: str) -> str:
    """``text`` as far as a table has room for it; all of it is in the case."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"


def _tone(verdict: str) -> str:
    return {"within": "good", "proven": "good", "crossed": "bad", "fails": "bad"}.get(verdict, "warn")


def _interval(measured: dict[str, Any]) -> str:
    value, low, high = (measured[key] for key in ("value", "low", "high"))
    if not isinstance(value, (int, float)):
        return "not measured"
    ends = [f"{end:.3g}" if isinstance(end, (int, float)) else str(end) for end in (low, high)]
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} [{ends[0]}, {ends[1]}]"


def _tree(case: Case, name: str) -> dict[str, Any]:
    """A node with all below it, as the template draws it."""
    node = case.by_id[name]
    found: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "text": node.text,
        "state": case.states.get(name, ""),
        "parts": [],
        "doubts": [],
        "context": [_said(case.by_id[one]) for one in getattr(node, "context", ()) if not _assumed(case.by_id[one])],
        "reading": "",
        "command": "",
    }
    if isinstance(node, (Claim, Argument)):
        found["parts"] = [_tree(case, part) for part in node.by]
    if isinstance(node, Argument):
        found["rule"] = "all of these have to hold" if node.rule == "all" else "any of these will do"
    if isinstance(node, Claim):
        found["doubts"] = [
            (_short(doubt.text), doubt.settled_by) for one in node.doubts if isinstance(doubt := case.by_id[one], Doubt)
        ]
    if isinstance(node, Evidence):
        m = node.measured
        reading = read(m)
        line = f"{'below' if node.criterion.worse == 'above' else 'above'} {node.criterion.line:g} is asked"
        labels = ", ".join(f"{label} {text}" for label, text in m.labels.items())
        level = "" if m.uncertainty.level is None else f" at {100 * m.uncertainty.level:.4g} %"
        said = f"{reading} {unit_text(m)}".strip() + level if reading else f"{m.status}: {m.reason}"
        found |= {"reading": f"{said}; {line}", "labels": labels, "command": shlex.join(node.command)}
    return found


def _assumed(node: Any) -> bool:
    return isinstance(node, Context) and node.assumed


def _said(node: Any) -> str:
    known = f" (SHA-256 {node.sha256[:_HASH_SHOWN]}…)" if node.sha256 else ""
    return f"{node.text}{known}"


def _forecast(one: dict[str, Any]) -> dict[str, str]:
    m = Measurement.from_json(one["crossing"])
    level = m.uncertainty.level
    return {
        "threshold": one["threshold"],
        "line": f"{one['line']:.4g}",
        "crossed": crossing_text(m),
        "level": "–" if level is None else f"{100 * level:.3g} %",
        "rungs": str(len(one["rungs"])),
        "horizon": plain(one["horizon"]),
    }


def _due(case: Case) -> list[tuple[str, str]]:
    due = case.decision["next_test_due"]
    told = []
    if due.get("date"):
        told.append(("by date", due["date"]))
    if due.get("effective_compute") is not None:
        told.append(("by effective compute", f"{plain(float(due['effective_compute']))} FLOP"))
    if due.get("on_change"):
        told.append(("by change", f"of {', '.join(due['on_change'])}"))
    return told + [("this test was overdue", reason) for reason in due.get("overdue") or ()]


def _quantities(case: Case) -> list[Any]:
    names = dict.fromkeys(one.measured.quantity for one in case.evidence())
    return [catalogue[name] for name in names if name in catalogue]


def _facts(case: Case) -> Iterator[tuple[str, str]]:
    software = case.software
    yield "subject", f"{case.subject.name}, {case.subject.facts.get('parameters', 0):,} parameters"
    yield "weights", case.subject.sha256
    compute = case.subject.facts.get("compute")
    yield "effective compute", "not stated" if compute is None else f"{plain(float(compute))} FLOP"
    policy = case.policy.facts["policy"]
    yield "policy", f"{policy['title']}, {policy['version']}; {policy['source']}"
    yield "policy's hash", case.policy.sha256
    for one in case.materials:
        yield f"material {one.name}", f"{one.facts.get('file', '')} ({one.sha256[:_HASH_SHOWN]}…)"
    seen = [node.text for node in case.nodes if isinstance(node, Observation)]
    if seen:
        yield "seen", " ".join(seen)
    dirty = ", changed since" if software.get("dirty") else ""
    commit = f", commit {software['commit'][:12]}{dirty}" if software.get("commit") else ""
    yield "gnomon", f"{software.get('gnomon')}, source {software.get('code_version')}{commit}"
    yield "packages", ", ".join(f"{name} {number}" for name, number in software.get("packages", {}).items())
    yield "made", case.made
