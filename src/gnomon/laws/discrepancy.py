r"""How far a law is off where it was not checked, as its own residuals tell.

Residuals of a right law are independent. Where neighbours err together, the law misses something, and so do its
parameters, which were fitted to it. The residuals :math:`r = y - f(x; \hat\theta)` are taken as

.. math:: r = M(\delta + \varepsilon), \qquad \delta \sim \mathcal{GP}\!\left(0, \gamma s^2 e^{-d/\ell}\right),

with M the projection off the derivatives by θ; the kernel assumes no smoothness of δ. Its variance and length are
averaged over a grid by their restricted likelihood; half of the prior is on no δ at all. A forecast at x then errs by
:math:`\delta(x) - h^\top \delta`, h the derivative of the forecast by the data.

Source: Kennedy & O'Hagan, JRSS B 63 (2001) 425 (discrepancy); Patterson & Thompson, Biometrika 58 (1971) 545
(restricted likelihood).
"""

from __future__ import annotations

import numpy as np

from gnomon.laws.fit import Fit
from gnomon.laws.form import Array
from gnomon.laws.table import Table

_LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""In widths of the table."""

_RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Variance of δ over that of ε."""

_CLIPPED = 3.0
"""Standard deviations at which residuals are clipped: an outlier is no pattern."""

_ROWS = 400
"""Rows taken of a longer table, evenly; the cost is cubic."""


_LARGEST = 1e60
"""Draws beyond it have overflowed and are left out."""


def variance(one: Fit, x: Array, drawn: Array) -> Array:
    """Variance of the law's error at each row of ``x`` (m, columns), on the scale of the noise; shape ``(m,)``.

    Parameters
    ----------
    drawn : what the draws of the fit say there, shape ``(draws, m)``; their covariance with what they say of the table
        gives h.
    """
    table = one.table
    if len(table) > _ROWS:
        table = table.rows(np.linspace(0, len(table) - 1, _ROWS).round().astype(np.int64))
    residual, slopes, fitted = _residuals(one, table)
    free = len(residual) - slopes.shape[1]
    if free < 3 or not np.isfinite(slopes).all() or not residual.any():
        return np.zeros(len(x))
    keep = (np.abs(fitted) < _LARGEST).all(axis=1) & (np.abs(drawn) < _LARGEST).all(axis=1)
    if keep.sum() < 2:
        return np.zeros(len(x))
    here, there = fitted[keep] - fitted[keep].mean(axis=0), drawn[keep] - drawn[keep].mean(axis=0)
    rows, places = _coordinates(table, x)
    unit = (here**2).mean(axis=0).sum() / slopes.shape[1]  # of one row's independent error, as the draws saw it
    if not unit > 0:
        return np.zeros(len(x))
    h = here.T @ there / (len(here) * unit)
    basis = np.linalg.qr(slopes, mode="complete")[0][:, slopes.shape[1] :]
    apart = np.sqrt(((rows[:, None] - rows) ** 2).sum(axis=-1))
    away = np.sqrt(((rows[:, None] - places) ** 2).sum(axis=-1))
    scores, found = [_likelihood(residual @ basis, np.zeros(free), 1.0)[0]], [np.zeros(len(x))]
    for length in _LENGTHS:
        kernel = np.exp(-apart / length)
        spectrum, turn = np.linalg.eigh(basis.T @ kernel @ basis)
        turned = (residual @ basis) @ turn
        error = 1 - 2 * (np.exp(-away / length) * h).sum(axis=0) + ((kernel @ h) * h).sum(axis=0)
        for ratio in _RATIOS:
            score, noise = _likelihood(turned, spectrum, ratio)
            scores.append(score)
            found.append(ratio * noise * error)
    prior = np.r_[1.0, np.full(len(found) - 1, 1 / (len(found) - 1))]
    weights = prior * np.exp(np.array(scores) - max(scores))
    return np.asarray(weights @ np.maximum(found, 0.0) / weights.sum())


def _likelihood(turned: Array, spectrum: Array, ratio: float) -> tuple[float, float]:
    """Restricted log-likelihood, up to a constant, at the most likely variance of ε, and that variance."""
    each = 1 + ratio * np.maximum(spectrum, 0.0)
    noise = float((turned**2 / each).mean())
    return -0.5 * float(len(turned) * np.log(noise) + np.log(each).sum()), noise


def _residuals(one: Fit, table: Table) -> tuple[Array, Array, Array]:
    """Clipped residuals, slopes by θ, and what the draws say of the rows; all on the scale of the noise."""
    form = one.form
    with np.errstate(all="ignore"):
        value, slopes = form.value(table.x, one.theta), form.jacobian(table.x, one.theta)
        fitted = form.value(table.x, one.draws)
        y = table.y
        if one.noise.scale == "log":
            slopes = slopes / value[:, None]
            value, fitted, y = np.log(value), np.log(fitted), np.log(y)
    residual = y - value
    wide = 1.4826 * _CLIPPED * float(np.median(abs(residual)))
    return np.clip(residual, -wide, wide), slopes, fitted


def _coordinates(table: Table, x: Array) -> tuple[Array, Array]:
    """Inputs of the rows and of ``x`` in widths of the table, in logarithms where a column is positive."""
    log = (table.x > 0).all(axis=0) & (x > 0).all(axis=0)
    both = np.vstack([table.x, x])
    both = np.where(log, np.log(np.where(log, both, 1.0)), both)
    width = np.ptp(both[: len(table)], axis=0)
    both = both / np.where(width > 0, width, 1.0)
    return both[: len(table)], both[len(table) :]
