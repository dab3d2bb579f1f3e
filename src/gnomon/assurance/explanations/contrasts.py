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
        r"""``function`` of the contrasts ``(…, arms)`` to ``(…)``, and Student's interval of a jackknife over clusters.

        Clusters are of three kinds: with texts of one label, of the other, and of both. The variance is the sum of the
        kinds' :math:`\frac{k_g - 1}{k_g} \sum_i (\theta_{(i)} - \bar\theta_g)^2`, of :math:`k_g` clusters each (of a
        single one, the square of what it moves). Degrees of freedom are one less than the clusters of the label that
        has fewer, on the safe side: two of a label say little of how such clusters differ, however many have the other.

        Source: Efron & Stein, Annals of Statistics 9 (1981) 586; Hsu, Statistical Research Memoirs 2 (1938) 1.
        """
        means = [(s.sum(axis=0) - s) / (c.sum(axis=0) - c) for s, c in zip(self._sums, self._counts, strict=True)]
        value = float(function(self.whole))
        each = function(means[0] - means[1])
        kinds = sum(2**i * (counts[:, 0] > 0) for i, counts in enumerate(self._counts))
        variance = 0.0
        for kind in np.unique(kinds):
            own = each[kinds == kind]
            k = len(own)
            variance += float(
                np.square(own - own.mean()).sum() * (k - 1) / k if k > 1 else np.square(own - value).sum()
            )
        fewest = min(np.count_nonzero(counts) for counts in self._counts)
        reach = float(stdtrit(fewest - 1, 0.5 + level / 2) * np.sqrt(variance))
        return value, Uncertainty.interval(
            value - reach, value + reach, level=level, covers={"data"}, effective_samples=float(self.clusters)
        )

    def _added(self, place: NDArray[np.int64], values: Array) -> Array:
        total = np.zeros((self.clusters, values.shape[1]))
        np.add.at(total, place, values)
        return total
