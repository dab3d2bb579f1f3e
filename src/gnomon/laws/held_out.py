"""Predictions of rows by fits that did not see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.laws import noise as noises
from gnomon.laws.distribution import exact
from gnomon.laws.fit import Fit, Noise
from gnomon.laws.fitting import STARTS, fit_many
from gnomon.laws.form import Array
from gnomon.randomness import Rng

_FRESH = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """A component for each row, on the scale of the noise; NaN where nothing is predicted.

    Parameters
    ----------
    locations, spreads : shape ``(n,)``.
    noise : their kind and scale.
    """

    locations: Array
    spreads: Array
    noise: Noise

    def log_density(self, y: Array) -> Array:
        """Log density of the values themselves, shape ``(n,)``; very low where there was no prediction."""
        log = self.noise.scale == "log"
        z = np.minimum(abs((np.log(y) if log else y) - self.locations) / self.spreads, 1e100)
        each = -(z**2) / 2 - np.log(2 * np.pi) / 2 if self.noise.kind == "normal" else -z - np.log(2.0)
        found = each - np.log(self.spreads) - (np.log(y) if log else 0.0)
        return np.maximum(np.where(np.isfinite(found), found, _NOTHING), _NOTHING)


_NOTHING = -1e4


def predictions(one: Fit, sets: NDArray[np.bool_], *, rng: Rng) -> Held:
    r"""Predict the rows of each of ``sets``, shape ``(sets, n)``, by a fit to the rows outside it.

    Nothing is predicted where these are not more than the parameters, or the form has no value. The spread is that of
    the residuals of that fit, widened for the parameters' uncertainty by the row's leverage

    .. math:: h = j^\top (J^\top J)^{+} j,

    J the derivatives at the rows fitted, j those at the row: by :math:`\sqrt{1 + h}` for a normal; by
    :math:`\sqrt{1 + h/2}` for a Laplace, whose parameters are known with half the variance that its residuals would
    give to least squares.

    Source: Seber & Wild, Nonlinear Regression (1989), 5.1 (linearisation); Pollard, Econometric Theory 7 (1991) 186
    (least absolute deviations).
    """
    form, x, y = one.form, one.table.x, one.table.y
    starts = form.starts(x, y, STARTS)
    fresh = rng.child("fresh").numpy().integers(len(starts), size=(len(sets), _FRESH))
    p = len(one.theta)
    from_all = np.concatenate([np.broadcast_to(one.theta, (len(sets), 1, p)), starts[fresh]], axis=1)
    fitted = (~sets).astype(np.float64)
    found = fit_many(form, x, y, noise=one.noise, starts=from_all, weights=fitted)
    counts = fitted.sum(axis=1)
    freedom = counts - p
    objective = found.objective * counts / np.where(freedom > 0, freedom, np.nan)
    with np.errstate(all="ignore"):
        spread = noises.spread(one.noise, objective)
        values = form.value(x, found.theta)
        slopes = form.jacobian(x, found.theta)
        if one.noise.scale == "log":
            slopes = slopes / values[..., None]
            values = np.log(np.where(values > 0, values, np.nan))
    half = 0.5 if one.noise.kind == "laplace" else 1.0
    widened = spread[:, None] * np.sqrt(1 + half * _leverage(slopes, fitted))
    locations, spreads = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for k, rows in enumerate(sets):
        if freedom[k] > 0:
            locations[rows], spreads[rows] = values[k, rows], np.maximum(widened[k, rows], exact(values[k, rows]))
    return Held(locations=locations, spreads=spreads, noise=one.noise)


def _leverage(slopes: Array, fitted: Array) -> Array:
    """Of every row, shape ``(sets, n)``; directions that the rows fitted do not determine count as known."""
    slopes = np.where(np.isfinite(slopes), slopes, 0.0)
    size = np.sqrt((slopes**2 * fitted[..., None]).sum(axis=1, keepdims=True))
    unit = slopes / np.where(size > 0, size, 1.0)
    used = unit * fitted[..., None]
    inverse = np.linalg.pinv(np.swapaxes(used, -1, -2) @ unit, rcond=1e-10, hermitian=True)
    return np.asarray(np.einsum("sni,sij,snj->sn", unit, inverse, unit))
