"""The pictures of a phenomenon: curves with bands, and matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from gnomon.phenomena import Curve, Heatmap, Picture
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    HEIGHT,
    MUTED,
    SERIES,
    VALUE_TITLE,
    Figure,
    chart_of_rows,
    finished,
    slug,
)

_SQUARE = 330
_DASHES = ([1, 0], [5, 4])
_MANY_DIGITS = 1e5  # from which numbers on an axis are written with k, M, G
_LABELLED = 24  # rows or columns of a matrix up to which each is named


def figure_of(picture: Picture | Heatmap, phenomenon: str) -> Figure:
    """The figure that shows ``picture``."""
    return _curves(picture, phenomenon) if isinstance(picture, Picture) else _matrix(picture, phenomenon)


def _curves(picture: Picture, phenomenon: str) -> Figure:
    rows = [row for i, curve in enumerate(picture.curves) for row in _rows(curve, i, picture)]
    groups = list(dict.fromkeys(c.group or c.name for c in picture.curves))
    legend = alt.Legend(title=None, labelLimit=HALF_WIDTH) if len(groups) > 1 else None
    colours = [SERIES[i % len(SERIES)] for i in range(len(groups))]
    base = chart_of_rows().encode(
        x=alt.X("x:Q", scale=_scale_x(picture), axis=_axis_x(picture)),
        color=alt.Color("series:N", scale=alt.Scale(domain=groups, range=colours), legend=legend),
        detail="curve:N",
    )
    tall = [r[k] for r in rows for k in ("y", "low", "high") if r[k] is not None] + [
        rule.y for rule in picture.rules if rule.y is not None
    ]
    scale, axis = _scale(picture.log_y, tall), _axis(picture.log_y, **VALUE_TITLE, title=picture.y)

    def upright(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=scale, axis=axis)

    tooltip = [alt.Tooltip(f"{field}:N", title=title) for field, title in (("curve", " "), ("x", "x"), ("y", "y"))]
    layers: list[alt.Chart] = []
    if any(row["low"] is not None for row in rows):
        band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.16)
        layers.append(band.encode(y=upright("low"), y2="high:Q"))
    if any(curve.style != "points" for curve in picture.curves):
        lines = base.transform_filter("datum.style != 'points'")
        dash = alt.StrokeDash("dashed:N", scale=alt.Scale(domain=[False, True], range=list(_DASHES)), legend=None)
        drawn = lines.mark_line(strokeWidth=1.8, invalid="break-paths-show-domains")
        layers.append(drawn.encode(y=upright("y"), strokeDash=dash))
    if any(curve.style != "line" for curve in picture.curves):
        points = base.transform_filter("datum.style != 'line' && isValid(datum.y)")
        layers.append(points.mark_point(filled=True, size=34, opacity=0.9).encode(y=upright("y"), tooltip=tooltip))
    layers += _rules(picture, upright("y"))
    size = {"width": _SQUARE, "height": _SQUARE} if picture.square else {"width": HALF_WIDTH, "height": HEIGHT}
    return Figure(
        key=slug(phenomenon, picture.key),
        title=picture.title,
        caption=picture.caption,
        alt=f"{picture.title}. {_spoken(picture.curves, picture)}",
        spec=finished(alt.LayerChart(layer=layers), rows, title=picture.title, **size),
        quantities=(),
        square=picture.square,
    )


def _rows(curve: Curve, index: int, picture: Picture) -> list[dict[str, Any]]:
    nothing: Sequence[float | None] = [None] * len(curve.x)
    low, high = (nothing if curve.low is None else curve.low), (nothing if curve.high is None else curve.high)
    return [
        {
            "curve": curve.name if curve.group is None else f"{curve.name} ({index})",
            "series": curve.group or curve.name,
            "style": curve.style,
            "dashed": curve.dashed,
            "x": _drawable(x, picture.log_x),
            "y": _drawable(y, picture.log_y),
            "low": _drawable(lo, picture.log_y) if hi is not None else None,
            "high": _drawable(hi, picture.log_y) if lo is not None else None,
        }
        for x, y, lo, hi in zip(curve.x, curve.y, low, high, strict=True)
    ]


def _drawable(value: float | None, logarithmic: bool) -> float | None:
    """``value``, or ``None`` where the axis has no place for it."""
    if value is None or not math.isfinite(value) or (logarithmic and value <= 0):
        return None
    return float(value)


def _scale_x(picture: Picture) -> alt.Scale:
    if picture.log_x:
        return alt.Scale(type="log", nice=False, padding=6)
    return alt.Scale(type="linear", zero=False, nice=False, padding=6)


def _axis_x(picture: Picture) -> alt.Axis:
    largest = max((abs(x) for curve in picture.curves for x in curve.x), default=0.0)
    if picture.log_x and largest >= _MANY_DIGITS:
        return alt.Axis(title=picture.x, tickCount=5, format="~s")
    return _axis(picture.log_x, title=picture.x)


def _scale(logarithmic: bool, values: Iterable[float | None]) -> alt.Scale:
    drawn = [v for v in values if v is not None]
    if logarithmic:
        return alt.Scale(type="log", nice=False, padding=6)
    flat = not drawn or max(drawn) == min(drawn)
    return alt.Scale(zero=flat, nice=True, padding=6)


def _axis(logarithmic: bool, **more: Any) -> alt.Axis:
    return alt.Axis(**more, tickCount=5, format="~g") if logarithmic else alt.Axis(**more)


def _rules(picture: Picture, value: alt.Y) -> list[alt.Chart]:
    layers = []
    for rule in picture.rules:
        row = {"x": rule.x, "y": rule.y, "label": rule.label}
        own = alt.Chart(alt.InlineData(values=[row]))
        if rule.x is not None:
            line = own.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x="x:Q")
            words = own.mark_text(color=MUTED, align="left", dx=4, dy=6, fontSize=11, baseline="top")
            layers += [line, words.encode(x="x:Q", y=alt.value(0), text="label:N")]
        elif rule.y is not None:
            line = own.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(y=value)
            words = own.mark_text(color=MUTED, align="left", dx=4, dy=-5, fontSize=11)
            layers += [line, words.encode(y=value, x=alt.value(0), text="label:N")]
    return layers


def _spoken(curves: Sequence[Curve], picture: Picture) -> str:
    """The ends of every group of curves in words."""
    parts, said = [], set()
    for curve in curves:
        name = curve.group or curve.name
        ends = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None]
        if name in said or not ends:
            continue
        said.add(name)
        (x0, y0), (x1, y1) = ends[0], ends[-1]
        parts.append(f"{name}: {y0:.3g} at {x0:.3g} to {y1:.3g} at {x1:.3g}")
    return f"{picture.y} against {picture.x}. {'; '.join(parts)}."


def _matrix(picture: Heatmap, phenomenon: str) -> Figure:
    down = picture.y_labels or [str(i) for i in range(len(picture.values))]
    across = picture.x_labels or [str(j) for j in range(len(picture.values[0]))]
    rows = [
        {"x": x, "y": y, "value": float(value)}
        for y, line in zip(down, picture.values, strict=True)
        for x, value in zip(across, line, strict=True)
    ]
    scale = alt.Scale(scheme="blueorange", domainMid=0) if picture.diverging else alt.Scale(scheme="viridis")
    legend = alt.Legend(title=None, orient="top", gradientLength=220, gradientThickness=10)
    axes = []
    for names, title in ((across, picture.x), (down, picture.y)):
        shown = names if len(names) <= _LABELLED else names[:: math.ceil(len(names) / 10)]
        axes.append(alt.Axis(title=title, values=list(shown), domain=False, ticks=False, grid=False, labelAngle=0))
    tiles = (
        chart_of_rows()
        .mark_rect()
        .encode(
            x=alt.X("x:O", scale=alt.Scale(domain=list(across)), axis=axes[0]),
            y=alt.Y("y:O", scale=alt.Scale(domain=list(down)), axis=axes[1]),
            color=alt.Color("value:Q", scale=scale, legend=legend),
            tooltip=["x:N", "y:N", "value:Q"],
        )
    )
    values = [float(value) for line in picture.values for value in line]
    return Figure(
        key=slug(phenomenon, picture.key),
        title=picture.title,
        caption=picture.caption,
        alt=f"{picture.title}: {len(down)} by {len(across)} values from {min(values):.3g} to {max(values):.3g}.",
        spec=finished(alt.LayerChart(layer=[tiles]), rows, title=picture.title, width=_SQUARE, height=_SQUARE),
        quantities=(),
        square=True,
    )
