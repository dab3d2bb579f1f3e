"""What a fit, or a comparison of several, says of a measurement that was not made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gnomon.errors import GnomonError
from gnomon.laws import bootstrap, discrepancy
from gnomon.laws.comparison import Comparison
from gnomon.laws.distribution import Mixture, exact
from gnomon.laws.fit import Fit
from gnomon.laws.form import Array
from gnomon.laws.table import Table

DECADES = 1.0
"""How far beyond its table a law is still said to hold; widths of the table where an input is not positive."""

_LARGEST = 1e60
"""No draw beyond it is a value."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one fit says of one place, ``law`` of its variance being what the law misses."""

    mixture: Mixture
    law: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A predictive distribution, and where its law claims to hold.

    Parameters
    ----------
    distribution : holds the parameters' uncertainty, that of the form where several were compared, and the scatter of
        one more measurement.
    at : the inputs, by name.
    variances : of g(y), the number or its logarithm as the noise has it, by where it comes from; they add up.
        ``residual``: scatter of one measurement; ``parameter``: spread of the draws; ``law``: what the law misses (see
        `gnomon.laws.discrepancy`); ``form``: disagreement of the forms compared.
    domain : where the law claims to hold, in words: the ranges of its table and `DECADES` beyond.
    outside : why ``at`` is outside; empty inside.
    beyond : by input, decades outside the range of the table (for inputs that are not all positive, widths of the
        range); only those that are outside it.
    """

    distribution: Mixture
    at: Mapping[str, float]
    variances: Mapping[str, float]
    domain: str
    outside: tuple[str, ...]
    beyond: Mapping[str, float]


def forecast(source: Fit | Comparison, at: Mapping[str, float]) -> Forecast:
    """The forecast of ``source`` for the inputs ``at``.

    Raises GnomonError when an input is missing, unknown or not finite, the form has no meaning there, or the fit has no
    draws of its parameters.
    """
    table = _table(source)
    x = point(table, at)
    each, weights = _parts(source, x)[0]
    beyond = {name: far for name, far in _beyond(table, x[0]).items() if far > 0}
    unit = {name: _unit(column) for name, column in zip(table.columns, table.x.T, strict=True)}
    return Forecast(
        distribution=Mixture.pooled([part.mixture for part in each], weights).compressed(),
        at={name: float(value) for name, value in zip(table.columns, x[0], strict=True)},
        variances=_variances(each, weights),
        domain=domain(source),
        outside=tuple(
            f"{name} = {at[name]:g} is {far:.2g} {unit[name]} beyond the table"
            for name, far in beyond.items()
            if far > DECADES
        ),
        beyond=beyond,
    )


def forecasts(source: Fit | Comparison, x: Array) -> tuple[Mixture, ...]:
    """The predictive distributions at each row of ``x``, shape ``(m, columns)``; the draws are evaluated at once."""
    return tuple(
        Mixture.pooled([part.mixture for part in each], weights).compressed() for each, weights in _parts(source, x)
    )


def domain(source: Fit | Comparison) -> str:
    """Where the law claims to hold, in words."""
    table = _table(source)
    names = [source.form.name] if isinstance(source, Fit) else [one.form.name for one in source.fits]
    ranges = ", ".join(
        f"{name} from {column.min():g} to {column.max():g} and "
        + ("a decade beyond" if column.min() > 0 else "as far again beyond")
        for name, column in zip(table.columns, table.x.T, strict=True)
    )
    return f"{' or '.join(names)} fitted to {len(table)} rows: {ranges}"


def point(table: Table, at: Mapping[str, float]) -> Array:
    """The inputs ``at`` as one row, shape ``(1, columns)``. Raises GnomonError when one is missing or unknown."""
    for name in at:
        if name not in table.columns:
            raise GnomonError(f"no input {name!r}", mend=f"give {', '.join(table.columns)}")
    for name in table.columns:
        if name not in at:
            raise GnomonError(f"input {name!r} is missing", mend=f"give {', '.join(table.columns)}")
        if not np.isfinite(at[name]):
            raise GnomonError(f"input {name!r} is {at[name]}", mend="give a finite number")
    return np.array([[float(at[name]) for name in table.columns]])


def _table(source: Fit | Comparison) -> Table:
    return source.table if isinstance(source, Fit) else source.fits[0].table


def _parts(source: Fit | Comparison, x: Array) -> list[tuple[list[_Part], Array]]:
    """For each row of ``x`` what each fit that has a value there says, and its weight.

    A form without one (of negative values on a scale of logarithms) cannot be right there and is left out.
    """
    fits = (source,) if isinstance(source, Fit) else source.fits
    weights = np.array([1.0]) if isinstance(source, Fit) else np.array([source.weights[one.form.name] for one in fits])
    found = []
    for row, each in enumerate(zip(*(_of_fit(one, x) for one in fits), strict=True)):
        parts = [part for part in each if part is not None]
        if not parts:
            names = " and ".join(one.form.name for one in fits)
            where = ", ".join(f"{name} = {v:g}" for name, v in zip(_table(source).columns, x[row], strict=True))
            raise GnomonError(f"{names} has no value at {where}", mend="ask nearer to the table")
        found.append((parts, weights[[part is not None for part in each]]))
    return found


def _of_fit(one: Fit, x: Array) -> list[_Part | None]:
    r"""At each row of ``x`` a component for each draw of the bootstrap; ``None`` where most draws have no value.

    Where m units (rows, or groups) leave f degrees of freedom (`gnomon.laws.bootstrap.freedom`), draws lie
    :math:`\sqrt{m/f}` too close to the optimum and are expanded by that factor. The spread s is known to
    :math:`\nu = n - p` degrees of freedom only: the components' are :math:`s\sqrt{\nu/\chi^2_\nu}` at even quantiles,
    which makes the residuals' part that of Student's t.

    Source: Hesterberg, The American Statistician 69 (2015) 371, 4.2; Gelman et al., Bayesian Data Analysis (2013), 3.2.
    """
    if not len(one.draws):
        raise GnomonError(f"the fit of {one.form.name!r} has no draws", mend="fit with draws of the bootstrap")
    one.form.check(x)
    log = one.noise.scale == "log"
    with np.errstate(all="ignore"):
        middle = one.form.value(x, one.theta)
        drawn = one.form.value(x, one.draws)
        if log:
            middle, drawn = np.log(middle), np.log(drawn)
    law = discrepancy.variance(one, x, drawn)
    expanded = np.sqrt(bootstrap.count(one.table) / bootstrap.freedom(one.table, len(one.theta)))
    with np.errstate(all="ignore"):
        drawn = middle + expanded * (drawn - middle)
    known = len(one.table) - len(one.theta)
    spreads = one.noise.spread * np.sqrt(known / stats.chi2.ppf(_scattered(len(one.draws)), known))
    missed = law / (2 if one.noise.kind == "laplace" else 1)
    found: list[_Part | None] = []
    for row, locations in enumerate(drawn.T):
        good = np.abs(locations) < _LARGEST
        if good.mean() < 0.5:
            found.append(None)
            continue
        widths = np.maximum(np.sqrt(spreads[good] ** 2 + missed[row]), exact(locations[good]))
        mixture = Mixture(
            locations=locations[good],
            spreads=widths,
            weights=np.ones(len(widths)),
            kind=one.noise.kind,
            scale=one.noise.scale,
        )
        found.append(_Part(mixture=mixture, law=float(law[row])))
    return found


def _scattered(count: int) -> Array:
    """Even levels in (0, 1) in an order unrelated to that of the draws: multiples of the golden ratio."""
    golden = (np.sqrt(5) - 1) / 2
    return np.asarray((np.arange(count) * golden % 1).argsort().argsort() + 0.5) / count


def _variances(each: list[_Part], weights: Array) -> dict[str, float]:
    weights = weights / weights.sum()
    mixtures = [part.mixture for part in each]
    factor = 2.0 if mixtures[0].kind == "laplace" else 1.0
    means = np.array([one.weights @ one.locations for one in mixtures])
    around = np.array([one.weights @ (one.locations - m) ** 2 for one, m in zip(mixtures, means, strict=True)])
    spread = np.array([one.weights @ one.spreads**2 for one in mixtures]) * factor
    law = np.array([part.law for part in each])
    return {
        "residual": float(weights @ np.maximum(spread - law, 0.0)),
        "parameter": float(weights @ around),
        "law": float(weights @ law),
        "form": float(weights @ (means - weights @ means) ** 2),
    }


def _beyond(table: Table, x: Array) -> dict[str, float]:
    found = {}
    for name, column, value in zip(table.columns, table.x.T, x, strict=True):
        low, high = column.min(), column.max()
        if low > 0 and value > 0:
            far = max(np.log10(low / value), np.log10(value / high))
        else:
            far = max(low - value, value - high) / max(high - low, 1e-300)
        found[name] = float(far)
    return found


def _unit(column: Array) -> str:
    return "decades" if column.min() > 0 else "widths of that range"
