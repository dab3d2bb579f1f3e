"""What fits look like: data with each form's curve and band, forecasts of rows held out, and residuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.laws.comparison import Comparison, far_end
from gnomon.laws.distribution import Mixture
from gnomon.laws.fit import Fit
from gnomon.laws.forecast import DECADES, forecasts
from gnomon.laws.form import Array
from gnomon.laws.held_out import predictions
from gnomon.phenomena.picture import Curve, Picture, Rule
from gnomon.randomness import Rng
from gnomon.report.numbers import plain

Values = list[float | None]

_GRID = 40
_MOST_FORMS, _LEAST_WEIGHT = 4, 0.01
_LEVELS = 5
_BAND = 0.9
# An axis is logarithmic where positive numbers span more than this.
_WIDE = 8.0


def pictures(found: Comparison) -> list[Picture]:
    """The pictures of the page, in order."""
    columns = len(found.fits[0].table.columns)
    curves = [_along_the_input(found)] if columns == 1 else list(_slices(found)) if columns == 2 else []
    return [*curves, _held_out(found), *_residuals(found[found.best])]


def _shown(found: Comparison) -> list[Fit]:
    """The best form, and the others that weigh something, at most so many."""
    rest = sorted((f for f in found.fits if f.form.name != found.best), key=lambda f: -found.weights[f.form.name])
    heavy = [f for f in rest if found.weights[f.form.name] >= _LEAST_WEIGHT]
    return [found[found.best], *heavy[: _MOST_FORMS - 1]]


def _along_the_input(found: Comparison) -> Picture:
    table = found.fits[0].table
    x, far = table.x[:, 0], far_end(table)
    grid, edges = _grid(x)
    curves = []
    for one in _shown(found):
        low, middle, high = _band(one, grid[:, None])
        curves.append(Curve(name=one.form.name, x=grid.tolist(), y=middle, low=low, high=high))
    for name, rows in (("measured", ~far), ("measured, held out", far)):
        if rows.any():
            curves.append(Curve(name=name, x=x[rows].tolist(), y=table.y[rows].tolist(), style="points"))
    return Picture(
        key="curve",
        title=f"{table.target} against {table.columns[0]}",
        caption=f"Lines are medians of forecasts of one more measurement by each form, bands their {_BAND:.0%} "
        f"intervals. The figure ends where the law no longer claims to hold. Points held out are the fifth "
        "farthest out, which the held-out score is of.",
        x=table.columns[0],
        y=table.target,
        curves=tuple(curves),
        rules=edges,
        log_x=_is_wide(x),
        log_y=_is_wide(table.y),
    )


def _slices(found: Comparison) -> Iterator[Picture]:
    """Of two inputs: the law along each, at a few values of the other."""
    table, one = found.fits[0].table, found[found.best]
    fitted = one.form.value(table.x, one.theta)
    for along, other in ((0, 1), (1, 0)):
        grid, edges = _grid(table.x[:, along])
        wide = _is_wide(table.x[:, other])
        levels = _levels(table.x[:, other])
        apart = np.log(table.x[:, [other]] / levels) if wide else table.x[:, [other]] - levels
        nearest = np.abs(apart).argmin(axis=1)
        curves = []
        for k, level in enumerate(levels):
            name = f"{table.columns[other]} = {plain(float(level))}"
            inputs = np.empty((len(grid), 2))
            inputs[:, along], inputs[:, other] = grid, level
            low, middle, high = _band(one, inputs)
            curves.append(Curve(name=name, x=grid.tolist(), y=middle, low=low, high=high))
            rows = nearest == k
            moved = table.x[rows].copy()
            moved[:, other] = level
            there, here, y = one.form.value(moved, one.theta), fitted[rows], table.y[rows]
            y = y * there / here if one.noise.scale == "log" else y + there - here
            x = table.x[rows, along].tolist()
            curves.append(Curve(name=f"{name}, rows", group=name, x=x, y=y.tolist(), style="points"))
        yield Picture(
            key=f"along_{along}",
            title=f"{table.target} against {table.columns[along]}",
            caption=f"{one.form.title} at {len(levels)} values of {table.columns[other]}: medians and {_BAND:.0%} "
            "intervals of forecasts of one more measurement. Points are the rows, moved along the law to the nearest "
            "of these values, so that they lie off its curve by their residuals.",
            x=table.columns[along],
            y=table.target,
            curves=tuple(curves),
            rules=edges,
            log_x=_is_wide(table.x[:, along]),
            log_y=_is_wide(table.y),
        )


def _held_out(found: Comparison) -> Picture:
    table = found.fits[0].table
    far = far_end(table)
    measured = table.y[far]
    curves = []
    for one in _shown(found):
        held = predictions(one, far[None, :], rng=Rng(0).child("held out"))
        said = held.locations[far]
        said = np.exp(said) if one.noise.scale == "log" else said
        y = [float(v) if np.isfinite(v) else None for v in said]
        curves.append(Curve(name=one.form.name, x=measured.tolist(), y=y, style="points"))
    ends = [float(measured.min()), float(measured.max())]
    curves.append(Curve(name="as measured", x=ends, y=list(ends), dashed=True))
    return Picture(
        key="held_out",
        title="Rows farthest out, forecast by fits to the others",
        caption=f"The fifth of the rows farthest out ({int(far.sum())}) were left out of these fits. On the dashed "
        "line the forecast is what was measured.",
        x=f"{table.target}, measured",
        y=f"{table.target}, forecast",
        curves=tuple(curves),
        log_x=_is_wide(measured),
        log_y=_is_wide(measured),
    )


def _residuals(one: Fit) -> Iterator[Picture]:
    table, far = one.table, far_end(one.table)
    fitted = one.form.value(table.x, one.theta)
    log = one.noise.scale == "log"
    with np.errstate(all="ignore"):
        off = (np.log(table.y / fitted) if log else table.y - fitted) / one.noise.spread
    for index, name in enumerate(table.columns):
        x = table.x[:, index]
        curves = [
            Curve(name=label, x=x[rows].tolist(), y=off[rows].tolist(), style="points")
            for label, rows in (("rows", ~far), ("rows farthest out", far))
            if rows.any()
        ]
        yield Picture(
            key=f"residuals_{index}",
            title=f"Residuals of {one.form.name} against {name}",
            caption=f"Residuals{' of logarithms' if log else ''} over the spread of the noise. Where neighbours lie on "
            "one side of zero, the form misses something.",
            x=name,
            y="residual (spreads of the noise)",
            curves=tuple(curves),
            rules=(Rule(label="", y=0.0),),
            log_x=_is_wide(x),
        )


def _band(one: Fit, inputs: Array) -> tuple[Values, Values, Values]:
    """Ends and middle of the forecasts at ``inputs``; ``None`` where the form has no value."""
    try:
        mixtures: Sequence[Mixture | None] = forecasts(one, inputs)
    except GnomonError:
        mixtures = [_where_it_has_one(one, row) for row in inputs[:, None]]
    levels = ((1 - _BAND) / 2, 0.5, (1 + _BAND) / 2)
    low, middle, high = ([None if m is None else m.quantile(p) for m in mixtures] for p in levels)
    return low, middle, high


def _where_it_has_one(one: Fit, row: Array) -> Mixture | None:
    try:
        return forecasts(one, row)[0]
    except GnomonError:
        return None


def _grid(x: Array) -> tuple[Array, tuple[Rule, ...]]:
    """Places along an input, to the end of the domain, and the end of the table among them."""
    low, high = float(x.min()), float(x.max())
    if _is_wide(x):
        grid = np.geomspace(low, high * 10.0**DECADES, _GRID)
    elif low > 0:
        grid = np.linspace(low, min(2 * high - low, high * 10.0**DECADES), _GRID)
    else:
        grid = np.linspace(low, high + DECADES * (high - low), _GRID)
    return grid, (Rule(label="end of the table", x=high),)


def _levels(x: Array) -> Array:
    distinct = np.unique(x)
    if len(distinct) <= _LEVELS:
        return distinct
    return np.quantile(x, np.linspace(0.05, 0.95, _LEVELS), method="nearest")


def _is_wide(x: Array | NDArray[np.float64]) -> bool:
    return bool((x > 0).all()) and float(x.max() / x.min()) > _WIDE
