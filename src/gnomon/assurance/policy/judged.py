"""One line held against the measurements that answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from gnomon.assurance.asking import Answer
from gnomon.assurance.policy.allotment import two_sided
from gnomon.assurance.policy.policy import Limit
from gnomon.measurement import Measurement
from gnomon.measurement.value import encode_value

State = Literal["clears", "fails", "open"]
_ROUNDING = 1e-11  # of levels
_NAMED = 4  # of the measurements among which a policy has to choose


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was measured for one line, and what follows from it.

    Parameters
    ----------
    limit : the threshold or safeguard.
    state : ``clears`` when the whole interval is on the good side of the line, ``fails`` when none of it is, else
        ``open``.
    value, low, high : what decides: of several measurements, the one nearest to failing; ``None`` where there is none.
    at : its labels, as far as they tell it from the others that fit.
    confidence : of each end of the interval, as a one-sided bound: what was asked for, or more where the evaluation
        was asked at a stricter level for another row.
    reason : why it is open; empty otherwise.
    measurements : all that fit, for the evidence.
    """

    limit: Limit
    state: State
    confidence: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    measurements: tuple[Measurement, ...] = ()

    def measured(self) -> dict[str, Any]:
        """Value and interval as JSON."""
        return {
            "value": encode_value(self.value),
            "low": encode_value(self.low),
            "high": encode_value(self.high),
            "confidence": self.confidence,
            "at": dict(self.at),
        }


def judge(limit: Limit, answer: Answer, share: float) -> Judged:
    """Hold ``limit`` against ``answer``; each end of the interval may be wrong with probability ``share``.

    The interval is the measurement's, widened by its systematic bound. One whose error is unknown, or known at a lower
    level than ``share`` asks for, decides nothing.
    """
    confidence = 1 - share
    if answer.reason:
        return Judged(limit=limit, state="open", confidence=confidence, reason=answer.reason)
    fitting = tuple(m for m in answer.measurements if _fits(limit, m))
    if not fitting or (len(fitting) > 1 and not limit.each):
        reason = _several(fitting) if fitting else f"no measurement fits: there is {_some(answer.measurements)}"
        return Judged(limit=limit, state="open", confidence=confidence, reason=reason, measurements=fitting)
    each = [_one(limit, m, confidence) for m in fitting]
    worst = min(range(len(each)), key=lambda i: _urgency(each[i]))
    absent = _absent(limit, fitting)
    if absent and each[worst].state != "fails":
        return Judged(limit=limit, state="open", confidence=confidence, reason=absent, measurements=fitting)
    told = {name: {m.labels.get(name) for m in fitting} for name in fitting[worst].labels}
    at = {name: text for name, text in fitting[worst].labels.items() if len(told[name]) > 1}
    return replace(each[worst], at=at, measurements=fitting)


def _urgency(one: Judged) -> tuple[int, float]:
    """What fails before what is open before what clears, and then the end that is furthest on the bad side."""
    order = {"fails": 0, "open": 1, "clears": 2}[one.state]
    if one.low is None or one.high is None:
        return order, -np.inf
    return order, -one.high if one.limit.worse == "above" else one.low


def _one(limit: Limit, m: Measurement, confidence: float) -> Judged:
    told: dict[str, Any] = {"limit": limit, "confidence": confidence}
    if m.status != "ok":
        needed = ", ".join(f"{count:g} {what}" for what, count in m.suffices.items())
        return Judged(**told, state="open", reason=f"{m.reason} ({needed} would do)" if needed else m.reason)
    assert isinstance(m.value, float), "a policy is checked to name scalars only"
    ends = _ends(m, two_sided(1 - confidence))
    if isinstance(ends, str):
        return Judged(**told, state="open", value=m.value, reason=ends)
    low, high = ends
    if m.uncertainty.level is not None:
        told["confidence"] = max(confidence, round((1 + m.uncertainty.level) / 2, 12))
    state: State = "clears" if limit.clears(low, high) else "fails" if limit.fails(low, high) else "open"
    reason = f"the interval contains {limit.line:.4g}" if state == "open" else ""
    return Judged(**told, state=state, value=m.value, low=low, high=high, reason=reason)


def _ends(m: Measurement, asked: float) -> tuple[float, float] | str:
    """The ends of the interval, or why it says nothing; ``asked`` is the two-sided level."""
    u = m.uncertainty
    slack = u.systematic or 0.0
    if u.kind == "exact":
        assert isinstance(m.value, float)
        return m.value - slack, m.value + slack
    if u.kind == "unknown" or u.level is None:
        return "its error is not known"
    if u.level < asked - _ROUNDING:
        return f"its interval is at {u.level:.6g}, and {asked:.6g} is asked for"
    assert isinstance(u.low, float)
    assert isinstance(u.high, float)
    return u.low - slack, u.high + slack


def _fits(limit: Limit, m: Measurement) -> bool:
    """Whether ``m`` answers for ``limit``.

    What could not be told often lacks the labels of what would have been: under ``each`` it fits as long as no label
    says otherwise, so that it is not passed over.
    """
    untold = limit.each and m.status != "ok"
    return m.quantity == limit.measures and all(
        m.labels.get(name, text if untold else None) == text for name, text in limit.labels.items()
    )


def _absent(limit: Limit, fitting: Sequence[Measurement]) -> str:
    """Which measurement is demanded and not there; empty where there is none."""
    absent = [
        f"{name} = {' or '.join(values)}"
        for name, values in limit.present.items()
        if not any(m.labels.get(name) in values for m in fitting)
    ]
    return f"nothing was measured with {' and '.join(absent)}, which the policy demands" if absent else ""


def _several(fitting: Sequence[Measurement]) -> str:
    return f"{len(fitting)} measurements fit, {_some(fitting)}: state labels, or each = true for all"


def _some(measurements: Sequence[Measurement]) -> str:
    names = list(dict.fromkeys(_named(m) for m in measurements))
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more if names else "none"


def _named(m: Measurement) -> str:
    labels = ", ".join(f"{name} = {text}" for name, text in m.labels.items())
    return f"{m.quantity} ({labels})" if labels else m.quantity
