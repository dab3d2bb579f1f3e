"""A scalar across the depth of the network: a curve for every part of a block, or for every method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt

from gnomon.measurement import Measurement
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    HEIGHT,
    SERIES,
    SHAPES,
    WIDTH,
    Figure,
    Vertical,
    chart_of_rows,
    finished,
    slug,
    with_intervals,
)
from gnomon.report.figures.rows import alternative, method, scalar_row
from gnomon.report.places import OUTPUT, depth

_NARROW = 14  # stages that fit in one column of the page
_FEW = 4  # curves up to which bands and lines stay clear of each other


def by_site(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """One quantity, one method: a curve for every part (attention, mlp, block output, or a kind of matrix)."""
    laid = depth((m.site or "" for m in measurements), order)
    return _figure(
        measurements,
        order,
        title=f"{title} across depth",
        axis=title,
        reads=reads,
        series=lambda m: laid.places[m.site or ""].part,
        names=laid.parts,
        key=slug(measurements[0].quantity),
    )


def by_method(
    measurements: Sequence[Measurement],
    order: Sequence[str],
    *,
    part: str,
    title: str,
    reads: str,
    names: dict[str, str],
) -> Figure:
    """Several quantities that answer one question, at one part of every block: a curve for every quantity."""
    present = [q for q in names if any(m.quantity == q for m in measurements)]
    return _figure(
        measurements,
        order,
        title=f"{title}: {part}" if part else title,
        axis=title,
        reads=reads,
        series=lambda m: names[m.quantity],
        names=tuple(names[q] for q in present),
        key=slug(title, part),
    )


def _figure(
    measurements: Sequence[Measurement],
    order: Sequence[str],
    *,
    title: str,
    axis: str,
    reads: str,
    series: Callable[[Measurement], str],
    names: tuple[str, ...],
    key: str,
) -> Figure:
    laid = depth((m.site or "" for m in measurements), order)
    rows = [scalar_row(m, stage=laid.places[m.site or ""].stage, series=series(m)) for m in measurements]
    rows.sort(key=lambda row: laid.stages.index(row["stage"]))
    wide = len(laid.stages) > _NARROW
    y = Vertical.of(rows, axis, str(measurements[0].unit))
    chart = _layers(rows, laid.stages, names, laid.in_blocks, y)
    return Figure(
        key=key,
        title=title,
        caption=f"{reads} {method(measurements)}".strip(),
        alt=alternative(title, measurements),
        spec=finished(chart, rows, title=title, width=WIDTH if wide else HALF_WIDTH),
        quantities=tuple(dict.fromkeys(m.quantity for m in measurements)),
        wide=wide,
    )


def _layers(
    rows: list[dict[str, Any]], stages: tuple[str, ...], names: tuple[str, ...], in_blocks: bool, y: Vertical
) -> alt.LayerChart:
    longest = max(map(len, stages))
    x = alt.X(
        "stage:O",
        axis=alt.Axis(title="block" if in_blocks else "site", labelAngle=0 if longest <= 6 else -35),
        scale=alt.Scale(domain=list(stages), padding=0.25),
    )
    common: dict[str, Any] = {"x": x}
    colour: Any = alt.value(SERIES[0])
    shape: Any = alt.value(SHAPES[0])
    if len(names) > 1:
        _dodge(rows, names)
        common["xOffset"] = alt.XOffset("shift:Q", scale=alt.Scale(domain=[-1, 1]))
        legend = alt.Legend(title=None)
        colours = [SERIES[i % len(SERIES)] for i in range(len(names))]
        shapes = [SHAPES[i % len(SHAPES)] for i in range(len(names))]
        colour = alt.Color("series:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend)
        shape = alt.Shape("series:N", scale=alt.Scale(domain=list(names), range=shapes), legend=legend)
    base = chart_of_rows().encode(**common)
    tooltip = [alt.Tooltip(f"{f}:N", title=f) for f in ("site", "series", "reading", "estimator")]
    few = len(names) <= _FEW
    layers: list[alt.Chart] = []
    if with_intervals(rows):
        ends: dict[str, Any] = {"y": y.at("low"), "y2": "high:Q", "color": colour}
        layers += [base.mark_area(opacity=0.16).encode(**ends)] if few else []
        layers += [base.mark_rule(strokeWidth=1.4).encode(**ends)]
    layers.append(base.mark_line(strokeWidth=1.6, opacity=0.75 if few else 0.4).encode(y=y.at("value"), color=colour))
    points = base.mark_point(filled=True, size=48, opacity=1)
    layers.append(points.encode(y=y.at("value"), color=colour, shape=shape, tooltip=tooltip))
    if any(row["refused"] for row in rows):
        crosses = base.transform_filter("datum.refused").mark_text(text="×", fontSize=15)
        layers.append(crosses.encode(y=alt.value(HEIGHT - 8), color=colour, tooltip=tooltip))
    return alt.LayerChart(layer=layers)


def _dodge(rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    """Set the curves' points side by side within each stage, in forward order: what a block puts out comes last."""
    within = [n for n in names if n != OUTPUT] + [n for n in names if n == OUTPUT]
    for row in rows:
        present = [n for n in within if any(r["stage"] == row["stage"] and r["series"] == n for r in rows)]
        row["shift"] = round((2 * present.index(row["series"]) + 1) / len(present) - 1, 3) * min(1.0, len(present) / 5)
