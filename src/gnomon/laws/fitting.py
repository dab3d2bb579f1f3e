"""Fitting a form to a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.laws import bootstrap
from gnomon.laws import noise as noises
from gnomon.laws.fit import Estimate, Fit, Noise
from gnomon.laws.form import Array, Form
from gnomon.laws.solver import minimise
from gnomon.laws.table import Table
from gnomon.randomness import Rng

STARTS = 48
FRESH = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Fits:
    """Many fits of one form to tables of one shape.

    Parameters
    ----------
    theta : coordinates of the optima, shape ``(fits, p)``.
    objective : mean loss there, shape ``(fits,)``; infinite where the form cannot be fitted.
    converged : shape ``(fits,)``.
    """

    theta: Array
    objective: Array
    converged: NDArray[np.bool_]


def fit_many(
    form: Form,
    x: Array,
    y: Array,
    *,
    noise: Noise,
    starts: Array,
    weights: Array | None = None,
) -> Fits:
    """Fit many tables with the same inputs at once, each the best over its starts.

    Parameters
    ----------
    x : shape ``(n, columns)``, the same for all.
    y : shape ``(n,)`` or ``(fits, n)``.
    noise : kind, scale and delta; its spread is not used.
    starts : coordinates, shape ``(starts, p)`` for all or ``(fits, starts, p)``.
    weights : of rows, shape ``(n,)`` or ``(fits, n)``: zeros leave rows out, integers repeat them.

    Cost: about 0.5 ms a start for 240 rows and 5 parameters.
    """
    fits = max(len(y) if y.ndim == 2 else 1, len(weights) if weights is not None and weights.ndim == 2 else 1)
    fits = max(fits, len(starts) if starts.ndim == 3 else 1)
    starts = np.broadcast_to(starts, (fits, *starts.shape[-2:]))
    each = starts.shape[1]

    def repeated(rows: Array | None) -> Array | None:
        return np.repeat(rows, each, axis=0) if rows is not None and rows.ndim == 2 else rows

    many_y = repeated(y)
    assert many_y is not None
    ends = minimise(form, x, many_y, starts.reshape(fits * each, -1), noises.loss(noise), weights=repeated(weights))
    objective = ends.objective.reshape(fits, each)
    best = np.arange(fits) * each + np.argmin(objective, axis=1)
    return Fits(theta=ends.theta[best], objective=ends.objective[best], converged=ends.converged[best])


def fit(
    table: Table,
    form: Form,
    *,
    noise: str | Noise = "auto",
    draws: int = 1000,
    level: float = 0.95,
    rng: Rng | None = None,
) -> Fit:
    """Fit ``form`` to ``table`` from many starts, with intervals.

    Parameters
    ----------
    noise : ``auto`` (the most likely of `gnomon.laws.noise.families`), the name of one, or a `Noise`, whose spread is
        estimated again.
    draws : of the bootstrap; 0 for none.
    level : of the intervals.
    rng : of the bootstrap.

    Raises
    ------
    GnomonError : when the form has no meaning at the table's inputs, cannot give its values, or the table has no more
        rows than the form has parameters.
    """
    rng = rng or Rng(0)
    x, y = table.x, table.y
    form.check(x)
    p = len(form.parameters)
    if len(y) <= p:
        raise GnomonError(
            f"{len(y)} rows do not determine the {p} parameters of {form.name!r} and the noise",
            mend=f"give at least {p + 1}, or choose a form with fewer parameters",
        )
    starts = form.starts(x, y, STARTS)
    best: tuple[float, Noise, Fits] | None = None
    for family in noises.candidates(noise, y):
        found = fit_many(form, x, y, noise=family, starts=starts)
        if np.isfinite(found.objective[0]):
            likelihood = float(noises.log_likelihood(family, found.objective[0], y))
            if best is None or likelihood > best[0]:
                best = likelihood, family, found
    if best is None:
        raise GnomonError(f"form {form.name!r} cannot give the values of the table", mend="choose another form")
    likelihood, family, found = best
    theta, objective = found.theta[0], float(found.objective[0])
    family = replace(family, spread=float(noises.spread(family, objective * len(y) / (len(y) - p))))
    thetas = np.empty((0, p))
    if draws:
        weights = bootstrap.multiplicities(len(y), draws, rng.child("bootstrap"), table.groups)
        fresh = rng.child("fresh").numpy().integers(len(starts), size=(draws, FRESH))
        from_all = np.concatenate([np.broadcast_to(theta, (draws, 1, p)), starts[fresh]], axis=1)
        thetas = fit_many(form, x, y, noise=family, starts=from_all, weights=weights).theta
    parameters = _estimates(form, table, theta, thetas, level)
    return Fit(
        form=form,
        table=table,
        noise=family,
        theta=theta,
        draws=thetas,
        parameters=parameters,
        level=level,
        objective=objective,
        log_likelihood=likelihood,
        aic=2 * (p + 1) - 2 * likelihood,
        bic=(p + 1) * float(np.log(len(y))) - 2 * likelihood,
    )


def _estimates(form: Form, table: Table, theta: Array, draws: Array, level: float) -> dict[str, Estimate]:
    values = form.natural(theta)
    if not len(draws):
        return {
            name: Estimate(value=float(v), low=-np.inf, high=np.inf, bootstrap=None, profile=None)
            for name, v in zip(form.parameters, values, strict=True)
        }
    units = len(table) if table.groups is None else len(np.unique(table.groups))
    low, high = bootstrap.interval(form.natural(draws), level, units=units, parameters=len(theta))
    return {
        name: Estimate(value=float(v), low=float(a), high=float(b), bootstrap=(float(a), float(b)), profile=None)
        for name, v, a, b in zip(form.parameters, values, low, high, strict=True)
    }
