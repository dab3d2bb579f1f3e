"""A figure, and the look that all figures share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from gnomon.report.numbers import superscripts

# Ink and grid are what the page's style sheet recolours in the dark. The series colours are legible on white and on
# black, and told apart by readers with any of the three colour blindnesses; shape repeats what they say.
INK = "#20262d"
MUTED = "#59626d"
GRID = "#e4e7eb"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#6a1fb0", "#7a3318", "#8d7fe6", "#4f5a66", "#b02a78")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
# From input to output.
DEPTH_RAMP = ("#2f6fb7", "#2a8f93", "#5d8b3a", "#a17c1b", "#cf5f2e", "#c8476f")
WIDTH, HEIGHT = 860, 270
HALF_WIDTH = 400
# The title of a vertical axis stands upright above it: it is read without turning the head and costs no width.
VALUE_TITLE: dict[str, Any] = {
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "end",
    "titleY": -14,
    "titleX": -34,
}
_DATA = "readings"
_LINEAR_UP_TO = 50.0
_SEPARATORS = re.compile(r"[\u2028\u2029\x00-\x1f]")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with its words.

    Parameters
    ----------
    key : unique within a report: its id in the page and its file name.
    title : what it shows; part of the chart.
    caption : how to read it.
    alt : the same in words, with the numbers, for those who cannot see it.
    spec : Vega-Lite specification.
    quantities : names of the quantities in it; the first decides where it is shown.
    wide : whether it takes the whole width of the page instead of one of two columns.
    square : whether the plot keeps its proportions when the page narrows.
    """

    key: str
    title: str
    caption: str
    alt: str
    spec: Mapping[str, Any]
    quantities: tuple[str, ...]
    wide: bool = False
    square: bool = False


def slug(*parts: str) -> str:
    """A file name from names that may hold anything.

    >>> slug("agop_spectrum", "blocks.3/../x")
    'agop-spectrum-blocks-3-x'
    """
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")[:80] or "figure"


def chart_of_rows() -> alt.Chart:
    """A chart whose data come with `finished`: Altair copies what it is given at every step."""
    return alt.Chart(alt.NamedData(name=_DATA))


def finished(
    chart: alt.LayerChart, rows: Sequence[Mapping[str, Any]], *, title: str, width: int, height: int = HEIGHT
) -> dict[str, Any]:
    """The specification of ``chart`` over ``rows`` in the common look."""
    sized = chart.properties(
        width=width, height=height, title=alt.TitleParams(title, anchor="start", frame="bounds", offset=14)
    )
    longest = max((len(str(row.get("series", ""))) for row in rows), default=0)
    columns = max(1, min(6, int(width / (6.2 * longest + 28))))
    spec = styled(sized, rows, legend_columns=columns)
    # The page lays the legend out anew for the width that it has.
    return {**spec, "usermeta": {"longest": longest}}


def styled(chart: alt.TopLevelMixin, rows: Sequence[Mapping[str, Any]], *, legend_columns: int) -> dict[str, Any]:
    """The specification of ``chart``, of whatever composition, over ``rows`` in the common look."""
    config: dict[str, Any] = {**_CONFIG, "legend": {**_CONFIG["legend"], "columns": legend_columns}}
    spec: dict[str, Any] = chart.configure(**config).to_dict(validate=False)
    written: dict[str, Any] = _on_one_line({**spec, "data": {"name": _DATA, "values": list(rows)}})
    return written


def _on_one_line(value: Any) -> Any:
    """``value`` without line separators: Vega's expressions, which quote names, cannot hold them."""
    if isinstance(value, str):
        return _SEPARATORS.sub(" ", value)
    if isinstance(value, dict):
        return {_on_one_line(k): _on_one_line(v) for k, v in value.items()}
    return [_on_one_line(v) for v in value] if isinstance(value, list) else value


def axis_title(title: str, unit: str) -> str:
    """``title (unit)``; a unit of 1 is said in words."""
    return f"{title} ({'dimensionless' if unit == '1' else superscripts(unit)})"


@dataclass(frozen=True)
class Vertical:
    """Scale and axis of the values in a figure."""

    scale: alt.Scale
    axis: alt.Axis

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]], title: str, unit: str) -> Vertical:
        """Logarithmic where positive values span more than a factor of 50, else linear.

        On a logarithmic axis the part of a band that reaches zero has no place; it is taken out of ``rows``.
        """
        values = [row["value"] for row in rows if row["value"] is not None]
        axis: dict[str, Any] = {**VALUE_TITLE, "title": axis_title(title, unit)}
        if not values or min(values) <= 0 or max(values) / min(values) <= _LINEAR_UP_TO:
            return cls(alt.Scale(zero=False, nice=True, padding=6), alt.Axis(**axis))
        for row in rows:
            row["low"] = None if row["low"] is not None and row["low"] <= 0 else row["low"]
        read = [row for row in rows if row["value"] is not None]
        lowest = math.floor(math.log10(min(row["low"] or row["value"] for row in read)))
        highest = math.ceil(math.log10(max(row["high"] or row["value"] for row in read)))
        step = max(1, round((highest - lowest) / 6))
        powers = [10.0**k for k in range(lowest, highest + 1, step)]
        return cls(alt.Scale(type="log", nice=False, padding=6), alt.Axis(**axis, values=powers, format="~g"))

    def at(self, field: str) -> alt.Y:
        """The vertical channel for the numbers called ``field``."""
        return alt.Y(f"{field}:Q", axis=self.axis, scale=self.scale)


def with_intervals(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any of ``rows`` has an interval to draw."""
    return any(row["low"] is not None and row["high"] is not None for row in rows)


_FONT = "Helvetica, Arial, sans-serif"
_CONFIG: dict[str, Any] = {
    "aria": False,  # the page describes each figure as a whole
    "background": "#ffffff",
    "font": _FONT,
    "padding": 4,
    "view": alt.ViewConfig(stroke=None),
    "axis": alt.AxisConfig(
        domainColor=MUTED,
        gridColor=GRID,
        labelColor=MUTED,
        labelFontSize=11.5,
        tickColor=MUTED,
        tickSize=4,
        titleColor=MUTED,
        titleFontSize=12,
        titleFontWeight="normal",
        titlePadding=8,
    ),
    "axisX": alt.AxisConfig(grid=False, labelOverlap="greedy"),
    "axisY": alt.AxisConfig(domain=False, ticks=False, labelPadding=6, tickCount=5),
    "title": alt.TitleConfig(color=INK, fontSize=14, fontWeight=600, font=_FONT),
    "legend": {
        "labelColor": MUTED,
        "labelFontSize": 11.5,
        "labelLimit": 220,
        "orient": "bottom",
        "direction": "horizontal",
        "symbolOpacity": 1,
        "symbolSize": 60,
        "titleColor": MUTED,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
    },
}
