"""A claim: an interval and the range that it must lie in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement

Verdict = Literal["shown", "not shown", "insufficient"]
State = Literal["passed", "refuted", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A measured statement.

    It is passed when the whole interval of the measurement, widened by its systematic bound, lies in
    [``least``, ``most``], refuted when it lies outside, and undecided when it holds an end of that range or nothing
    was measured.

    Parameters
    ----------
    name : snake_case, unique among the claims of a phenomenon.
    statement : what it says, in one sentence without the numbers.
    measurement : a scalar over seeds, e.g. from `gnomon.phenomena.evidence`.
    least, most : ends of the range; at least one of them.

    Raises
    ------
    GnomonError : when there is no threshold or the range is empty.
    """

    name: str
    statement: str
    measurement: Measurement
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if self.least is None and self.most is None:
            raise GnomonError(f"claim {self.name!r} has no threshold", mend="give least or most")
        if self.least is not None and self.most is not None and not self.least < self.most:
            raise GnomonError(f"claim {self.name!r}: the range from {self.least} to {self.most} is empty")

    @property
    def ends(self) -> tuple[float, float] | None:
        """Ends of the interval with its systematic bound; ``None`` where there is none."""
        low, high = self.measurement.uncertainty.low, self.measurement.uncertainty.high
        if self.measurement.status != "ok" or low is None or high is None:
            return None
        systematic = self.measurement.uncertainty.systematic or 0.0
        return float(low) - systematic, float(high) + systematic

    @property
    def state(self) -> State:
        """Whether the claim is passed, refuted or undecided."""
        if self.ends is None:
            return "undecided"
        low, high = self.ends
        least = float("-inf") if self.least is None else self.least
        most = float("inf") if self.most is None else self.most
        if least <= low and high <= most:
            return "passed"
        return "refuted" if high < least or low > most else "undecided"

    def to_json(self) -> dict[str, Any]:
        """JSON object: name, statement, passed, state, value, low, high, threshold, unit, measurement."""
        low, high = self.ends or (None, None)
        both = self.least is not None and self.most is not None
        one = self.least if self.least is not None else self.most
        return {
            "name": self.name,
            "statement": self.statement,
            "passed": self.state == "passed",
            "state": self.state,
            "value": None if self.measurement.value is None else float(self.measurement.value),
            "low": low,
            "high": high,
            "threshold": [self.least, self.most] if both else one,
            "sense": "within" if both else "at least" if self.least is not None else "at most",
            "unit": str(self.measurement.unit),
            "measurement": self.measurement.to_json(),
        }


def verdict_of(claims: Iterable[Claim]) -> Verdict:
    """``shown`` when all are passed, ``not shown`` when any is refuted, else ``insufficient``."""
    states = [claim.state for claim in claims]
    if "refuted" in states:
        return "not shown"
    return "insufficient" if "undecided" in states or not states else "shown"


def control_verdict(arms: Iterable[Iterable[Claim]]) -> Verdict:
    """``not shown`` when the phenomenon is not shown in any arm, ``shown`` when it is in one."""
    verdicts = [verdict_of(claims) for claims in arms]
    if "shown" in verdicts:
        return "shown"
    return "insufficient" if "insufficient" in verdicts or not verdicts else "not shown"
