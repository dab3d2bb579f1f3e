"""Forecasts from earlier cases: each threshold's ladder is what they measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnomon.assurance.case.case import Case
from gnomon.assurance.case.node import Criterion, Evidence
from gnomon.assurance.forecast.crossing import Crossing, crossing
from gnomon.assurance.forecast.due import due
from gnomon.assurance.forecast.ladder import Ladder
from gnomon.assurance.policy import Decision
from gnomon.errors import GnomonError
from gnomon.laws.forecast import DECADES
from gnomon.measurement import Measurement


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """When one threshold will be crossed.

    Parameters
    ----------
    threshold : id of the threshold.
    criterion : its line.
    rungs : compute and measurement of each network, whatever became of the measurement.
    found : the crossing.
    """

    threshold: str
    criterion: Criterion
    rungs: tuple[tuple[float, Measurement], ...]
    found: Crossing

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "threshold": self.threshold,
            "line": self.criterion.line,
            "worse": self.criterion.worse,
            "crossing": self.found.measurement.to_json(),
            "horizon": self.found.horizon,
            "shape": self.found.shape,
            "curve": [list(self.found.grid), list(self.found.curve)],
            "rungs": [
                {
                    "compute": compute,
                    "value": m.value,
                    "low": m.uncertainty.low,
                    "high": m.uncertainty.high,
                    "status": m.status,
                }
                for compute, m in self.rungs
            ],
        }


def forecasts(
    cases: Sequence[Case], *, decades: float = DECADES, level: float = 0.95, apart: bool = True
) -> list[Forecast]:
    """When each threshold of the last case will be crossed, from what all of them measured of it.

    A case whose compute nobody stated has no place on the ladder. Measurements meet by threshold, quantity and labels;
    a threshold that rests on several measurements has a forecast for each. The line is the last case's.

    Raises GnomonError without a case.
    """
    if not cases:
        raise GnomonError("there are no cases to forecast from", mend="give those of smaller networks")
    found = []
    for leaf in _thresholds(cases[-1]):
        threshold, place = leaf.id.removeprefix("row:").split("/")[0], _place(leaf.measured)
        rows = []
        for case in cases:
            compute = case.decision["test"]["compute"]
            same = [one for one in _thresholds(case) if _row(one) == _row(leaf) and _place(one.measured) == place]
            if compute is not None and same:
                rows.append((float(compute), same[0].measured))
        if not rows:
            continue
        usable = [row for row in rows if row[1].status == "ok"]
        if not usable:
            continue
        criterion = leaf.criterion
        found.append(
            Forecast(
                threshold=threshold,
                criterion=criterion,
                rungs=tuple(rows),
                found=crossing(
                    Ladder.of(usable, apart=apart),
                    criterion.line,
                    worse=criterion.worse,
                    threshold=threshold,
                    decades=decades,
                    level=level,
                ),
            )
        )
    return found


def advanced(decision: Decision, found: Sequence[Forecast]) -> Decision:
    """``decision`` with the next test no later than any of ``found`` says that its threshold may be crossed."""
    compute = due(decision.next_test.compute, [one.found for one in found])
    return replace(decision, next_test=replace(decision.next_test, compute=compute))


def _thresholds(case: Case) -> list[Evidence]:
    """Evidence on thresholds, not on safeguards."""
    return [
        one
        for one in case.evidence()
        if one.id.startswith("row:") and "/safeguarded/" not in one.id and not _row(one).startswith("level_")
    ]


def _row(one: Evidence) -> str:
    return one.id.removeprefix("row:").split("/")[0]


def _place(m: Measurement) -> tuple[str, str | None, tuple[tuple[str, str], ...]]:
    return m.quantity, m.site, tuple(sorted(m.labels.items()))
