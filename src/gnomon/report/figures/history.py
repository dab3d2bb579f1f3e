"""A quantity along training, the step on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from gnomon.measurement import Measurement
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    SERIES,
    SHAPES,
    Figure,
    Vertical,
    chart_of_rows,
    finished,
    slug,
    with_intervals,
)
from gnomon.report.figures.rows import alternative, method, scalar_row

STEP = "step"
_EVENT = "event"  # why a step was observed: not what tells one curve from another
_SPLITS = ("train", "test", "validation")


def step_of(measurement: Measurement) -> float | None:
    """The step of a reading, ``None`` where it has none that is a number."""
    try:
        return float(measurement.labels[STEP])
    except (KeyError, ValueError):
        return None


def along_training(measurements: Sequence[Measurement], *, title: str, reads: str) -> Figure:
    """One quantity: a curve for every split (or site)."""
    steps = {step for m in measurements if (step := step_of(m)) is not None}
    first = min((s for s in steps if s > 0), default=1.0)
    start = first / 2  # where step 0 is drawn on the logarithmic axis
    rows = []
    for m in measurements:
        step = step_of(m)
        if step is not None:
            rows.append(scalar_row(m, step=step if step > 0 else start, at=f"{step:,.0f}", series=_series(m)))
    rows.sort(key=lambda row: row["step"])
    names = sorted({row["series"] for row in rows}, key=_split_first)
    y = Vertical.of(rows, title, str(measurements[0].unit))
    chart = _layers(rows, names, y, start if 0 in steps else None)
    name = f"{title} along training"
    return Figure(
        key=slug("training", measurements[0].quantity),
        title=name,
        caption=" ".join(s for s in (reads, method(measurements)) if s),
        alt=alternative(name, [m for m in measurements if step_of(m) in (min(steps), max(steps))]),
        spec=finished(chart, rows, title=name, width=HALF_WIDTH),
        quantities=(measurements[0].quantity,),
    )


def _series(measurement: Measurement) -> str:
    rest = [v for k, v in sorted(measurement.labels.items()) if k not in (STEP, _EVENT)]
    return " · ".join([*rest, *([measurement.site] if measurement.site else [])])


def _split_first(series: str) -> tuple[int, str]:
    return next((i for i, split in enumerate(_SPLITS) if series.startswith(split)), len(_SPLITS)), series


def _layers(rows: list[dict[str, Any]], names: list[str], y: Vertical, start: float | None) -> alt.LayerChart:
    x = alt.X("step:Q", scale=alt.Scale(type="log", nice=False), axis=_step_axis(rows, start))
    colour: Any = alt.value(SERIES[0])
    shape: Any = alt.value(SHAPES[0])
    if len(names) > 1:
        legend = alt.Legend(title=None)
        colours = [SERIES[i % len(SERIES)] for i in range(len(names))]
        shapes = [SHAPES[i % len(SHAPES)] for i in range(len(names))]
        colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
        shape = alt.Shape("series:N", scale=alt.Scale(domain=names, range=shapes), legend=legend)
    base = chart_of_rows().encode(x=x)
    fields = (("series", "series"), ("at", "step"), ("reading", "reading"))
    tooltip = [alt.Tooltip(f"{f}:N", title=t) for f, t in fields]
    layers = []
    if with_intervals(rows):
        layers.append(base.mark_area(opacity=0.18).encode(y=y.at("low"), y2="high:Q", color=colour))
    layers.append(base.mark_line(strokeWidth=1.8).encode(y=y.at("value"), color=colour))
    points = base.mark_point(filled=True, size=30, opacity=1)
    layers.append(points.encode(y=y.at("value"), color=colour, shape=shape, tooltip=tooltip))
    return alt.LayerChart(layer=layers)


def _step_axis(rows: list[dict[str, Any]], start: float | None) -> alt.Axis:
    """Powers of ten, and step 0 at the left where there is one."""
    last = max(row["step"] for row in rows)
    first = min(row["step"] for row in rows if row["step"] != start) if len(rows) > 1 else last
    powers = [10.0**k for k in range(-1, 13) if first <= 10.0**k <= last]
    values = [*([start] if start is not None else []), *powers]
    zero = f"datum.value == {start} ? '0' : " if start is not None else ""
    return alt.Axis(title="training step (logarithmic)", values=values, labelExpr=f"{zero}format(datum.value, '~s')")
