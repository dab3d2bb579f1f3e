"""What could not be measured, and what would suffice: equal reasons told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.numbers import plain
from gnomon.report.readings import place
from gnomon.report.themes import rank, words


@dataclass(frozen=True)
class Refusal:
    """Readings of one quantity that were refused for the same reason."""

    quantity: str
    title: str
    estimator: str
    status: str
    reason: str
    places: tuple[str, ...]
    suffices: str
    estimate: str


def refusals(measurements: Sequence[Measurement]) -> list[Refusal]:
    """The refused measurements, grouped by quantity, estimator, reason and what would suffice."""
    found: dict[tuple[str, ...], list[Measurement]] = {}
    for m in sorted(measurements, key=lambda m: rank(m.quantity)):
        if m.status != "ok":
            found.setdefault((m.quantity, m.estimator, m.status, m.reason, _budget(m)), []).append(m)
    return [
        Refusal(
            quantity=quantity,
            title=words(quantity).title,
            estimator=estimator,
            status=status,
            reason=reason,
            places=tuple(place(m) for m in members),
            suffices=suffices,
            estimate=_estimate(members),
        )
        for (quantity, estimator, status, reason, suffices), members in found.items()
    ]


def _budget(measurement: Measurement) -> str:
    return ", ".join(f"{plain(float(v))} {k.replace('_', ' ')}" for k, v in sorted(measurement.suffices.items()))


def _estimate(members: Sequence[Measurement]) -> str:
    """The point estimates that were withheld, as a range."""
    values = []
    for m in members:
        estimate = m.diagnostics.get("estimate")
        if isinstance(estimate, (int, float)) and np.isfinite(estimate):
            values.append(float(estimate))
    if not values:
        return ""
    low, high = plain(min(values)), plain(max(values))
    return low if low == high else f"{low} to {high}"
