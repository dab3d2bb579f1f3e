"""How the dimension of a cloud reads at every scale, and what that says about finite n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.estimators.geometry.cloud import CannotReadError, Cloud, cloud_of
from gnomon.estimators.geometry.ratios import maximum_likelihood_dimension
from gnomon.randomness import Rng
from gnomon.subjects import RowAccumulator

Floats = NDArray[np.float64]

LEVEL = 0.95
SCALES = (1, 2, 4, 8, 16, 32)
MLE_NEIGHBOURS = 10
_EXTRAPOLATED = 5  # scales, from the smallest
SPLITS = 20
_DISCARDED = 0.1
_ITERATIONS = 100

_TWONN, _CENSORED, _MLE, _SMOOTH, _BOUNDARY = range(5)


@dataclass(frozen=True, eq=False)
class Reading:
    """A dimension, its standard error over data, and a bound on what finite n does to it."""

    value: float
    error: float
    systematic: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval from data alone."""
        return float(self.error * t.ppf(0.5 + LEVEL / 2, SPLITS))


class Scaling:
    r"""Dimension estimates of one cloud, with their errors.

    The neighbours of order m and 2m among n rows see the cloud as n/m rows would with their first and second. So
    the estimates over m = 1, 2, 4, … are a curve :math:`\hat d(n/m)`, whose continuation to :math:`n \to \infty`
    has the error :math:`O(n^{-2/d})` on a smooth manifold without boundary (curvature and density, second order in
    the distance) and :math:`O(n^{-1/d})` where a boundary cuts the neighbourhoods. Fits with both exponents, the
    estimate without any continuation, and the one that ignores the largest ratios, bracket the limit; the
    farthest end of the bracket, at its upper confidence limit, is the systematic bound of a reading.

    Standard errors are from random halves of the clusters: two halves are independent samples of n/2, so a quarter
    of their mean squared difference estimates the variance at n. A jackknife that leaves few rows out would not
    do, since neighbour distances are not smooth functions of the sample.

    Sources: Denti et al., arXiv:2104.13832 (scale curve); Facco et al., Scientific Reports 7 (2017) 12140
    (decimation, discarding); Shao & Wu, Annals of Statistics 17 (1989) 1176 (deleting a positive share).
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.clusters = int(cloud.clusters.max()) + 1
        self.scales = tuple(m for m in SCALES if 16 * m <= self.clusters)
        self._depth = 2 * self.scales[-1]
        self._full = self._read(cloud.distances)
        self._differences = self._half_differences()

    def _read(self, distances: Floats) -> Floats:
        """Every estimate from the sorted neighbour distances of some rows."""
        curve = np.array(
            [maximum_likelihood_dimension(distances[:, m - 1], distances[:, 2 * m - 1], m) for m in self.scales]
        )
        logs = np.sort(np.log(distances[:, 1] / distances[:, 0]))
        n = len(logs)
        kept = int((1 - _DISCARDED) * n)
        with np.errstate(divide="ignore"):
            censored = (kept - 1) / (logs[:kept].sum() + (n - kept) * logs[kept - 1])
            farthest = distances[:, MLE_NEIGHBOURS - 1, None]
            mle = 1 / np.mean(np.log(farthest / distances[:, : MLE_NEIGHBOURS - 1]))
        if not np.isfinite([censored, mle, *curve]).all():
            raise CannotReadError("the nearest neighbours of most rows are equally far away")
        return np.array([curve[0], censored, mle, *self._extrapolated(curve), *curve])

    def _extrapolated(self, curve: Floats) -> tuple[float, float]:
        """The curve continued to infinite n: on a smooth manifold, and on one with a boundary."""
        inverse_rows = np.array(self.scales[:_EXTRAPOLATED], dtype=np.float64)
        values = curve[:_EXTRAPOLATED]

        def intercept(power: float) -> float:
            x = inverse_rows**power
            slope = np.dot(x - x.mean(), values) / np.square(x - x.mean()).sum()
            return float(values.mean() - slope * x.mean())

        smooth = curve[0]
        for _ in range(_ITERATIONS):  # the exponent depends on the dimension that is looked for
            before, smooth = smooth, float(np.clip(intercept(2 / smooth), curve[0] / 4, 4 * curve[0]))
            if abs(smooth - before) < 1e-8 * smooth:
                break
        return smooth, intercept(1 / smooth)

    def _half_differences(self) -> Floats:
        """Difference of all estimates between two halves of the clusters, for each of some random splits."""
        generator = Rng(0, ("halves",)).numpy()  # rows come in random order: the splits need no seed of their own
        differences = []
        for _ in range(SPLITS):
            side = generator.permutation(self.clusters) % 2 == 0
            theirs = side[self.cloud.neighbour_clusters]
            mine = side[self.cloud.clusters]
            differences.append(self._half(mine, theirs) - self._half(~mine, ~theirs))
        return np.array(differences)

    def _half(self, rows: NDArray[np.bool_], kept: NDArray[np.bool_]) -> Floats:
        """The estimates from ``rows``, with the first neighbours that are ``kept``."""
        rows = rows & (kept.sum(axis=1) >= self._depth)
        kept = kept[rows]
        counts = kept.sum(axis=1)
        first = np.cumsum(counts) - counts
        places = np.flatnonzero(kept)[first[:, None] + np.arange(self._depth)]
        return self._read(self.cloud.distances[rows].reshape(-1)[places])

    def _reading(self, index: int) -> Reading:
        value = float(self._full[index])
        quantile = float(t.ppf(LEVEL, SPLITS))  # one-sided: a bracket that noise made narrow must not pass for a bound
        ends = (_TWONN, _CENSORED, _SMOOTH, _BOUNDARY)
        bounds = [abs(self._full[end] - value) + quantile * self._error(end, index) for end in ends]
        return Reading(value, self._error(index), float(max(bounds)))

    def _error(self, index: int, against: int | None = None) -> float:
        """Standard error of an estimate, or of its difference to another."""
        differences = self._differences[:, index]
        if against is not None:
            differences = differences - self._differences[:, against]
        return float(np.sqrt(np.mean(np.square(differences))) / 2)

    @cached_property
    def twonn(self) -> Reading:
        """From first and second neighbours at full n."""
        return self._reading(_TWONN)

    @cached_property
    def mle(self) -> Reading:
        """From the first `MLE_NEIGHBOURS` neighbours at full n."""
        return self._reading(_MLE)

    @cached_property
    def gride(self) -> Reading:
        """The scale curve continued to infinite n."""
        return self._reading(_SMOOTH)

    @property
    def smooth(self) -> float:
        """The scale curve continued to infinite n with the exponent of a smooth manifold without boundary."""
        return float(self._full[_SMOOTH])

    @property
    def boundary(self) -> float:
        """The scale curve continued to infinite n with the exponent of a manifold with boundary."""
        return float(self._full[_BOUNDARY])

    @property
    def censored(self) -> float:
        """TwoNN with the largest tenth of the ratios known only to be large."""
        return float(self._full[_CENSORED])

    @cached_property
    def misfit(self) -> float:
        """Largest distance between the distribution of ratios and the one that a single dimension would give."""
        distances = self.cloud.distances
        expected = -np.expm1(-self._full[_TWONN] * np.sort(np.log(distances[:, 1] / distances[:, 0])))
        ranks = np.arange(len(expected) + 1) / len(expected)
        return float(max(np.max(ranks[1:] - expected), np.max(expected - ranks[:-1])))

    @property
    def curve(self) -> Floats:
        """GRIDE at each of `scales`."""
        return self._full[5:]

    @cached_property
    def curve_errors(self) -> Floats:
        """Standard errors of `curve`."""
        return np.array([self._error(5 + i) for i in range(len(self.scales))])


_scalings: WeakKeyDictionary[RowAccumulator, Scaling] = WeakKeyDictionary()


def scaling_of(rows: RowAccumulator) -> Scaling:
    """The scaling of a finished sample, worked out once for all its readers. Raises CannotReadError."""
    found = _scalings.get(rows)
    if found is None:
        found = _scalings[rows] = Scaling(cloud_of(rows))
    return found
