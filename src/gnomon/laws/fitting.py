"""Fitting a form to a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from gnomon.errors import GnomonError
from gnomon.laws import bootstrap
from gnomon.laws import noise as noises
from gnomon.laws.fit import Estimate, Fit, Noise
from gnomon.laws.form import Array, Form
from gnomon.laws.identifiability import confounded, lack, unidentified
from gnomon.laws.profile import Profiles, profiles, threshold
from gnomon.laws.receded import brought_back
from gnomon.laws.solver import Optima, minimise
from gnomon.laws.table import Table
from gnomon.randomness import Rng

STARTS = 48
_FRESH = 2
_ATTEMPTS = 4
_BETTER = 1e-6  # relative, of the objective: another optimum rather than rounding
_UNITS = 8  # a parameter, from which the bootstrap is as good as the profile


def fit_many(
    form: Form,
    x: Array,
    y: Array,
    *,
    noise: Noise,
    starts: Array,
    weights: Array | None = None,
) -> Optima:
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

    def repeated(rows: Array) -> Array:
        return np.repeat(rows, each, axis=0) if rows.ndim == 2 else rows

    ends = minimise(
        form,
        x,
        repeated(y),
        starts.reshape(fits * each, -1),
        noises.loss(noise),
        weights=None if weights is None else repeated(weights),
    )
    objective = ends.objective.reshape(fits, each)
    best = np.arange(fits) * each + np.argmin(objective, axis=1)
    return Optima(theta=ends.theta[best], objective=ends.objective[best], converged=ends.converged[best])


def fit(
    table: Table,
    form: Form,
    *,
    noise: str | Noise = "auto",
    draws: int = 1000,
    level: float = 0.95,
    rng: Rng | None = None,
) -> Fit:
    """Fit ``form`` to ``table`` from many starts, with intervals by bootstrap and by profile likelihood.

    Stated are those of the bootstrap, which hold whether or not rows scatter alike, where there are draws and at least
    8 rows (or groups) a parameter; with fewer rows, those of the profile, which hold down to one degree of freedom when
    rows scatter alike and do not depend on each other. A side on which the profile does not close is open.

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
        rows than the form has parameters, or a single group.
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
    if bootstrap.count(table) == 1:
        raise GnomonError("all rows are of one group, and nothing says how groups differ", mend="fit without groups")
    if not 0 < level < 1:
        raise GnomonError(f"level {level:g} is not between 0 and 1", mend="give e.g. 0.95")
    starts = form.starts(x, y, STARTS)
    family, ends = _likeliest(table, form, noise, starts)
    found, profile = _profiled(table, form, family, ends, level)
    theta, objective = found.theta[0], float(found.objective[0])
    least = max(objective, noises.rounding(family, y))
    likelihood = float(noises.log_likelihood(family, objective, y))
    rise = float(threshold(family, np.array(least), rows=len(y), parameters=p, level=level))
    near = np.argsort(ends.objective)
    with np.errstate(all="ignore"):
        scatter = float(np.abs(y - form.value(x, theta)).mean())
    unseen = confounded(form, x, theta, scatter=scatter)
    # a profile from one of many optima that are equal may close by chance
    nowhere = unseen & bool(lack(table, p))
    low, high = np.where(nowhere, -np.inf, profile.low[0]), np.where(nowhere, np.inf, profile.high[0])
    thetas = _draws(table, form, family, theta, starts, draws, rng)
    parameters, stated = _estimates(table, form, family, theta, thetas, low, high, level)
    return Fit(
        form=form,
        table=table,
        noise=replace(family, spread=float(noises.spread(family, least * len(y) / (len(y) - p)))),
        theta=theta,
        draws=thetas,
        parameters=parameters,
        level=level,
        objective=objective,
        log_likelihood=likelihood,
        aic=2 * (p + 1) - 2 * likelihood,
        bic=(p + 1) * float(np.log(len(y))) - 2 * likelihood,
        unidentified=unidentified(
            form,
            table,
            theta=theta,
            confounded=unseen,
            low=low,
            high=high,
            scatter=scatter,
            rivals=list(ends.theta[near[ends.objective[near] < objective + rise]]),
        ),
        stated=stated,
    )


def _likeliest(table: Table, form: Form, noise: str | Noise, starts: Array) -> tuple[Noise, Optima]:
    """The noise under which the best optimum is the likeliest, and all optima under it."""
    best: tuple[float, Noise, Optima] | None = None
    for family in noises.candidates(noise, table.y):
        ends = minimise(form, table.x, table.y, starts, noises.loss(family))
        if np.isfinite(ends.objective).any():
            likelihood = float(noises.log_likelihood(family, ends.objective.min(), table.y))
            if best is None or likelihood > best[0]:
                best = likelihood, family, ends
    if best is None:
        raise GnomonError(f"form {form.name!r} cannot give the values of the table", mend="choose another form")
    return best[1:]


def _profiled(table: Table, form: Form, noise: Noise, ends: Optima, level: float) -> tuple[Optima, Profiles]:
    """The optimum and its profile, made again from any better optimum that the profile meets."""
    starts = ends.theta[[np.argmin(ends.objective)]]
    for _ in range(_ATTEMPTS):
        found = fit_many(form, table.x, table.y, noise=noise, starts=starts)
        found = replace(found, theta=brought_back(form, table.x, found.theta[0], noise, table.y)[None])
        profile = profiles(
            form, table.x, table.y, noise=noise, theta=found.theta, objective=found.objective, level=level
        )
        if not profile.objective[0] < found.objective[0] * (1 - _BETTER):
            break
        starts = profile.theta
    return found, profile


def _draws(table: Table, form: Form, noise: Noise, theta: Array, starts: Array, draws: int, rng: Rng) -> Array:
    """Fits to resamples from the optimum, and from others as well when these help any of a tenth of the resamples."""
    if not draws:
        return np.empty((0, len(theta)))
    x, y = table.x, table.y
    weights = bootstrap.multiplicities(len(y), draws, rng.child("bootstrap"), table.groups)
    warm = fit_many(form, x, y, noise=noise, starts=theta[None], weights=weights)
    fresh = starts[rng.child("fresh").numpy().integers(len(starts), size=(draws, _FRESH))]
    some = slice(0, -(-draws // 10))
    other = fit_many(form, x, y, noise=noise, starts=fresh[some], weights=weights[some])
    if not (other.objective < warm.objective[some] * (1 - _BETTER)).any():
        return warm.theta
    other = fit_many(form, x, y, noise=noise, starts=fresh, weights=weights)
    return np.where((other.objective < warm.objective)[:, None], other.theta, warm.theta)


def _estimates(
    table: Table, form: Form, noise: Noise, theta: Array, draws: Array, low: Array, high: Array, level: float
) -> tuple[dict[str, Estimate], Literal["bootstrap", "profile"]]:
    """The named parameters with both intervals, and which of them is stated."""
    values = form.natural(theta)
    profiled = np.stack([form.natural(low), form.natural(high)])
    independent = table.groups is None
    drawn = None
    if len(draws):
        share = bootstrap.tail(table, noise, len(theta), level)
        # in coordinates, where all draws are finite
        drawn = np.stack([form.natural(end) for end in bootstrap.interval(draws, share)])
    method: Literal["bootstrap", "profile"] = "profile"
    stated = profiled
    if drawn is not None and (bootstrap.count(table) >= _UNITS * len(theta) or not independent):
        method = "bootstrap"
        # at the edge of what a parameter may be, draws pile up and say too little of the other side
        edge = np.isinf(low) | np.isinf(high)
        wider = np.stack([np.minimum(profiled[0], drawn[0]), np.maximum(profiled[1], drawn[1])])
        stated = np.where(np.isinf(np.stack([low, high])), profiled, np.where(edge, wider, drawn))
    found = {}
    for k, name in enumerate(form.parameters):
        found[name] = Estimate(
            value=float(values[k]),
            low=float(stated[0, k]),
            high=float(stated[1, k]),
            bootstrap=None if drawn is None else (float(drawn[0, k]), float(drawn[1, k])),
            # rows that depend on each other are fewer than a likelihood takes them for
            profile=(float(profiled[0, k]), float(profiled[1, k])) if independent else None,
        )
    return found, method
