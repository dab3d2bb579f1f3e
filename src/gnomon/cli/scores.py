"""`gnomon scores`: logs of other evaluation tools, with intervals that hold."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import AsJson, fraction, print_json
from gnomon.cli.tables import print_table
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.reported import Comparison, Score
    from gnomon.measurement import Measurement

_BAD_INPUT, _INSUFFICIENT = 2, 3


def scores(
    logs: Annotated[list[Path], typer.Argument(help="Logs: .eval or .json of inspect_ai, results_*.json of lm-eval.")],
    against: Annotated[Path | None, typer.Option("--against", help="Log to compare with, by question.")] = None,
    level: Annotated[float, typer.Option("--level", help="Of the two-sided intervals.")] = 0.95,
    detect: Annotated[
        str | None, typer.Option("--detect", help="Say how many questions it takes to see such a difference, e.g. 5%.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Print every score of LOGS with an interval that holds, also at 0 of n, beside what the log says.

    Repeated answers to a question are one cluster. Where there are several scores, a second interval holds for all of
    them at once (Bonferroni). With --against: the differences, paired by question, with p-values that are corrected for
    how many are tested (Holm).

    Exits with 0; with 2 when a log could not be read, after the others; with 3 when there is not one number.
    """
    from gnomon.assurance.reported import compare, measured, read_log

    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    gap = None if detect is None else fraction(detect, "detect")
    read: list[Score] = []
    faults: list[GnomonError] = []
    for log in logs:
        try:
            read += read_log(log)
        except GnomonError as fault:
            faults.append(fault)
    each = 1 - (1 - level) / max(1, len(read))
    found = [(score, measured(score, level=level), measured(score, level=each)) for score in read]
    compared: list[tuple[Score, Comparison]] = []
    if against is not None:
        others = {score.key: score for score in read_log(against)}
        compared = [(score, compare(score, others[score.key], level=level)) for score in read if score.key in others]
        if read and not compared:
            raise GnomonError(f"{against}: no score of the same task, metric and scorer", mend="compare like with like")
        if len(compared) < len(read):
            print(f"gnomon: scores not in {against}: {len(read) - len(compared)}", file=sys.stderr)
    corrected = _holm(compared)
    if as_json:
        print_json(_document(found, compared, corrected, level, gap))
    elif found:
        _print_scores(found, level, gap)
        if compared:
            _print_differences(compared, corrected, level, gap)
    for told in faults:
        print(f"gnomon: {told}", file=sys.stderr)
    if faults:
        return _BAD_INPUT
    return 0 if any(m.status == "ok" for _, m, _ in found) else _INSUFFICIENT


def _holm(compared: Sequence[tuple[Score, Comparison]]) -> list[float | None]:
    """The p-values corrected for all comparisons that were made; one that could not be told counts as 1."""
    from gnomon.statistics import Family

    family = Family("differences", tuple(map(str, range(len(compared))))) if compared else None
    if family is None:
        return []
    p_values = {str(i): 1.0 if c.p_value is None else c.p_value for i, (_, c) in enumerate(compared)}
    adjusted = family.holm(p_values)
    return [None if c.p_value is None else adjusted[str(i)] for i, (_, c) in enumerate(compared)]


def _print_scores(found: Sequence[tuple[Score, Measurement, Measurement]], level: float, gap: float | None) -> None:
    several, files = len(found) > 1, {score.log for score, _, _ in found}
    columns = [
        *(["log"] if len(files) > 1 else []),
        "task",
        "metric",
        "n",
        "clusters",
        "value",
        f"{level:.0%} interval",
    ]
    columns += [f"all {len(found)} at once"] if several else []
    columns += ["the log says", *([] if gap is None else [f"n to see {gap:.2g}"]), "note"]
    rows = []
    for score, m, wide in found:
        n, clusters = (m.diagnostics.get(name) for name in ("observations", "clusters"))
        row = [score.log.name] if len(files) > 1 else []
        row += [score.task, _metric(score), _count(n), _count(clusters or n), _value(m), _ends(m)]
        row += [_ends(wide)] if several else []
        row += [_stated(score), *([] if gap is None else [_count(_needed_alone(score, m, gap))]), _note(m)]
        rows.append(row)
    print_table("scores", columns, rows)


def _print_differences(
    compared: Sequence[tuple[Score, Comparison]], corrected: Sequence[float | None], level: float, gap: float | None
) -> None:
    columns = ["task", "metric", "pairs", "changed", "difference", f"{level:.0%} interval", "p", "p, Holm"]
    columns += [*([] if gap is None else [f"pairs to see {gap:.2g}"]), "note"]
    rows = []
    for (score, one), p in zip(compared, corrected, strict=True):
        told, m = one.difference.diagnostics, one.difference
        row = [score.task, _metric(score), _count(told.get("pairs")), _count(told.get("changed"))]
        row += [_value(m, sign="+"), _ends(m), _p(one.p_value), _p(p)]
        row += [*([] if gap is None else [_count(_needed_pairs(one, gap))])]
        unpaired = told.get("unpaired")
        rows.append([*row, m.reason or (f"{unpaired} questions in one log only" if unpaired else "")])
    print_table("differences, paired by question", columns, rows)


def _needed_alone(score: Score, m: Measurement, gap: float) -> int | None:
    """Observations in each of two independent logs, in clusters like these; ``None`` where that cannot be told."""
    import numpy as np

    from gnomon.statistics import needed_each, needed_means

    points, n = score.points, m.diagnostics.get("observations")
    if not isinstance(m.value, float) or n is None:
        return None
    worth = n / m.uncertainty.effective_samples if m.uncertainty.effective_samples else 1.0
    if score.share if points is None else points.binary:
        nearest = m.value + gap if m.value < 0.5 else m.value - gap
        return math.ceil(needed_each(m.value, nearest) * worth) if 0 <= nearest <= 1 else None
    if points is None:
        return None
    deviation = float(np.nanstd(points.values, ddof=1))
    return math.ceil(needed_means(math.sqrt(2) * deviation, gap) * worth) if deviation > 0 else None


def _needed_pairs(one: Comparison, gap: float) -> int | None:
    """Questions, from what share of them changed, or from how differences vary."""
    from gnomon.statistics import needed_means, needed_pairs

    if one.changed is not None:
        return needed_pairs(gap, max(one.changed, gap)) if gap <= 1 else None
    return needed_means(one.deviation, gap) if one.deviation else None


def _document(
    found: Sequence[tuple[Score, Measurement, Measurement]],
    compared: Sequence[tuple[Score, Comparison]],
    corrected: Sequence[float | None],
    level: float,
    gap: float | None,
) -> dict[str, Any]:
    document: dict[str, Any] = {"level": level, "scores": [], "differences": []}
    for score, m, wide in found:
        row = {"log": str(score.log), **m.to_json(), "all_at_once": [wide.uncertainty.low, wide.uncertainty.high]}
        document["scores"].append(row if gap is None else {**row, "needed": _needed_alone(score, m, gap)})
    for (score, one), p in zip(compared, corrected, strict=True):
        row = {"log": str(score.log), **one.difference.to_json(), "p_value": one.p_value, "p_holm": p}
        document["differences"].append(row if gap is None else {**row, "needed": _needed_pairs(one, gap)})
    return document


def _metric(score: Score) -> str:
    return f"{score.metric} ({score.scorer})" if score.scorer not in ("", "none") else score.metric


def _count(number: Any) -> str:
    return "–" if number is None else f"{number:,}"


def _value(m: Measurement, *, sign: str = "") -> str:
    return f"{m.value:{sign}.3f}" if isinstance(m.value, float) else "–"


def _ends(m: Measurement) -> str:
    low, high = m.uncertainty.low, m.uncertainty.high
    return f"{low:.3f} to {high:.3f}" if isinstance(low, float) and isinstance(high, float) else "–"


def _stated(score: Score) -> str:
    return f"{score.stated:.3f}" + ("" if score.error is None else f" ± {score.error:.3f}")


def _note(m: Measurement) -> str:
    unscored = m.diagnostics.get("unscored")
    return m.reason or (f"{unscored} without a score" if unscored else "")


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
