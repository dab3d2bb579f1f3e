"""A distribution at every site, given by quantiles: what varies between contexts, which is not an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from gnomon.measurement import Measurement, Quantity
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    INK,
    SERIES,
    VALUE_TITLE,
    WIDTH,
    Figure,
    axis_title,
    chart_of_rows,
    finished,
    slug,
)
from gnomon.report.figures.rows import array_rows, method
from gnomon.report.places import depth

AXIS = "quantile"
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
_NAMES = tuple(f"q{round(100 * level)}" for level in LEVELS)
_NARROW = 14


def is_distribution(measurement: Measurement, definition: Quantity | None) -> bool:
    """Whether the value is the quantiles 10, 25, 50, 75 and 90 %: five numbers along the axis ``quantile``."""
    value = measurement.value
    given = isinstance(value, np.ndarray) and value.shape == (len(LEVELS),)
    return given and definition is not None and definition.axes == (AXIS,)


def by_site(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """Line from 10 to 90 %, box over the middle half, a tick at the median and a bar with the median's interval."""
    laid = depth((m.site or "" for m in measurements), order)
    several = len(laid.parts) > 1
    rows = []
    for m in sorted(measurements, key=lambda m: laid.stages.index(laid.places[m.site or ""].stage)):
        place = laid.places[m.site or ""]
        stage = f"{place.stage} {place.part}" if several and place.part != place.stage else place.stage
        quantiles = array_rows(m, AXIS)
        row: dict[str, Any] = {"stage": stage, "site": m.site or "", "estimator": m.estimator}
        row |= {name: one["value"] for name, one in zip(_NAMES, quantiles, strict=True)}
        row |= {f"{name} reading": one["reading"] for name, one in zip(_NAMES, quantiles, strict=True)}
        rows.append(row | {"low": quantiles[2]["low"], "high": quantiles[2]["high"]})
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    name = f"{title} by context"
    told = "; ".join(
        f"{row['site']}: median {row['q50 reading']}, 10 to 90 %: {row['q10']:.3g} to {row['q90']:.3g}" for row in rows
    )
    wide = len(stages) > _NARROW
    chart = _boxes(stages, laid.in_blocks, axis_title(title, str(measurements[0].unit)))
    return Figure(
        key=slug(measurements[0].quantity),
        title=name,
        caption=f"{reads} Line: 10 to 90 % of contexts; box: the middle half; white tick: the median; beside it the "
        f"interval of the median. {method(measurements, bands='')}".strip(),
        alt=f"Chart. {name}. {told}.",
        spec=finished(chart, rows, title=name, width=WIDTH if wide else HALF_WIDTH),
        quantities=(measurements[0].quantity,),
        wide=wide,
    )


def _boxes(stages: list[str], in_blocks: bool, title: str) -> alt.LayerChart:
    x = alt.X(
        "stage:O",
        axis=alt.Axis(title="block" if in_blocks else "site", labelAngle=0 if max(map(len, stages)) <= 6 else -35),
        scale=alt.Scale(domain=stages, padding=0.3),
    )
    tooltip = [alt.Tooltip("site:N", title="site")]
    tooltip += [alt.Tooltip(f"{n} reading:N", title=f"{level:.0%}") for n, level in zip(_NAMES, LEVELS, strict=True)]
    base = chart_of_rows().encode(x=x, tooltip=tooltip)
    y = alt.Axis(**VALUE_TITLE, title=title)
    whisker = base.mark_rule(color=SERIES[0], strokeWidth=1.5).encode(
        y=alt.Y("q10:Q", axis=y, scale=alt.Scale(zero=True)), y2="q90:Q"
    )
    box = base.mark_bar(color=SERIES[0], size=14, cornerRadius=2).encode(y=alt.Y("q25:Q", axis=y), y2="q75:Q")
    median = base.mark_tick(color="#ffffff", thickness=2, size=14).encode(y=alt.Y("q50:Q", axis=y))
    interval = base.mark_rule(color=INK, strokeWidth=2, xOffset=11).encode(y=alt.Y("low:Q", axis=y), y2="high:Q")
    return alt.LayerChart(layer=[whisker, box, median, interval])
