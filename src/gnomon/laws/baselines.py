"""What simpler ways believe of a measurement; a law that does not beat them has no skill."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from gnomon.errors import GnomonError
from gnomon.laws.distribution import Mixture, Scale, exact
from gnomon.laws.forecast import point
from gnomon.laws.form import Array
from gnomon.laws.table import Table

_QUANTILES = (np.arange(64) + 0.5) / 64


def baselines(table: Table, at: Mapping[str, float]) -> dict[str, Mixture]:
    """The beliefs of `nearest_point` and `log_linear` at the inputs ``at``, by name.

    Raises GnomonError when the table has fewer than 2 rows or an input is missing.
    """
    x = point(table, at)[0]
    return {"nearest_point": nearest_point(table, x), "log_linear": log_linear(table, x)}


def nearest_point(table: Table, x: Array) -> Mixture:
    """The next measurement is as the nearest one was.

    Near is meant in logarithms of the inputs, where all are positive, over the spread of each; equally near ones are
    averaged. Its spread is the root mean square error of predicting each row by the nearest with another input.
    """
    scale, y = _scaled(table)
    units, place = _inputs(table, x)
    apart = np.sqrt(((units[:, None] - units) ** 2).sum(axis=-1))
    apart[apart == 0] = np.inf  # repetitions of a row would predict it from itself
    if not np.isfinite(apart).any():
        raise GnomonError("the table has one input only", mend="give measurements at two inputs at least")
    errors = np.array([y[i] - y[row <= row.min() * (1 + 1e-9)].mean() for i, row in enumerate(apart)])
    away = np.sqrt(((units - place) ** 2).sum(axis=-1))
    near = y[away <= away.min() * (1 + 1e-9)].mean()
    return Mixture.single(float(near), _positive(np.sqrt((errors**2).mean()), y), scale=scale)


def log_linear(table: Table, x: Array) -> Mixture:
    r"""A straight line by least squares, in logarithms of what is positive.

    Its spread is the root mean square of the leave-one-out residuals :math:`r_i/(1 - h_i)`, widened at x by the
    leverage there; with n - p degrees of freedom, as an even mixture that makes up Student's t.
    """
    scale, y = _scaled(table)
    units, place = _inputs(table, x)
    varied = np.ptp(units, axis=0) > 0
    design = np.column_stack([np.ones(len(y)), units[:, varied]])
    row = np.r_[1.0, place[varied]]
    q, r = np.linalg.qr(design)
    if len(y) <= design.shape[1]:
        raise GnomonError(f"{len(y)} rows give no line and its spread", mend=f"give {design.shape[1] + 1} or more")
    leverage = np.minimum((q**2).sum(axis=1), 1 - 1e-9)
    residual = y - q @ (q.T @ y)
    freedom = len(y) - design.shape[1]
    left_out = np.sqrt(((residual / (1 - leverage)) ** 2).mean())
    reach = np.linalg.lstsq(r.T, row, rcond=None)[0]
    spread = _positive(left_out * np.sqrt(1 + reach @ reach), y)
    widths = spread * np.sqrt(freedom / stats.chi2.ppf(_QUANTILES, freedom))
    middle = float(reach @ (q.T @ y))
    return Mixture(locations=np.full(64, middle), spreads=widths, weights=np.ones(64), scale=scale)


def _scaled(table: Table) -> tuple[Scale, Array]:
    return ("log", np.log(table.y)) if (table.y > 0).all() else ("linear", table.y)


def _inputs(table: Table, x: Array) -> tuple[Array, Array]:
    """Inputs and place over their spread, in logarithms where a column and the place are positive."""
    log = (table.x > 0).all(axis=0) & (x > 0)
    both = np.vstack([table.x, x])
    both = np.where(log, np.log(np.where(log, both, 1.0)), both)
    width = np.ptp(both[:-1], axis=0)
    both = both / np.where(width > 0, width, 1.0)
    return both[:-1], both[-1]


def _positive(spread: float, y: Array) -> float:
    return max(float(spread), float(exact(y).max()))
