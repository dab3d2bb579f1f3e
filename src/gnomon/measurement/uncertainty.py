"""How far a value may be from the truth, and which randomness that statement covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import ndtri, stdtrit

from gnomon.errors import GnomonError
from gnomon.measurement.value import Value, decode_value, encode_value, frozen_value, same_value, unwrapped

Kind = Literal["exact", "stderr", "interval", "unknown"]
Randomness = Literal["probe", "data", "seed", "chain"]
RANDOMNESS: tuple[Randomness, ...] = ("probe", "data", "seed", "chain")


@dataclass(frozen=True, kw_only=True, eq=False)
class Uncertainty:
    r"""The statistical and, apart from it, the systematic uncertainty of a value.

    Use the constructors `exact`, `stderr`, `interval` and `unknown`; they say what is meant.

    Parameters
    ----------
    kind : ``exact`` (no randomness: the value is a function of the weights), ``stderr``, ``interval``
        or ``unknown``. Unknown is never read as zero: `half_width` of it raises.
    low, high : ends of the interval at ``level``; same shape as the value. A ``stderr`` states them too.
    level : coverage of the interval, e.g. 0.95.
    error : standard error, for kind ``stderr``.
    effective_samples : effective number of independent samples behind the value.
    covers : which randomness would be redrawn in the repetitions that the interval speaks of.
    systematic : bound on the part that more samples do not shrink (finite n, truncation, step size), in the
        value's unit; ``None`` where the method states none.
    systematic_source : what that bound bounds.

    Raises
    ------
    GnomonError : on NaN, reversed ends, a level outside (0, 1), an unnamed randomness or a negative error.
    """

    kind: Kind
    low: Value | None = None
    high: Value | None = None
    level: float | None = None
    error: Value | None = None
    effective_samples: float | None = None
    covers: frozenset[Randomness] = field(default_factory=frozenset)
    systematic: float | None = None
    systematic_source: str = ""

    def __post_init__(self) -> None:
        for name in ("low", "high", "error"):
            object.__setattr__(self, name, frozen_value(getattr(self, name)))
        if self.kind not in get_args(Kind):
            raise GnomonError(f"unknown kind of uncertainty {self.kind!r}", mend=f"use {', '.join(get_args(Kind))}")
        unknown_names = set(self.covers) - set(RANDOMNESS)
        if unknown_names:
            raise GnomonError(f"unknown randomness {sorted(unknown_names)}", mend=f"use {', '.join(RANDOMNESS)}")
        if self.systematic is not None and not self.systematic >= 0:
            raise GnomonError(f"systematic bound {self.systematic} is not a non-negative number")
        if self.kind in ("stderr", "interval"):
            self._check_interval()
        elif self.kind == "unknown" and (self.low is not None or self.high is not None):
            raise GnomonError("an unknown uncertainty has no interval", mend="use kind='interval'")

    def _check_interval(self) -> None:
        if self.low is None or self.high is None or self.level is None:
            raise GnomonError(f"uncertainty of kind {self.kind!r} needs low, high and level")
        if not 0 < self.level < 1:
            raise GnomonError(f"level {self.level} is not between 0 and 1")
        if not self.covers:
            raise GnomonError("an interval must say which randomness it covers", mend=f"one of {', '.join(RANDOMNESS)}")
        low, high = np.asarray(self.low), np.asarray(self.high)
        if np.isnan(low).any() or np.isnan(high).any() or low.shape != high.shape or (low > high).any():
            raise GnomonError("interval ends are NaN, reversed or of different shape")
        if self.kind == "stderr" and (self.error is None or not (np.asarray(self.error) >= 0).all()):
            raise GnomonError("a standard error must be a non-negative number")

    @classmethod
    def exact(cls, *, systematic: float | None = 0.0, systematic_source: str = "") -> Uncertainty:
        """No randomness: recomputing gives the same value (``systematic`` bounds e.g. truncation)."""
        return cls(kind="exact", systematic=systematic, systematic_source=systematic_source)

    @classmethod
    def unknown(cls) -> Uncertainty:
        """Nothing is known about the error. Never the same as none."""
        return cls(kind="unknown")

    @classmethod
    def stderr(
        cls,
        value: Value,
        error: Value,
        *,
        covers: set[Randomness] | frozenset[Randomness],
        level: float = 0.95,
        degrees_of_freedom: float | None = None,
        effective_samples: float | None = None,
        systematic: float | None = None,
        systematic_source: str = "",
    ) -> Uncertainty:
        """Normal (or Student t, with ``degrees_of_freedom``) interval around ``value``."""
        tail = 0.5 + level / 2
        z = float(ndtri(tail) if degrees_of_freedom is None else stdtrit(degrees_of_freedom, tail))
        half = z * np.asarray(error, dtype=np.float64)
        centre = np.asarray(value, dtype=np.float64)
        return cls(
            kind="stderr",
            low=unwrapped(centre - half),
            high=unwrapped(centre + half),
            level=level,
            error=error,
            effective_samples=effective_samples,
            covers=frozenset(covers),
            systematic=systematic,
            systematic_source=systematic_source,
        )

    @classmethod
    def interval(
        cls,
        low: Value,
        high: Value,
        *,
        covers: set[Randomness] | frozenset[Randomness],
        level: float = 0.95,
        effective_samples: float | None = None,
        systematic: float | None = None,
        systematic_source: str = "",
    ) -> Uncertainty:
        """A confidence interval whose ends come from the method itself."""
        return cls(
            kind="interval",
            low=low,
            high=high,
            level=level,
            effective_samples=effective_samples,
            covers=frozenset(covers),
            systematic=systematic,
            systematic_source=systematic_source,
        )

    @property
    def half_width(self) -> Value:
        """Half the width of the interval. Raises GnomonError when it is unknown."""
        if self.kind == "exact":
            return 0.0
        if self.low is None or self.high is None:
            raise GnomonError("the uncertainty is unknown", mend="measure it; unknown is not zero")
        return unwrapped((np.asarray(self.high) - np.asarray(self.low)) / 2)

    def contains(self, value: Value, truth: Value) -> bool:
        """Whether every number of ``truth`` is covered; see `covered`."""
        return self.covered(value, truth) == 1.0

    def covered(self, value: Value, truth: Value) -> float:
        """Share of the numbers of ``truth`` inside the interval widened by the systematic bound.

        For a scalar it is 0 or 1; float64 rounding is allowed for. Raises GnomonError when the uncertainty is
        unknown.
        """
        if self.kind == "unknown":
            raise GnomonError("the uncertainty is unknown", mend="measure it; unknown is not zero")
        slack = self.systematic or 0.0
        low = np.asarray(value if self.low is None else self.low) - slack
        high = np.asarray(value if self.high is None else self.high) + slack
        truths = np.asarray(truth)
        rounding = 1e-9 * np.abs(truths)
        return float(np.mean((low - rounding <= truths) & (truths <= high + rounding)))

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        return {
            "kind": self.kind,
            "low": encode_value(self.low),
            "high": encode_value(self.high),
            "level": self.level,
            "error": encode_value(self.error),
            "effective_samples": encode_value(self.effective_samples),
            "covers": sorted(self.covers),
            "systematic": encode_value(self.systematic),
            "systematic_source": self.systematic_source,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Uncertainty:
        """Read what `to_json` wrote."""
        return cls(
            kind=data["kind"],
            low=decode_value(data["low"]),
            high=decode_value(data["high"]),
            level=data["level"],
            error=decode_value(data["error"]),
            effective_samples=_number(data["effective_samples"]),
            covers=frozenset(data["covers"]),
            systematic=_number(data["systematic"]),
            systematic_source=data["systematic_source"],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Uncertainty):
            return NotImplemented
        plain = ("kind", "level", "effective_samples", "covers", "systematic", "systematic_source")
        return all(getattr(self, f) == getattr(other, f) for f in plain) and all(
            same_value(getattr(self, f), getattr(other, f)) for f in ("low", "high", "error")
        )

    __hash__ = None  # type: ignore[assignment]


def _number(data: Any) -> float | None:
    value = decode_value(data)
    return None if value is None else float(value)
