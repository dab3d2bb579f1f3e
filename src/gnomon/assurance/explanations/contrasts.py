"""Contrasts between texts with and without a concept, and functions of several of them, with a jackknife."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty

Array = NDArray[np.float64]


class Contrasts:
    r""":math:`\Delta_a = \bar y_a^+ - \bar y_a^-` of several arms a on the same texts.

    Parameters
    ----------
    values : ``(n, arms)``.
    labels : ``(n,)``, above zero for texts with the concept.
    clusters : ``(n,)`` ids of dependent texts.

    Raises GnomonError when a label is left in fewer than two clusters.
    """

    def __init__(self, values: Array, labels: Array, clusters: NDArray[np.int64]) -> None:
        _, place = np.unique(clusters, return_inverse=True)
        self.clusters = int(place.max()) + 1
        present = labels > 0
        self._sums = [self._added(place[side], values[side]) for side in (present, ~present)]
        self._counts = [self._added(place[side], np.ones((int(side.sum()), 1))) for side in (present, ~present)]
        if any(np.count_nonzero(counts) < 2 for counts in self._counts):
            raise GnomonError("a label stands in fewer than two clusters", mend="give more examples")

    @property
    def whole(self) -> Array:
        """``(arms,)``, of all texts."""
        means = [s.sum(axis=0) / c.sum(axis=0) for s, c in zip(self._sums, self._counts, strict=True)]
        return np.asarray(means[0] - means[1])

    def jackknife(self, function: Callable[[Array], Array], *, level: float) -> tuple[float, Uncertainty]:
        """``function`` of the contrasts ``(…, arms)`` to ``(…)``, and Student's interval of a jackknife over clusters.

        Source: Efron & Stein, Annals of Statistics 9 (1981) 586.
        """
        means = [(s.sum(axis=0) - s) / (c.sum(axis=0) - c) for s, c in zip(self._sums, self._counts, strict=True)]
        value = float(function(self.whole))
        each = function(means[0] - means[1])
        spread = float(np.sqrt((self.clusters - 1) / self.clusters * np.square(each - each.mean()).sum()))
        reach = float(stdtrit(self.clusters - 1, 0.5 + level / 2)) * spread
        return value, Uncertainty.interval(
            value - reach, value + reach, level=level, covers={"data"}, effective_samples=float(self.clusters)
        )

    def _added(self, place: NDArray[np.int64], values: Array) -> Array:
        total = np.zeros((self.clusters, values.shape[1]))
        np.add.at(total, place, values)
        return total
