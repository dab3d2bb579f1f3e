"""Directions of a concept: detection and angle at every site, and how the angle falls with more examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from gnomon.measurement import Measurement
from gnomon.phenomena import Curve, Picture
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    HEIGHT,
    MUTED,
    SERIES,
    SHAPES,
    VALUE_TITLE,
    WIDTH,
    Figure,
    chart_of_rows,
    finished,
    slug,
)
from gnomon.report.figures.pictures import figure_of
from gnomon.report.numbers import read
from gnomon.structure.directions.result import Directions

_NARROW = 4  # sites that fit in one column of the page
_BEYOND = 16.0  # times the examples at hand that a curve is drawn to
_GRID = 49


def figures(found: Directions) -> list[Figure]:
    """All figures of the page."""
    words = found.reading("surface_auroc", on="left out")
    lines = [(0.5, "chance")]
    if words is not None and isinstance(words.value, float):
        lines.append((words.value, "bag of words"))
    one = {"sites": "one", "on": "left out"}
    drawn = [
        _over_sites(
            found,
            [m for m in found.measurements if m.quantity == "detection_auroc" and one.items() <= m.labels.items()],
            title="Detection at each site",
            axis="area under the ROC curve",
            caption="Of examples that the direction was not fitted to; bars are intervals.",
            lines=lines,
        )
    ]
    tested = [
        m for m in found.measurements if m.quantity == "detection_auroc" and m.site and m.labels.get("on") == "test"
    ]
    if tested:
        words = found.reading("surface_auroc", on="test")
        lines = [
            (0.5, "chance"),
            *([(words.value, "bag of words")] if words and isinstance(words.value, float) else []),
        ]
        drawn.append(
            _over_sites(
                found,
                tested,
                title="Detection on the test set",
                axis="area under the ROC curve",
                caption="Directions fitted to all examples, on texts of the test set; bars are intervals.",
                lines=lines,
            )
        )
    angles = [m for m in found.measurements if m.quantity == "direction_cosine"]
    drawn.append(
        _over_sites(
            found,
            angles,
            title="Cosine to the direction of endless examples",
            axis="cosine",
            caption="How far the direction found is from the one that more examples of the same kind would lead to. "
            "Where the bar crosses zero not even its sign is known.",
            lines=[(0.0, "")],
        )
    )
    learning = _learning(found)
    return [one for one in drawn if one is not None] + ([] if learning is None else [learning])


def _over_sites(
    found: Directions,
    measurements: Sequence[Measurement],
    *,
    title: str,
    axis: str,
    caption: str,
    lines: Sequence[tuple[float, str]],
) -> Figure | None:
    read_there = [m for m in measurements if m.status == "ok"]
    if not read_there:
        return None
    rows: list[dict[str, Any]] = [
        {
            "site": m.site,
            "series": m.labels["method"],
            "value": float(np.asarray(m.value)),
            "low": None if m.uncertainty.low is None else float(np.asarray(m.uncertainty.low)),
            "high": None if m.uncertainty.high is None else float(np.asarray(m.uncertainty.high)),
            "reading": str(read(m)),
        }
        for m in read_there
    ]
    sites, methods = [s for s in found.sites if any(r["site"] == s for r in rows)], list(found.methods)
    wide = len(sites) > _NARROW
    angle = 0 if max(map(len, sites)) * len(sites) < (110 if wide else 50) else -35
    base = chart_of_rows().encode(
        x=alt.X("site:N", sort=sites, scale=alt.Scale(domain=sites), axis=alt.Axis(title="site", labelAngle=angle)),
        xOffset=alt.XOffset("series:N", sort=methods, scale=alt.Scale(domain=methods, paddingInner=0.4)),
        color=alt.Color(
            "series:N",
            scale=alt.Scale(domain=methods, range=[SERIES[i % len(SERIES)] for i in range(len(methods))]),
            legend=alt.Legend(title=None),
        ),
    )

    def upright(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(**VALUE_TITLE, title=axis))

    shapes = alt.Scale(domain=methods, range=[SHAPES[i % len(SHAPES)] for i in range(len(methods))])
    shape = alt.Shape("series:N", scale=shapes, legend=alt.Legend(title=None))
    tooltip = [alt.Tooltip(f"{f}:N", title=t) for f, t in (("series", "method"), ("site", "site"), ("reading", axis))]
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6, opacity=0.7)
    layers: list[alt.Chart] = [
        bars.encode(y=upright("low"), y2="high:Q"),
        base.mark_point(filled=True, size=52, opacity=1).encode(y=upright("value"), shape=shape, tooltip=tooltip),
    ]
    width = WIDTH if wide else HALF_WIDTH
    for number, (height, label) in enumerate(lines):  # words at either end, so that lines close together keep theirs
        own = alt.Chart(alt.InlineData(values=[{"y": height, "label": label}]))
        layers.append(own.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(y=alt.Y("y:Q")))
        words = own.mark_text(color=MUTED, dy=-5, dx=4, align="left", fontSize=11).encode(x=alt.value(0))
        if number:
            words = own.mark_text(color=MUTED, dy=-5, dx=-4, align="right", fontSize=11).encode(x=alt.value("width"))
        layers.append(words.encode(y=alt.Y("y:Q"), text="label:N"))
    return Figure(
        key=slug("directions", title),
        title=title,
        caption=caption,
        alt=f"{title}. " + "; ".join(f"{r['series']} at {r['site']}: {r['reading']}" for r in rows),
        spec=finished(alt.LayerChart(layer=layers), rows, title=title, width=width, height=HEIGHT),
        quantities=(read_there[0].quantity,),
        wide=wide,
    )


def _learning(found: Directions) -> Figure | None:
    curves = []
    for method in found.methods:
        one = found.at(method)
        curve = one.curve
        if curve is None or not curve.low > 0:
            continue
        smallest = min(curve.sizes, default=curve.examples / 2)
        x = np.geomspace(smallest, curve.examples * _BEYOND, _GRID)
        value, low, high = (column.tolist() for column in np.array([curve.at(n) for n in x]).T)
        name = f"{method} at {one.site}"
        curves.append(Curve(name=name, x=x.tolist(), y=value, low=low, high=high, group=name))
        halves = [(n, c**0.5) for n, c in zip(curve.sizes, curve.parts, strict=True) if c > 0]
        sizes, cosines = [n for n, _ in halves], [c for _, c in halves]
        curves.append(Curve(name=f"{name}, parts", x=sizes, y=cosines, style="points", group=name))
    if not curves:
        return None
    return figure_of(
        Picture(
            key="learning",
            title="What more examples would give",
            caption="Lines are the law that tan² of the angle falls as 1/n, through the angle at hand; bands are its "
            "interval. Points are read off disjoint parts of the examples: where they leave the line, the law fails.",
            x="examples",
            y="cosine",
            curves=tuple(curves),
            log_x=True,
        ),
        "directions",
    )
