r"""How fast an entropy falls towards its limit: :math:`h(m) = h_\infty + A\,m^{-\alpha}` fitted to a measured curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

from gnomon.estimators.information.clustered import ClusteredMeans
from gnomon.estimators.information.spans import Span

_EXPONENTS = np.geomspace(0.02, 8.0, 400)
_GROUPS = 40
_FEWEST_SPANS = 6
_EVENEST = 0.3
_COARSEST = 3.0  # an interval whose ends differ by more than this factor, either way, is not read
_SURELY = 4.0  # standard errors
_MISFIT = 1e-3  # chance below which residuals are not laid to chance


@dataclass(frozen=True)
class Decay:
    """The fit.

    Parameters
    ----------
    exponent, low, high : and its 95 % interval.
    limit, amplitude : the limit of the entropy, and what a single token of context leaves above it, in nats.
    objection : why the exponent cannot be trusted, or ``""``.
    """

    exponent: float
    low: float
    high: float
    limit: float
    amplitude: float
    objection: str


def decay(curve: ClusteredMeans, spans: tuple[Span, ...]) -> Decay | None:
    """The fit to the spans from one token on; ``None`` where they are too few.

    Each span is weighted by its error, and holds the mean of the power over its lengths. The interval is that of
    the logarithm of the exponent over a delete-a-group jackknife of the clusters, which needs nothing to be known of
    how the spans depend on each other.
    """
    used = np.array([low >= 1 for low, _ in spans])
    if used.sum() < _FEWEST_SPANS:
        return None
    powers = np.array([_mean_powers(span) for span, use in zip(spans, used, strict=True) if use])
    # a span whose error happens to be tiny must not decide alone
    errors = np.maximum(curve.errors[used], _EVENEST * max(float(np.median(curve.errors[used])), 1e-12))
    groups = min(_GROUPS, len(curve.influence))
    # replicate g leaves out group g: to first order it moves each mean by its influence
    parts = np.zeros((groups, int(used.sum())))
    np.add.at(parts, np.arange(len(curve.influence)) % groups, curve.influence[:, used])
    replicates = np.vstack([curve.means[used], curve.means[used] - parts * groups / (groups - 1)])
    fits = _fit(replicates, 1 / errors, powers)
    logs = np.log(fits[:, 0])
    factor = np.sqrt((groups - 1) / groups)
    error = factor * float(np.sqrt(np.square(logs[1:] - logs[1:].mean()).sum()))
    spread = np.exp(min(t.ppf(0.975, groups - 1) * error, 50.0))
    exponent, limit, amplitude = (float(v) for v in fits[0])
    of_amplitude = factor * float(np.sqrt(np.square(fits[1:, 2] - fits[1:, 2].mean()).sum()))
    residuals = (replicates - fits[:, 1:2] - fits[:, 2:3] * _at(powers, fits[:, 0])) / errors
    by_chance = factor**2 * float(np.square(residuals[1:] - residuals[1:].mean(axis=0)).sum())
    freedom = int(used.sum()) - 3
    excess = float(np.square(residuals[0]).sum()) / max(by_chance, 1e-300)
    objection = ""
    if not amplitude > _SURELY * of_amplitude:
        objection = "the entropy does not surely fall with more context"
    elif excess > chi2.ppf(1 - _MISFIT, freedom) / freedom:
        worst = int(np.argmax(np.abs(residuals[0])))
        objection = (
            f"no power law: the curve is {excess:.1f} times as far (squared) from the best one as chance takes it, "
            f"farthest at {[low for low, _ in spans if low >= 1][worst]} tokens"
        )
    elif spread > _COARSEST or not _EXPONENTS[0] * 1.05 < exponent < _EXPONENTS[-1] / 1.05:
        objection = f"many exponents fit: {exponent:.2g}, to a factor of {min(spread, 1e3):.2g} either way"
    return Decay(exponent, exponent / spread, exponent * spread, limit, amplitude, objection)


def _mean_powers(span: Span) -> NDArray[np.float64]:
    lengths = np.arange(span[0], span[1] + 1, dtype=np.float64)
    return np.asarray((lengths[:, None] ** -_EXPONENTS).mean(axis=0))


def _at(powers: NDArray[np.float64], exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(exponents, spans)`` the powers between those of the grid."""
    logs, grid = np.log(exponents), np.log(_EXPONENTS)
    return np.array([np.interp(logs, grid, row) for row in powers]).T


def _fit(curves: NDArray[np.float64], weights: NDArray[np.float64], powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(curves, 3)`` exponent, limit and amplitude: linear least squares at each exponent of a fine grid."""
    squared = weights**2 / np.square(weights).sum()
    centred_powers = powers - squared @ powers
    means = curves @ squared
    centred = curves - means[:, None]
    variance = squared @ np.square(centred_powers)
    covariance = (centred * squared) @ centred_powers
    gained = np.square(covariance) / variance
    best = np.clip(gained.argmax(axis=1), 1, len(_EXPONENTS) - 2)
    rows = np.arange(len(curves))
    left, middle, right = (gained[rows, best + k] for k in (-1, 0, 1))
    curvature = left - 2 * middle + right
    shift = np.where(curvature < 0, 0.5 * (left - right) / np.where(curvature < 0, curvature, -1.0), 0.0)
    logs = np.log(_EXPONENTS)
    exponent = np.exp(logs[best] + np.clip(shift, -1, 1) * (logs[1] - logs[0]))
    basis = _at(powers, exponent)
    level = basis @ squared
    basis = basis - level[:, None]
    amplitude = ((centred * basis) @ squared) / (np.square(basis) @ squared)
    limit = means - amplitude * level
    return np.column_stack([exponent, limit, amplitude])
