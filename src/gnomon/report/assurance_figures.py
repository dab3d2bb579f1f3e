"""Figures of a case: intervals against limits, and forecasts of crossings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np

from gnomon.assurance.case import Case, Criterion
from gnomon.measurement import Measurement
from gnomon.phenomena import Curve, Picture, Rule
from gnomon.report.figures.figure import INK, MUTED, SERIES, WIDTH, Figure, chart_of_rows, finished, slug
from gnomon.report.figures.pictures import figure_of

_ROW = 46  # height of a threshold, in pixels
_LONGEST = 56  # letters of a title in the figure
# told apart by shape as well as by colour
_STATES = ("clears its line", "open", "past its line")
_COLOURS = (SERIES[2], "#8a5a00", SERIES[1])
_SHAPES = ("circle", "diamond", "cross")


def figures(case: Case) -> list[Figure]:
    """Intervals of all shares on one axis, every other quantity on its own, and a forecast of each threshold."""
    lines = list(_lines(case))
    shares = [one for one in lines if _is_share(one)]
    others = [one for one in lines if not _is_share(one)]
    drawn = []
    if shares:
        drawn.append(_against(shares, "shares", "Measured shares against their limits", domain=(0.0, 1.0)))
    drawn += [_against([one], one["label"], f"{one['label']} against its limit", domain=None) for one in others]
    return drawn + [_crossing(one, i) for i, one in enumerate(case.forecasts)]


def _lines(case: Case) -> Iterator[dict[str, Any]]:
    """A row of the figure for each threshold and each safeguard that has a value."""
    for row in case.decision["rows"]:
        if row["limit"] is not None:
            yield from _line(row["title"] or row["threshold"], row["measured"], row)
        for one in row["safeguards"]:
            yield from _line(one.get("title") or one["id"], one["measured"], one)


def _line(title: str, measured: dict[str, Any], limit: dict[str, Any]) -> Iterator[dict[str, Any]]:
    numbers = [measured[key] for key in ("value", "low", "high")]
    if not all(isinstance(number, (int, float)) for number in numbers):
        return
    value, low, high = map(float, numbers)
    criterion = Criterion(worse=limit["worse"], limit=limit["limit"], buffer=limit["buffer"] or 0.0, level=0.0)
    side = "below" if limit["worse"] == "above" else "above"
    state = {"supported": _STATES[0], "undeveloped": _STATES[1], "refuted": _STATES[2]}[criterion.of(low, high)]
    yield {
        "label": title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…",
        "value": value,
        "low": low,
        "high": high,
        "limit": criterion.limit,
        "line": criterion.line,
        "state": state,
        "reading": f"{value:.4g} [{low:.4g}, {high:.4g}]",
        "asked": f"{side} {criterion.limit:g}, buffer {criterion.buffer:g}",
    }


def _is_share(one: dict[str, Any]) -> bool:
    return all(0.0 <= one[key] <= 1.0 for key in ("value", "low", "high", "limit", "line"))


def _against(rows: Sequence[dict[str, Any]], key: str, title: str, *, domain: tuple[float, float] | None) -> Figure:
    rows = list({(row["label"], row["reading"]): row for row in rows}.values())
    labels = list(dict.fromkeys(row["label"] for row in rows))
    scale = alt.Scale(zero=False, nice=True, padding=8) if domain is None else alt.Scale(domain=list(domain))
    # names stand above their bars: beside them they would take a narrow page's width
    y = alt.Y("label:N", sort=labels, axis=alt.Axis(title=None, labels=False, grid=True))
    base = chart_of_rows().encode(y=y)
    x = alt.X("value:Q", scale=scale, axis=alt.Axis(title=None, tickCount=6))
    states = [state for state in _STATES if any(row["state"] == state for row in rows)]
    colours = [_COLOURS[_STATES.index(state)] for state in states]
    shapes = [_SHAPES[_STATES.index(state)] for state in states]
    legend = alt.Legend(title=None)
    colour = alt.Color("state:N", scale=alt.Scale(domain=states, range=colours), legend=legend)
    shape = alt.Shape("state:N", scale=alt.Scale(domain=states, range=shapes), legend=legend)
    tooltip = [
        alt.Tooltip("label:N", title=" "),
        alt.Tooltip("reading:N", title="measured"),
        alt.Tooltip("asked:N", title="asked"),
    ]
    layers = [
        base.mark_bar(height=16, color=MUTED, opacity=0.3).encode(x=alt.X("line:Q", scale=scale), x2="limit:Q"),
        base.mark_tick(color=INK, thickness=2.5, size=18).encode(x=alt.X("limit:Q", scale=scale)),
        base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=colour),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=colour, shape=shape, tooltip=tooltip),
    ]
    layers.append(base.mark_text(color=INK, align="left", dy=-18, fontSize=12).encode(x=alt.value(0), text="label:N"))
    said = "; ".join(f"{row['label']}: {row['reading']}, {row['asked']}, {row['state']}" for row in rows)
    return Figure(
        key=slug("against", key),
        title=title,
        caption="Points and bars are what was measured, with the interval that decides; upright strokes are limits, "
        "and the grey beside one is its buffer. A row is within when it clears its line, limit and buffer, or when "
        "all its safeguards clear theirs.",
        alt=f"{title}. {said}.",
        spec=finished(alt.LayerChart(layer=layers), rows, title=title, width=WIDTH, height=_ROW * len(labels)),
        quantities=(),
        wide=True,
    )


def _crossing(one: dict[str, Any], number: int) -> Figure:
    """The ladder, its best curve, and where it crosses the line."""
    m = Measurement.from_json(one["crossing"])
    rungs = [rung for rung in one["rungs"] if rung["value"] is not None]
    curves = [
        Curve(
            name="measured",
            x=[rung["compute"] for rung in rungs],
            y=[rung["value"] for rung in rungs],
            low=[_finite(rung["low"]) for rung in rungs],
            high=[_finite(rung["high"]) for rung in rungs],
            style="points",
        )
    ]
    grid, curve = one["curve"]
    if grid:
        curves.append(Curve(name=f"best curve ({one['shape']})", x=grid, y=curve, dashed=True))
    rules = [Rule(label="limit and buffer", y=one["line"])]
    u = m.uncertainty
    if u.low is not None and m.value is not None:
        ends = (("crossed at the earliest", float(u.low)), ("at the latest", float(u.high or np.inf)))
        shown = rungs[0]["compute"], one["horizon"]
        rules += [Rule(label=label, x=end) for label, end in ends if shown[0] < end < shown[1]]
    picture = Picture(
        key=f"{number}_{one['threshold']}",
        title=f"When {one['threshold'].replace('_', ' ')} is crossed",
        caption="What was measured along the ladder, with intervals; anything is said up to a horizon of "
        f"{one['horizon']:.3g} FLOP only.",
        x="effective compute (FLOP)",
        y="measured",
        curves=tuple(curves),
        rules=tuple(rules),
        log_x=True,
    )
    return figure_of(picture, "forecast")


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None
