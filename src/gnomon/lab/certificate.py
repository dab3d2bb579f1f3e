"""A certificate: how an estimator read a known answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How one estimator read one known answer.

    Parameters
    ----------
    truth, mean : averages over the instances that were read (an instance may have a truth of its own).
    bias : mean of value − truth.
    spread : standard deviation of value − truth over instances.
    coverage : share of the readings whose interval, widened by its systematic bound, holds the truth.
    nominal : coverage that the interval states.
    n : number of instances. ``read`` of them were ``ok`` and ``insufficient`` of them were declined.
    passed, reason : verdict; a failure says why.
    """

    estimator: str
    quantity: str
    known_answer: str
    truth: float | None
    mean: float | None
    bias: float | None
    spread: float | None
    coverage: float | None
    nominal: float
    n: int
    read: int
    insufficient: int
    passed: bool
    reason: str
    code_version: str
    created: str

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of ``Certificate(**data)``."""
        return asdict(self)
