"""Readings over a group: shares of its irreducible representations, and shares by operand and composition."""

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
    VALUE_TITLE,
    Figure,
    axis_title,
    chart_of_rows,
    finished,
    slug,
)
from gnomon.report.figures.rows import alternative, array_rows, method, scalar_row

LABEL = "elements"
_NAMED = 12  # irreps up to which each has its name and its bars
_STEMS = 6  # series up to which stems stay clear of each other


def over_irreps(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """Shares of irreducible representations: bars by name where they are few, stems by number where they are many."""
    read = [m for m in _forward(measurements, order) if m.status == "ok"]
    alike = len({m.labels.get(LABEL) for m in read}) == 1
    rows = []
    for m in read:
        names = m.diagnostics.get("irreps", [])
        series = (m.site or "whole network") + ("" if alike else f" · {m.labels.get(LABEL)}")
        for i, row in enumerate(array_rows(m, "position", series=series)):
            rows.append({**row, "irrep": str(names[i]) if i < len(names) else str(i + 1)})
    names = list(dict.fromkeys(row["series"] for row in rows))
    few = max(row["position"] for row in rows) <= _NAMED
    layers = _bars(rows, names) if few else _stems(rows, names)
    return _figure(measurements, rows, layers, title=title, reads=reads)


def over_sites(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """A share at every site, a curve for each operand and for the composition."""
    ordered = _forward(measurements, order)
    rows = [scalar_row(m, stage=m.site or "", series=m.labels[LABEL]) for m in ordered]
    sites, names = (list(dict.fromkeys(row[k] for row in rows)) for k in ("stage", "series"))
    longest = max(map(len, sites))
    angle = 0 if longest <= 6 else -35
    x = alt.X("stage:O", axis=alt.Axis(title="site", labelAngle=angle), scale=alt.Scale(domain=sites, padding=0.25))
    base = chart_of_rows().encode(x=x, color=_colour(names))
    shape = alt.Shape(
        "series:N", scale=alt.Scale(domain=names, range=list(SHAPES[: len(names)])), legend=_legend(names)
    )
    layers = [
        base.mark_line(strokeWidth=1.6, opacity=0.75).encode(y=_share(title)),
        base.mark_point(filled=True, size=48, opacity=1).encode(y=_share(title), shape=shape, tooltip=_tooltip("site")),
    ]
    if any(row["refused"] for row in rows):
        crosses = base.transform_filter("datum.refused").mark_text(text="×", fontSize=15)
        layers.append(crosses.encode(y=alt.value(HEIGHT - 8), tooltip=_tooltip("site")))
    return _figure(measurements, rows, layers, title=title, reads=reads)


def _bars(rows: list[dict[str, Any]], names: list[str]) -> list[alt.Chart]:
    irreps = list(dict.fromkeys(row["irrep"] for row in rows))
    angle = 0 if max(map(len, irreps)) <= 6 else -35
    x = alt.X("irrep:O", sort=irreps, axis=alt.Axis(title="irrep", labelAngle=angle))
    base = chart_of_rows().encode(x=x, xOffset=alt.XOffset("series:N", sort=names), color=_colour(names))
    return [base.mark_bar().encode(y=_share("share"), tooltip=_tooltip("irrep"))]


def _stems(rows: list[dict[str, Any]], names: list[str]) -> list[alt.Chart]:
    many = len(names) > _STEMS
    for row in rows:  # stems stand side by side
        shift = 0.0 if many else 0.6 * ((names.index(row["series"]) + 0.5) / len(names) - 0.5)
        row["at"] = round(row["position"] + shift, 3)
    x = alt.X("at:Q", scale=alt.Scale(zero=False, nice=False, padding=8), axis=alt.Axis(title="irrep", format="~g"))
    base = chart_of_rows().encode(x=x, color=_colour(names))
    drawn: Callable[..., Any] = base.mark_line if many else base.mark_rule
    ends = {"y": _share("share")} | ({} if many else {"y2": alt.datum(0)})
    points = base.mark_point(filled=True, size=14 if many else 30, opacity=1)
    return [
        drawn(strokeWidth=1.4, opacity=0.7).encode(**ends),
        points.encode(y=_share("share"), tooltip=_tooltip("irrep")),
    ]


def _share(title: str) -> alt.Y:
    """Shares are read from zero."""
    return alt.Y(
        "value:Q", scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(**VALUE_TITLE, title=axis_title(title, "1"))
    )


def _colour(names: list[str]) -> Any:
    colours = [SERIES[i % len(SERIES)] for i in range(len(names))]
    return alt.Color("series:N", scale=alt.Scale(domain=names, range=colours), legend=_legend(names))


def _legend(names: list[str]) -> Any:
    return alt.Legend(title=None) if len(names) > 1 else None


def _tooltip(along: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{f}:N", title=f) for f in ("series", along, "reading")]


def _forward(measurements: Sequence[Measurement], order: Sequence[str]) -> list[Measurement]:
    known = {site: i for i, site in enumerate(order)}
    return sorted(measurements, key=lambda m: known.get((m.site or "").partition(":")[0], len(known)))


def _figure(
    measurements: Sequence[Measurement], rows: list[dict[str, Any]], layers: list[alt.Chart], *, title: str, reads: str
) -> Figure:
    return Figure(
        key=slug(measurements[0].quantity),
        title=title,
        caption=" ".join(s for s in (reads, method(measurements)) if s),
        alt=alternative(title, measurements),
        spec=finished(alt.LayerChart(layer=layers), rows, title=title, width=HALF_WIDTH),
        quantities=(measurements[0].quantity,),
    )
