"""A curve for every site: spectra over their components, and readings over a numeric label (a scale, a lag)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.figures.figure import (
    DEPTH_RAMP,
    HALF_WIDTH,
    HEIGHT,
    SERIES,
    Figure,
    Vertical,
    chart_of_rows,
    finished,
    slug,
    with_intervals,
)
from gnomon.report.figures.rows import alternative, array_rows, method, scalar_row
from gnomon.report.themes import POSITIONS, words

_LEGEND_OF_NAMES = 8
_TICKED = 12  # positions up to which each has a tick of its own
_MOST_CURVES = 16
_MOST_POINTS = 96


def spectrum(measurements: Sequence[Measurement], order: Sequence[str], *, axis: str, title: str, reads: str) -> Figure:
    """One-axis values: a curve for every site over the axis called ``axis``."""
    drawn, note = _drawn(measurements, order)
    longest = max(len(np.atleast_1d(np.asarray(m.value))) for m in drawn)
    if longest > _MOST_POINTS:
        note = f"{note} Drawn at {_MOST_POINTS} of {longest:,} components.".strip()
    several = len({m.quantity for m in drawn}) > 1
    names = [" · ".join([words(m.quantity).title, m.site or ""]).strip(" ·") if several else _name(m) for m in drawn]
    placed = [_placed(array_rows(m, "position", series=n), m, axis) for m, n in zip(drawn, names, strict=True)]
    rows = [row for part in placed for row in _thinned(part)]
    reads = f"{reads} {note}".strip()
    return _figure(drawn, rows, order, along=axis, title=title, measured=title, reads=reads, part="")


def over_label(
    measurements: Sequence[Measurement], order: Sequence[str], *, label: str, title: str, reads: str
) -> Figure:
    """Scalars told apart by a numeric label: a curve for every site over that label."""
    drawn, note = _drawn(measurements, order)
    rows = [scalar_row(m, position=float(m.labels[label]), series=_name(m, label)) for m in drawn]
    rows.sort(key=lambda row: row["position"])
    spoken = f"{title} by {label.replace('_', ' ')}"
    reads, part = f"{reads} {note}".strip(), f"by {label}"
    return _figure(drawn, rows, order, along=label, title=spoken, measured=title, reads=reads, part=part)


def _placed(rows: list[dict[str, Any]], measurement: Measurement, axis: str) -> list[dict[str, Any]]:
    """The rows at the positions that the estimator left in its diagnostics, if it did; else at 1, 2, 3, …"""
    stated = measurement.diagnostics.get(POSITIONS.get(measurement.quantity, axis))
    if not isinstance(stated, Sequence) or len(stated) != len(rows):
        return rows
    if not all(isinstance(at, (int, float)) and np.isfinite(at) for at in stated):
        return rows
    return [{**row, "position": at} for row, at in zip(rows, stated, strict=True)]


def _drawn(measurements: Sequence[Measurement], order: Sequence[str]) -> tuple[list[Measurement], str]:
    """At most so many sites as curves can be told apart, from the first to the last; and a note that says so."""
    known = {site: i for i, site in enumerate(order)}
    sites = sorted({m.site or "" for m in measurements}, key=lambda s: (known.get(s, len(known)), s))
    if len(sites) <= _MOST_CURVES:
        return list(measurements), ""
    kept = {sites[i] for i in np.linspace(0, len(sites) - 1, _MOST_CURVES).round().astype(int)}
    return [m for m in measurements if (m.site or "") in kept], f"Drawn for {len(kept)} of {len(sites)} sites."


def _thinned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Components at equal ratios of their rank, where there are more than can be seen."""
    if len(rows) <= _MOST_POINTS:
        return rows
    kept = np.unique(np.geomspace(1, len(rows), _MOST_POINTS).round().astype(int)) - 1
    return [rows[i] for i in kept]


def _name(measurement: Measurement, *but: str) -> str:
    """What tells a curve apart: its site and its labels other than ``but``."""
    rest = [v for k, v in sorted(measurement.labels.items()) if k not in but]
    return " · ".join([measurement.site or "", *rest]).strip(" ·") or "whole network"


def _figure(
    measurements: Sequence[Measurement],
    rows: list[dict[str, Any]],
    order: Sequence[str],
    *,
    along: str,
    title: str,
    measured: str,
    reads: str,
    part: str,
) -> Figure:
    known = {site: i for i, site in enumerate(order)}
    by_name = {row["series"]: known.get(row["site"], len(known)) for row in rows}
    names = sorted(by_name, key=lambda name: (by_name[name], name))
    chart = _layers(rows, names, along.replace("_", " "), Vertical.of(rows, measured, str(measurements[0].unit)))
    return Figure(
        key=slug(measurements[0].quantity, part),
        title=title,
        caption=" ".join(s for s in (reads, method(measurements)) if s),
        alt=alternative(title, measurements),
        spec=finished(chart, rows, title=title, width=HALF_WIDTH),
        quantities=tuple(dict.fromkeys(m.quantity for m in measurements)),
    )


def _layers(rows: list[dict[str, Any]], names: list[str], along: str, y: Vertical) -> alt.LayerChart:
    positions = sorted({row["position"] for row in rows})
    wide_range = positions[0] > 0 and positions[-1] / positions[0] >= 8
    from_none = positions[0] == 0 and positions[-1] >= 16
    ticks: Any = positions if len(positions) <= _TICKED else alt.Undefined
    scale = alt.Scale(type="log", nice=False) if wide_range else alt.Scale(zero=False, nice=False)
    if from_none:
        scale = alt.Scale(type="symlog", constant=1, nice=False)
        ticks = [0, *(2**k for k in range(int(np.log2(positions[-1])) + 1))]
    x = alt.X(
        "position:Q",
        scale=scale,
        axis=alt.Axis(title=along, values=ticks, format="~s" if positions[-1] >= 10000 else "~r"),
    )
    colour: Any = alt.value(SERIES[0])
    if len(names) > 1:
        legend = alt.Legend(title=None, values=names if len(names) <= _LEGEND_OF_NAMES else _ends(names))
        colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=depth_colours(len(names))), legend=legend)
    base = chart_of_rows().encode(x=x, color=colour)
    fields = (("series", "site"), ("position", along), ("reading", "reading"))
    tooltip = [alt.Tooltip(f"{f}:N", title=t) for f, t in fields]
    layers = []
    if with_intervals(rows):
        layers.append(base.mark_area(opacity=0.16).encode(y=y.at("low"), y2="high:Q"))
    layers.append(base.mark_line(strokeWidth=1.8).encode(y=y.at("value")))
    size = 30 if len(rows) <= _TICKED * len(names) else 7
    layers.append(base.mark_point(filled=True, size=size, opacity=1).encode(y=y.at("value"), tooltip=tooltip))
    if any(row.get("refused") for row in rows):
        crosses = base.transform_filter("datum.refused").mark_text(text="×", fontSize=15)
        layers.append(crosses.encode(y=alt.value(HEIGHT - 8), tooltip=tooltip))
    return alt.LayerChart(layer=layers)


def _ends(names: list[str]) -> list[str]:
    """A few names from the first to the last, for a legend that cannot hold all."""
    picked = np.linspace(0, len(names) - 1, 6).round().astype(int)
    return [names[i] for i in picked]


def depth_colours(n: int) -> list[str]:
    """``n`` colours from input to output, equally far apart on the ramp.

    >>> depth_colours(2)
    ['#2f6fb7', '#c8476f']
    """
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in DEPTH_RAMP], dtype=float)
    at = np.linspace(0, len(anchors) - 1, n)
    mixed = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, k]) for k in range(3)], axis=1)
    return ["#" + "".join(f"{round(c):02x}" for c in rgb) for rgb in mixed]
