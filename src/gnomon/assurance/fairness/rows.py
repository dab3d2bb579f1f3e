"""A reading as the rows that it is the mean of, so that two deployments can be compared row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.fairness.crossed import Clusters, crossed_proportion, crossed_spread, independent, student
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.statistics import Family, paired_difference, proportion
from gnomon.statistics.bounded import betting_interval
from gnomon.statistics.clusters import sums_by_cluster
from gnomon.statistics.paired import tango

Array = NDArray[np.float64]
_ROUNDING = 1e-9  # relative; networks compute in single precision, so that less is no difference


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    r"""A mean of rows, or the difference of the means of two sides of them.

    .. math:: \hat\theta = \frac{\sum_{i \in +} w_i x_i}{\sum_{i \in +} w_i}
        - \frac{\sum_{i \in -} w_i x_i}{\sum_{i \in -} w_i}, \qquad
        \psi_i = \pm \frac{w_i (x_i - \bar x_\pm)}{\sum_{j \in \pm} w_j},

    without the second term where there is no such side. ψ is what each row moved it by.

    Parameters
    ----------
    quantity, labels, estimator, diagnostics : of the measurement.
    keys : ``(n,)``, what each row is of; rows of two deployments with one key are a pair.
    values : ``(n,)``, x.
    clusterings : one or two, each ``(n,)``: what is drawn anew in the repetitions that the interval speaks of.
    weights : ``(n,)``, w; by default all alike.
    sides : ``(n,)`` of 1 and -1; by default all 1.
    within : bounds that no x can be outside of.
    counted : whether every x is 0 or 1, so that the mean is a proportion.
    family : readings, this among them, whose intervals hold at once at the level asked for.
    """

    quantity: Quantity
    keys: tuple[str, ...]
    values: Array
    clusterings: tuple[Clusters, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    weights: Array | None = None
    sides: NDArray[np.int64] | None = None
    within: tuple[float, float] = (-np.inf, np.inf)
    counted: bool = False
    family: Family | None = None
    estimator: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The estimate."""
        return float(np.clip(sum(sign * mean for sign, mean, _ in self._sided()), *self._bounds))

    @property
    def influence(self) -> Array:
        """``(n,)``: ψ."""
        found = np.zeros(len(self.values))
        for sign, mean, weights in self._sided():
            found += sign * weights * (self.values - mean)
        return found

    def measurement(self, level: float) -> Measurement:
        """The reading, with its interval."""
        if not len(self.values):
            return self._insufficient("there are no rows")
        if unknown := int((~np.isfinite(self.values)).sum()):
            return self._insufficient(f"{unknown} of {len(self.values)} rows are not finite")
        spread = self._uncertainty(self._own(level))
        if spread is None:
            return self._insufficient("one cluster shows no spread" if self._lonely else "all rows are alike")
        return self._told(self.quantity, self.value, spread, level)

    def change(self, other: Rows, quantity: Quantity, level: float) -> Measurement:
        """``other`` minus this, over the rows that both have; the rows' common part cancels.

        ``quantity`` names the change. Raises GnomonError when the two are not readings of one thing.
        """
        if (self.quantity, dict(self.labels)) != (other.quantity, dict(other.labels)):
            raise GnomonError(f"{self.quantity.name} and {other.quantity.name} are not one reading")
        common = set(self.keys) & set(other.keys)
        one, two = self._kept(common), other._kept(common)
        if one.keys != two.keys:
            raise GnomonError(f"the rows of {self.quantity.name} are not in one order", mend="read both alike")
        moved = replace(
            one,
            quantity=replace(quantity, unit=self.quantity.unit),
            values=two.values - one.values,
            within=(one.within[0] - one.within[1], one.within[1] - one.within[0]),
            counted=False,
            labels={"of": self.quantity.name, **self.labels},
            diagnostics={"rows": len(one.keys), "left_out": len(set(self.keys) | set(other.keys)) - len(common)},
        )
        if not common:
            return moved._insufficient("no row is in both")
        if unknown := int((~np.isfinite(moved.values)).sum()):
            return moved._insufficient(f"{unknown} of {len(moved.values)} rows are not finite")
        own = self._own(level)
        spread = _of_counts(one, two, own) if one.counted and one._plain else moved._uncertainty(own)
        if spread is None:
            alike = "all rows moved alike, which does not show how far others would"
            return moved._insufficient("one cluster shows no spread" if moved._lonely else alike)
        return moved._told(moved.quantity, moved.value, spread, level)

    def _own(self, level: float) -> float:
        """The level of this interval alone."""
        return level if self.family is None else self.family.simultaneous(level)

    @property
    def _lonely(self) -> bool:
        return min(len(set(one)) for one in self.clusterings) < 2

    @property
    def _alike(self) -> bool:
        """Whether the values of each side differ by no more than they are rounded."""
        rounding = _ROUNDING * float(np.abs(self.values).max())
        return all(float(np.ptp(self.values[weights > 0])) <= rounding for _, _, weights in self._sided())

    @property
    def _plain(self) -> bool:
        return self.weights is None and self.sides is None

    @property
    def _bounds(self) -> tuple[float, float]:
        """Of the estimate."""
        widest = self.within[1] - self.within[0]
        return self.within if self.sides is None else (-widest, widest)

    def _sided(self) -> list[tuple[int, float, Array]]:
        """For each side its sign, its mean, and the normalised weights ``(n,)``, zero off the side."""
        weights = np.ones(len(self.values)) if self.weights is None else self.weights
        sides = np.ones(len(self.values), dtype=np.int64) if self.sides is None else self.sides
        found = []
        for sign in sorted(set(sides.tolist()), reverse=True):
            own = np.where(sides == sign, weights, 0.0)
            own /= own.sum()
            found.append((sign, float(own @ self.values), own))
        return found

    def _uncertainty(self, level: float) -> Uncertainty | None:
        if self.counted and self._plain and len(self.clusterings) == 1:
            return proportion(self.values, self.clusterings[0], level=level)[1]
        spread = crossed_spread(self.influence, self.clusterings, level, sides=self.sides)
        if spread is None:
            return None
        if self.counted and self._plain:
            return crossed_proportion(self.values, spread, self.clusterings, level)
        if spread.variance > 0 and not self._alike:
            return student(self.value, spread, level, self._bounds)
        if self.sides is not None or not np.isfinite(self.within).all():
            return None
        # all alike: only the bounds say how far others may be
        coarsest = min(self.clusterings, key=lambda one: len(set(one)))
        low, high = betting_interval(*sums_by_cluster(self.values, coarsest), level=level, within=self.within)
        return Uncertainty.interval(low, high, level=level, covers={"data"}, systematic=0.0)

    def _kept(self, keys: set[str]) -> Rows:
        chosen = np.array([key in keys for key in self.keys], dtype=np.bool_)
        return replace(
            self,
            keys=tuple(key for key in self.keys if key in keys),
            values=self.values[chosen],
            clusterings=tuple(tuple(c for c, k in zip(one, chosen, strict=True) if k) for one in self.clusterings),
            weights=None if self.weights is None else self.weights[chosen],
            sides=None if self.sides is None else self.sides[chosen],
        )

    def _told(self, quantity: Quantity, value: float, spread: Uncertainty, level: float) -> Measurement:
        diagnostics = dict(self.diagnostics)
        if self.family is not None:
            diagnostics |= {"family": self.family.name, "members": len(self.family.members)}
        return Measurement.ok(
            quantity,
            value,
            replace(spread, level=level),
            labels=self.labels,
            estimator=self.estimator,
            diagnostics=diagnostics,
        )

    def _insufficient(self, reason: str) -> Measurement:
        return Measurement.insufficient(
            self.quantity, reason, suffices={"clusters": 10.0}, labels=self.labels, estimator=self.estimator
        )


def _of_counts(before: Rows, after: Rows, level: float) -> Uncertainty | None:
    """Tango's interval for the change of a proportion, at the number of independent pairs that the rows are worth."""
    if len(before.clusterings) == 1:
        return paired_difference(before.values, after.values, before.clusterings[0], level=level)[1]
    moved = after.values - before.values
    n, share = len(moved), float(moved.mean())
    spread = crossed_spread((moved - share) / n, before.clusterings, level)
    if spread is None:
        return None
    worth = independent(float(np.square(moved).mean()) - share**2, moved == 0, spread, before.clusterings, level)
    low, high = tango(float((moved > 0).mean()) * worth, float((moved < 0).mean()) * worth, worth, level=level)
    return Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=worth, systematic=0.0)
