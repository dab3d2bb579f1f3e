r"""When a measurement will come to a line, as its ladder tells.

Every curve of `gnomon.assurance.forecast.curves` is written by where it crosses the line,
:math:`h(\eta_\ell + b\,(\log C - x_\times))`, so that :math:`x_\times = \log C_\times` is a parameter of it, and b and
the shape h are not of interest. The interval holds every :math:`x_\times` with

.. math:: D(x_\times) - \min D \;\le\; \hat\varphi\, F_{1,\,f}(\text{level}), \qquad
    \hat\varphi = \max\bigl(1, X^2 / f\bigr),

D the least deviance over b and over the shapes, :math:`X^2` Pearson's statistic of the best curve, and f the number of
rungs less two, without those of which less than one hit (or miss) is expected: they tell nothing of scatter. Networks
scatter by more than their test sets: n trials of a share p are taken as worth :math:`n / (1 + n p (1 - p) \tau^2)`,
:math:`\tau^2` being the variance of networks in log-odds that makes :math:`X^2 = f`, or 0 where it is less already; of
other numbers :math:`\tau^2` is added to the squared error.
Where a curve that never crosses fits as well, the interval is open. That is a profile likelihood; for one straight
line it gives Fieller's interval.

What it does not hold for: a truth of none of the shapes (a floor, a ceiling, a sudden rise) bends away beyond the
ladder, and no residual on the ladder says so. ``docs/assurance/forecast.md`` has the coverage for such truths.

A law of `gnomon.laws` is not fitted here: it takes rows of unknown and alike scatter, where each share on a ladder
has an error that is known and depends on the share.

Sources: Venzon & Moolgavkar, Applied Statistics 37 (1988) 87 (profiles); McCullagh & Nelder, Generalized Linear Models
(1989), 4.5; Williams, Applied Statistics 31 (1982) 144 (scatter of shares, model III);
Fieller, JRSS B 16 (1954) 175; Finney, Probit Analysis (1971), 4 (doses that have an effect).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gnomon.assurance.forecast.curves import NUMBERS, SHARES, Shape, deviance, freedom, pearson, scatter_of, worth
from gnomon.assurance.forecast.ladder import Ladder
from gnomon.assurance.forecast.quantities import CROSSING
from gnomon.errors import GnomonError
from gnomon.laws.forecast import DECADES
from gnomon.measurement import Measurement, Uncertainty

Array = NDArray[np.float64]

LEAST = 4
"""Rungs of different compute from which a ladder tells anything."""

_STEEPEST, _SHALLOWEST = 30.0, 1e-4  # slopes b, of h's argument by log C (of the values' range for numbers)
_SLOPES, _FINER, _CLOSER = 32, 9, 11
_PLACES = 240  # of log C that are tried
_REFITS = 2  # with the scatter of networks that was found
_TOLERANCE = 1e-9
_ALIKE = 1e-6  # of deviances: what the grid and the edge of shares leave between equal fits


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A forecast of one threshold.

    Parameters
    ----------
    measurement : of `CROSSING`; ``insufficient`` where the ladder tells nothing.
    horizon : compute up to which anything is claimed.
    curve : the best curve at ``grid``, shape ``(points,)``, for a figure; empty where there is none.
    grid : compute, shape ``(points,)``.
    shape : of the best curve.
    """

    measurement: Measurement
    horizon: float
    grid: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    shape: str = ""

    @property
    def low(self) -> float | None:
        """The least compute at which it may be crossed; ``None`` where nothing is known."""
        low = self.measurement.uncertainty.low
        return None if low is None else float(low)


def crossing(
    ladder: Ladder,
    line: float,
    *,
    worse: Literal["above", "below"] = "above",
    threshold: str = "",
    decades: float = DECADES,
    level: float = 0.95,
) -> Crossing:
    """When the expected measurement comes to ``line``, with a two-sided interval at ``level``.

    Nothing is claimed beyond the horizon, ``decades`` above the highest rung: an end beyond it is infinite, and a low
    end beyond it is the horizon, the answer being that it is not crossed within it.

    Parameters
    ----------
    line : limit with its buffer.
    worse : on which side of it the bad values are.
    threshold : id, for the label.

    Raises
    ------
    GnomonError : for a share's line outside (0, 1), or a level outside (0, 1).

    Cost: about 30 ms.
    """
    if not 0 < level < 1:
        raise GnomonError(f"level {level:g} is not between 0 and 1", mend="give e.g. 0.95")
    if ladder.shares and not 0 < line < 1:
        raise GnomonError(f"a share never crosses {line:g}", mend="give a line between 0 and 1")
    x = ladder.x
    top = float(x[-1] + decades * np.log(10))
    labels = {"threshold": threshold} if threshold else {}
    rungs = len(np.unique(x))
    if rungs < LEAST:
        reason = f"a ladder of {rungs} rungs tells no trend"
        refused = Measurement.insufficient(CROSSING, reason, suffices={"rungs": LEAST}, labels=labels)
        return Crossing(measurement=refused, horizon=float(np.exp(top)))
    profile = _Profile(ladder, line, worse)
    places = np.linspace(x[0] - decades * np.log(10), top, _PLACES)
    crossed = profile.crossing_at(places)
    never = min(profile.never(), profile.beyond(top))
    best = min(float(crossed.min()), never)
    allowed = best + profile.scatter * float(stats.f.ppf(level, 1, profile.freedom)) + _TOLERANCE
    kept = places[crossed <= allowed]
    low = float(kept[0]) if len(kept) else top
    high = np.inf if never <= allowed else float(kept[-1])
    # a tie, as of no hits on any rung, is no sign of a crossing
    value = float(places[np.argmin(crossed)]) if crossed.min() < never - _ALIKE else np.inf
    curve = profile.curve(np.linspace(x[0], top, 80))
    told = {
        "rungs": len(x),
        "shape": profile.best.name,
        "scatter": profile.scatter,
        "variance_of_networks": profile.apart,
        "line": line,
        "worse": worse,
    }
    if low <= places[0] and high == np.inf:
        reason = f"{len(x)} rungs leave it open whether it is crossed before the lowest of them or never"
        found = Measurement.insufficient(CROSSING, reason, labels=labels, diagnostics=told, estimator="ladder")
    else:
        found = Measurement.ok(
            CROSSING,
            float(np.exp(value)),
            Uncertainty.interval(
                # below all places that were tried nothing bounds it
                0.0 if low <= places[0] else float(np.exp(low)),
                float(np.exp(high)),
                level=level,
                covers={"data", "seed"} if ladder.apart else {"data"},
                effective_samples=float(rungs),
            ),
            labels=labels,
            estimator="ladder",
            diagnostics=told,
        )
    return Crossing(
        measurement=found,
        horizon=float(np.exp(top)),
        grid=tuple(np.exp(np.linspace(x[0], top, 80)).tolist()),
        curve=tuple(curve.tolist()),
        shape=profile.best.name,
    )


class _Profile:
    """Least deviances of curves through given crossings."""

    def __init__(self, ladder: Ladder, line: float, worse: Literal["above", "below"]) -> None:
        self._x, self._y, self._weights = ladder.x, ladder.y, ladder.weights
        self._line, self._shares = line, ladder.shares
        self._sign = 1.0 if worse == "above" else -1.0
        shapes = SHARES if ladder.shares else NUMBERS
        positive = line > 0 and bool((self._y > 0).all())
        self._shapes = [one for one in shapes if ladder.shares or one.name != "power law" or positive]
        self.apart = 0.0  # variance of networks
        self._fit()
        for _ in range(_REFITS):
            fitted = self.curve(self._x)
            self.apart = scatter_of(fitted, self._y, ladder.weights, shares=self._shares)
            if not self.apart:
                break
            self._weights = worth(fitted, ladder.weights, self.apart, shares=self._shares)
            self._fit()
        fitted = self.curve(self._x)
        self.freedom = freedom(fitted, ladder.weights, shares=self._shares)
        squares = pearson(fitted, self._y, self._weights, shares=self._shares)
        self.scatter = max(1.0, squares / self.freedom)

    def _fit(self) -> None:
        """The best curve of each shape, and of all."""
        self._fits = [self._free(one) for one in self._shapes]
        least = int(np.argmin([fit[0] for fit in self._fits]))
        self.best: Shape = self._shapes[least]
        _, self._middle, self._slope = self._fits[least]

    def crossing_at(self, places: Array) -> Array:
        """The least deviance over slopes towards the line's bad side and over shapes, at each crossing."""
        found = [self._along(shape, places, np.array(shape.back(np.array(self._line)))) for shape in self._shapes]
        return np.asarray(np.min(found, axis=0))

    def never(self) -> float:
        """The least deviance of curves that are level or move to the good side."""
        away = [d for d, _, slope in self._fits if self._sign * slope <= 0]
        level = np.full_like(self._y, np.sum(self._weights * self._y) / self._weights.sum())
        return min([*away, float(deviance(level, self._y, self._weights, shares=self._shares))])

    def beyond(self, top: float) -> float:
        """The least deviance of curves that cross above ``top``."""
        return float(self.crossing_at(top + np.geomspace(1e-3, 1e3, 40)).min())

    def curve(self, x: Array) -> Array:
        """The best curve at ``x``."""
        return np.asarray(self.best.up(self._middle + self._slope * (x - self._x.mean())))

    def _deviance(self, shape: Shape, eta: Array) -> Array:
        return deviance(shape.up(eta), self._y, self._weights, shares=self._shares)

    def _along(self, shape: Shape, places: Array, at_line: Array) -> Array:
        apart = self._x - places[:, None]
        width = self._width(shape)
        slopes = np.geomspace(_SHALLOWEST * width, _STEEPEST * width, _SLOPES)[:, None]
        for _ in range(3):  # each time between the neighbours of the best
            d = self._deviance(shape, at_line + self._sign * slopes[..., None] * apart)
            near = np.argmin(d, axis=0)
            columns = np.arange(len(places)) if slopes.shape[1] > 1 else 0
            low, high = (slopes[np.clip(near + step, 0, len(slopes) - 1), columns] for step in (-1, 1))
            slopes = np.geomspace(low, high, _FINER)
        return np.asarray(d.min(axis=0))

    def _width(self, shape: Shape) -> float:
        """Range of h's argument over what was measured: 1 for shares and logarithms."""
        if shape.name != "straight":
            return 1.0
        error = float(1 / np.sqrt(self._weights.max()))
        return max(float(np.ptp(self._y)), abs(self._line - float(self._y.mean())), error)

    def _free(self, shape: Shape) -> tuple[float, float, float]:
        """Least deviance of all curves, and the argument at the middle and the slope of the best."""
        middles, slopes = self._start(shape)
        for _ in range(14):
            a, b = np.meshgrid(middles, slopes, indexing="ij")
            d = self._deviance(shape, a[..., None] + b[..., None] * (self._x - self._x.mean()))
            i, j = np.unravel_index(int(np.argmin(d)), d.shape)
            middles, slopes = self._closer(middles, int(i)), self._closer(slopes, int(j))
        return float(d.min()), float(a[i, j]), float(b[i, j])

    def _start(self, shape: Shape) -> tuple[Array, Array]:
        if self._shares:
            return np.linspace(-16.0, 16.0, 41), np.linspace(-8.0, 8.0, 41)
        eta = shape.back(self._y)
        width = max(float(np.ptp(eta)), self._width(shape) if shape.name == "straight" else 1e-6)
        run = max(float(np.ptp(self._x)), 1e-9)
        return eta.mean() + width * np.linspace(-1, 1, 41), 3 * width / run * np.linspace(-1, 1, 41)

    @staticmethod
    def _closer(values: Array, best: int) -> Array:
        step = values[1] - values[0]
        return np.linspace(values[best] - 2 * step, values[best] + 2 * step, _CLOSER)
