"""A distribution at every site, as its quantiles: what varies between contexts and is not an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from gnomon.measurement import Measurement
from gnomon.report.figures.figure import (
    HALF_WIDTH,
    SERIES,
    VALUE_TITLE,
    Figure,
    axis_title,
    chart_of_rows,
    finished,
    slug,
)
from gnomon.report.figures.rows import scalar_row
from gnomon.report.places import depth

_NEEDED = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles_of(measurement: Measurement) -> dict[float, float] | None:
    """The quantiles 5, 25, 50, 75 and 95 % that an estimator left in its diagnostics, if it did."""
    stated = measurement.diagnostics.get("quantiles")
    if not isinstance(stated, Mapping):
        return None
    try:
        found = {float(k): float(v) for k, v in stated.items()}
    except (TypeError, ValueError):
        return None
    return {q: found[q] for q in _NEEDED} if all(q in found for q in _NEEDED) else None


def by_site(measurements: Sequence[Measurement], order: Sequence[str], *, title: str, reads: str) -> Figure:
    """Bar from 5 to 95 %, box over the middle half, a tick at the median and a point at the mean with its interval."""
    laid = depth((m.site or "" for m in measurements), order)
    several = len(laid.parts) > 1
    rows = []
    for m in measurements:
        quantiles = quantiles_of(m)
        if quantiles is None:
            continue
        place = laid.places[m.site or ""]
        label = f"{place.stage} {place.part}" if several and place.part != place.stage else place.stage
        spread = {f"q{round(100 * q)}": value for q, value in quantiles.items()}
        rows.append(scalar_row(m, stage=label, rank=laid.stages.index(place.stage), **spread))
    rows.sort(key=lambda row: row["rank"])
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    name = f"{title} by context"
    parts = "; ".join(
        f"{row['site']}: median {row['q50']:.3g}, middle half {row['q25']:.3g} to {row['q75']:.3g}" for row in rows
    )
    return Figure(
        key=slug(measurements[0].quantity, "distribution"),
        title=name,
        caption=f"{reads} Line: 5 to 95 % of contexts; box: the middle half; white tick: the median. "
        "The spread is between contexts, not an error.",
        alt=f"Chart. {name}. {parts}.",
        spec=finished(
            _boxes(stages, laid.in_blocks, title, str(measurements[0].unit)), rows, title=name, width=HALF_WIDTH
        ),
        quantities=(measurements[0].quantity,),
    )


def _boxes(stages: list[str], in_blocks: bool, title: str, unit: str) -> alt.LayerChart:
    longest = max(map(len, stages))
    x = alt.X(
        "stage:O",
        axis=alt.Axis(title="block" if in_blocks else "site", labelAngle=0 if longest <= 6 else -35),
        scale=alt.Scale(domain=stages, padding=0.3),
    )
    fields = ("site", "q5", "q25", "q50", "q75", "q95")
    tooltip = [
        alt.Tooltip(f"{f}:{'N' if f == 'site' else 'Q'}", title=f, format="" if f == "site" else ".3g") for f in fields
    ]
    base = chart_of_rows().encode(x=x, tooltip=tooltip)
    y = alt.Axis(**VALUE_TITLE, title=axis_title(title, unit))
    low = alt.Y("q5:Q", axis=y, scale=alt.Scale(zero=True))
    whisker = base.mark_rule(color=SERIES[0], strokeWidth=1.5).encode(y=low, y2="q95:Q")
    box = base.mark_bar(color=SERIES[0], size=16, cornerRadius=2).encode(y=alt.Y("q25:Q", axis=y), y2="q75:Q")
    median = base.mark_tick(color="#ffffff", thickness=2, size=16).encode(y=alt.Y("q50:Q", axis=y))
    return alt.LayerChart(layer=[whisker, box, median])
