"""A quantity of pairs of sites, as a matrix of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.figures.figure import MUTED, Figure, axis_title, chart_of_rows, finished, slug
from gnomon.report.figures.rows import alternative, method, scalar_row

PAIR = "other_site"
OTHER_SUBJECT = "other_subject"
_MOST = 40  # sites
_LEGIBLE = 9  # sites up to which the tiles carry their value


def pairs(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """Every pair of sites; mirrored over the diagonal, unless the second site is that of another subject."""
    known = {site: i for i, site in enumerate(order)}
    named = {s for m in measurements for s in (m.site or "", m.labels[PAIR])}
    every = sorted(named, key=lambda s: (known.get(s, len(known)), s))
    sites = every if len(every) <= _MOST else [every[i] for i in np.linspace(0, len(every) - 1, _MOST).astype(int)]
    measurements = [m for m in measurements if m.site in sites and m.labels[PAIR] in sites]
    rows = []
    for m in measurements:
        both = {(m.site or "", m.labels[PAIR])}
        for one, other in both if OTHER_SUBJECT in m.labels else both | {(m.labels[PAIR], m.site or "")}:
            rows.append(scalar_row(m, one=one, other=other))
    widest = max(
        (float(np.max(m.uncertainty.half_width)) for m in measurements if m.uncertainty.low is not None), default=0
    )
    left_out = f"Drawn for {len(sites)} of {len(every)} sites." if sites is not every else ""
    precision = f"The widest interval is ± {widest:.2g}." if widest else ""
    unit = str(measurements[0].unit)
    spec = finished(_tiles(rows, sites, axis_title(title, unit)), rows, title=title, width=430, height=430)
    return Figure(
        key=slug(measurements[0].quantity),
        title=title,
        caption=" ".join(s for s in (reads, method(measurements), precision, left_out) if s),
        alt=alternative(title, [m for m in measurements if m.site != m.labels[PAIR]]),
        spec=spec,
        quantities=(measurements[0].quantity,),
        square=True,
    )


def _tiles(rows: list[dict[str, Any]], sites: list[str], legend: str) -> alt.LayerChart:
    values = [row["value"] for row in rows if row["value"] is not None]
    bounded = not values or (min(values) >= 0 and max(values) <= 1)
    scale = alt.Scale(scheme="viridis", domain=[0, 1] if bounded else alt.Undefined)
    axis = alt.Axis(title=None, domain=False, ticks=False, grid=False, labelLimit=130, labelOverlap="greedy")
    x = alt.X("other:O", scale=alt.Scale(domain=sites), axis=alt.Axis(**axis.to_dict(), labelAngle=-45))
    y = alt.Y("one:O", scale=alt.Scale(domain=sites), axis=axis)
    base = chart_of_rows().encode(x=x, y=y)
    gradient = alt.Legend(title=legend, orient="top", titleLimit=400, gradientLength=220, gradientThickness=10)
    tile = base.mark_rect().encode(
        color=alt.Color("value:Q", scale=scale, legend=gradient),
        tooltip=[alt.Tooltip(f"{f}:N", title=f) for f in ("one", "other", "reading", "estimator")],
    )
    refused = base.transform_filter("datum.refused").mark_text(text="×", color=MUTED, fontSize=14)
    if len(sites) > _LEGIBLE:
        return alt.LayerChart(layer=[tile, refused])
    middle = (min(values) + max(values)) / 2 if values and not bounded else 0.5
    number = (
        base.transform_filter("isValid(datum.value)")
        .mark_text(fontSize=11)
        .encode(
            text=alt.Text("value:Q", format=".2f"),
            color=alt.condition(f"datum.value > {middle}", alt.value("#101418"), alt.value("#f8fafc")),
        )
    )
    return alt.LayerChart(layer=[tile, number, refused])
