"""Profile likelihood: how far a parameter may go while the others follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gnomon.laws import noise as noises
from gnomon.laws.fit import Noise
from gnomon.laws.form import Array, Form
from gnomon.laws.solver import minimise

_EXPANSIONS = 14
_REFINEMENTS = 20
_CLOSE = 2e-3  # in units of the half-width
_WIDEST = 3.0  # first step, relative to the coordinate
_FAR = 1e4  # half-widths that a quadratic would have, beyond which a side is open


@dataclass(frozen=True, kw_only=True, eq=False)
class Profiles:
    """Intervals of every coordinate of many fits.

    Parameters
    ----------
    low, high : ends, shape ``(fits, p)``; infinite where the rise does not reach the threshold: the side is open.
    theta, objective : the best optimum met on the way, shapes ``(fits, p)``, ``(fits,)``. Where it is below the
        one that was given, that was not the minimum, and the profile is to be made again.
    """

    low: Array
    high: Array
    theta: Array
    objective: Array


def threshold(noise: Noise, objective: Array, *, rows: int, parameters: int, level: float) -> Array:
    r"""How much the mean loss may rise within the interval.

    For a mean loss L over n rows, :math:`2n(L(\theta_k) - L(\hat\theta))/\tau` is :math:`\chi^2_1` for large n, with
    :math:`\tau = \mathbb{E}\psi^2 / \mathbb{E}\psi'`. That is σ² for squared loss, and exactly δb for the density
    :math:`e^{-\rho(r)/(\delta b)}`. Since the spread is estimated with n - p degrees of freedom, F(1, n - p) stands for
    χ².

    Source: Bates & Watts, Nonlinear Regression Analysis (1988), 6.1; Schrader & Hettmansperger, Biometrika 67 (1980)
    93.
    """
    freedom = rows - parameters
    spread = noises.spread(noise, objective * rows / freedom)
    tau = spread**2 if noise.kind == "normal" else noise.delta * spread
    return np.asarray(tau * stats.f.ppf(level, 1, freedom) / (2 * rows))


def profiles(
    form: Form,
    x: Array,
    y: Array,
    *,
    noise: Noise,
    theta: Array,
    objective: Array,
    level: float,
) -> Profiles:
    """Profile intervals of all coordinates of many fits at once.

    Each side of each coordinate is one constrained fit, warm-started along the profile; all of them step outwards
    together until the loss has risen by `threshold`, and then close in by regula falsi on the root of the rise, which
    is nearly straight.

    Parameters
    ----------
    x : shape ``(n, columns)``.
    y : shape ``(n,)`` or ``(fits, n)``.
    theta, objective : the optima, shapes ``(fits, p)``, ``(fits,)``.

    Cost: about 12 constrained fits for each side of each coordinate, from two starts.
    """
    search = _Search(form, x, np.broadcast_to(y, (len(theta), len(x))), noise, theta, objective, level)
    for _ in range(_EXPANSIONS):
        if not search.expand():
            break
    for _ in range(_REFINEMENTS):
        if not search.refine():
            break
    return search.result()


class _Search:
    """Sides are indexed by fit, coordinate and direction, flattened; places are in units of the expected half-width."""

    def __init__(
        self, form: Form, x: Array, y: Array, noise: Noise, theta: Array, objective: Array, level: float
    ) -> None:
        fits, p = theta.shape
        self.form, self.x, self.y, self.noise = form, x, y, noise
        self.loss = noises.loss(noise)
        self.centre = theta
        # rounding is no rise
        self.least = np.maximum(objective, [noises.rounding(noise, one) for one in self.y])
        self.rise = threshold(noise, self.least, rows=len(x), parameters=p, level=level)
        self.fit, self.coordinate, way = (a.ravel() for a in np.indices((fits, p, 2)))
        width, tangent = self._quadratic()
        self.width = width[self.fit, self.coordinate] * (2 * way - 1)
        sides = len(self.fit)
        # inner: within the interval, outer: outside it; (place, root of the relative rise, θ)
        self.inner, self.inner_root = np.zeros(sides), np.zeros(sides)
        self.inner_theta = theta[self.fit].copy()
        self.outer, self.outer_root = np.full(sides, np.inf), np.full(sides, np.inf)
        self.outer_theta = theta[self.fit].copy()
        self.slope = tangent[self.fit, self.coordinate] * self.width[:, None]  # of θ, for a unit of place
        self.open = np.zeros(sides, bool)
        self.stale = np.zeros(sides, int)
        self.best, self.best_objective = theta.copy(), objective.copy()

    def _quadratic(self) -> tuple[Array, Array]:
        """Half-widths (fits, p) if the loss were quadratic, and how the others follow, dθ/dθ_k, (fits, p, p)."""
        with np.errstate(all="ignore"):
            jacobian = self.form.jacobian(self.x, self.centre)
            if self.loss.scale == "log":
                jacobian = jacobian / self.form.value(self.x, self.centre)[..., None]
        curvature = np.ones(len(self.centre))
        if self.noise.kind == "laplace":
            curvature = np.minimum(1.0, self.noise.delta / noises.spread(self.noise, self.least))
        jacobian = np.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
        # a coordinate without effect has a width beyond the widest
        size = np.maximum(np.sqrt((jacobian**2).mean(-2)), 1e-100)
        scaled = jacobian / size[:, None, :]
        gram = np.swapaxes(scaled, -1, -2) @ scaled / len(self.x)
        inverse = np.linalg.inv(gram + 1e-10 * np.eye(gram.shape[-1])) / (size[:, :, None] * size[:, None, :])
        variance = np.diagonal(inverse, axis1=-2, axis2=-1)
        width = np.sqrt(2 * self.rise[:, None] / curvature[:, None] * variance)
        # of logarithms the unit is 1; of others, what moves the values by their own size
        typical = 1.0 if self.loss.scale == "log" else np.sqrt((self.y**2).mean(-1, keepdims=True))
        unit = np.where(self.form.positives | (size <= 1e-100) | (typical == 0), 1.0, typical / size)
        scale = unit + np.abs(self.centre)
        return np.clip(width, 1e-12 * scale, _WIDEST * scale), inverse / variance[..., None]

    def expand(self) -> bool:
        """Step out where the rise is not reached; whether some side did."""
        sides = np.flatnonzero(np.isinf(self.outer) & ~self.open)
        if not len(sides):
            return False
        root, place = self.inner_root[sides], self.inner[sides]
        # where a straight root would reach 1, a little beyond, and no more than fourfold
        ahead = 1.1 * place / np.maximum(root, 1e-12)
        ahead = np.where(place > 0, np.clip(ahead, 1.3 * place, 4 * place), 1.0)
        self._try(sides, ahead)
        inside = sides[np.isinf(self.outer[sides])]
        gained = self.inner_root[inside] - root[np.isinf(self.outer[sides])]
        self.stale[inside] = np.where(gained < 1e-2, self.stale[inside] + 1, 0)
        self.open[inside] = (self.stale[inside] >= 4) | (self.inner[inside] > _FAR)
        return True

    def refine(self) -> bool:
        """Close in where inner and outer are apart; whether some side did."""
        bounded = np.isfinite(self.outer)
        close = (1 - self.inner_root < _CLOSE) | (self.outer_root - 1 < _CLOSE)
        sides = np.flatnonzero(bounded & ~close & (self.outer - self.inner > _CLOSE * self.outer))
        if not len(sides):
            return False
        low, high = self.inner[sides], self.outer[sides]
        # a wall (infinite or far too high) is approached by halves
        high_root = np.minimum(self.outer_root[sides], 3.0)
        share = (1 - self.inner_root[sides]) / (high_root - self.inner_root[sides])
        self._try(sides, low + np.clip(share, 0.1, 0.9) * (high - low))
        return True

    def _try(self, sides: NDArray[np.intp], place: Array) -> None:
        """Constrained fits at ``place``, from the inner θ carried along the profile, and from the outer one."""
        which, k = self.fit[sides], self.coordinate[sides]
        value = self.centre[which, k] + place * self.width[sides]
        carried = self.inner_theta[sides] + (place - self.inner[sides])[:, None] * self.slope[sides]
        other = np.where(np.isfinite(self.outer[sides])[:, None], self.outer_theta[sides], self.inner_theta[sides])
        starts = np.stack([carried, other], 1)
        np.put_along_axis(starts, np.broadcast_to(k[:, None, None], (len(k), 2, 1)), value[:, None, None], axis=2)
        held = np.arange(starts.shape[-1]) == np.repeat(k, 2)[:, None]
        ends = minimise(
            self.form,
            self.x,
            np.repeat(self.y[which], 2, axis=0),
            starts.reshape(-1, starts.shape[-1]),
            self.loss,
            held=held,
        )
        objective = ends.objective.reshape(-1, 2)
        better = np.argmin(objective, 1)
        objective = objective[np.arange(len(sides)), better]
        theta = ends.theta.reshape(len(sides), 2, -1)[np.arange(len(sides)), better]
        for i in np.flatnonzero(objective < self.best_objective[which]):
            if objective[i] < self.best_objective[which[i]]:
                self.best_objective[which[i]], self.best[which[i]] = objective[i], theta[i]
        root = np.sqrt(np.maximum(objective - self.least[which], 0.0) / self.rise[which])
        inside = root < 1
        now = sides[inside]
        step = (place - self.inner[sides])[inside]
        self.slope[now] = (theta[inside] - self.inner_theta[now]) / step[:, None]
        self.inner[now], self.inner_root[now], self.inner_theta[now] = place[inside], root[inside], theta[inside]
        now = sides[~inside]
        self.outer[now], self.outer_root[now], self.outer_theta[now] = place[~inside], root[~inside], theta[~inside]

    def result(self) -> Profiles:
        """The ends, by a last interpolation."""
        bounded = np.isfinite(self.outer)
        gap = np.maximum(np.minimum(self.outer_root, 3.0) - self.inner_root, 1e-12)
        share = np.clip((1 - self.inner_root) / gap, 0.0, 1.0)
        place = np.where(bounded, self.inner + share * (np.where(bounded, self.outer, 0.0) - self.inner), np.inf)
        ends = (self.centre[self.fit, self.coordinate] + place * self.width).reshape(*self.centre.shape, 2)
        return Profiles(low=ends[..., 0], high=ends[..., 1], theta=self.best, objective=self.best_objective)
