"""The page of error slices: which there are, how sure that is, and what is left when unsure answers are withheld."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import numpy as np

from gnomon.assurance.errors.confirmation import Slice
from gnomon.assurance.errors.quantities import CONFIDENT_ERROR_RATE, SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR
from gnomon.assurance.errors.selective import risk_coverage
from gnomon.assurance.errors.slices import Found
from gnomon.phenomena import Curve, Picture
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.figure import HALF_WIDTH, INK, SERIES, Figure, chart_of_rows, finished
from gnomon.report.figures.pictures import figure_of
from gnomon.report.slices_table import COLUMNS, lead, rows

_EXAMPLES = 3
_ROW = 40  # pixels of a slice
_ENDS = ("value", "low", "high")


def write_slices(found: Found, out_dir: Path | str, *, subject: str) -> Path:
    """Write ``slices.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    The page needs no network and forbids itself any. Raises GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    drawn = [draw(figure) for figure in figures(found)]
    html = rendered(
        "slices.html.j2",
        title=f"Where {subject} errs",
        lead=lead(found),
        columns=COLUMNS,
        rows=rows(found),
        slices=[(one, _examples(found, one)) for one in found.confirmed],
        figures=drawn,
        quantities=(SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR, CONFIDENT_ERROR_RATE),
    )
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in drawn:
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / "slices.html", html.encode())


def figures(found: Found) -> list[Figure]:
    """Error rates of the slices, and where confidences are known the risk at each coverage."""
    drawn = []
    if found.slices:
        drawn.append(_rates(found))
    if found.graded.confidence is not None:
        risk = risk_coverage(found.graded, level=found.level)
        curve = Curve(
            name="risk",
            x=risk.coverage.tolist(),
            y=risk.risk.tolist(),
            low=risk.low.tolist(),
            high=risk.high.tolist(),
            style="both",
        )
        picture = Picture(
            key="risk_coverage",
            title="Errors when unsure answers are withheld",
            caption="Share of errors among the answers with the highest confidence, by how many are given; the band"
            f" holds at all points at once at {100 * found.level:.3g} %.",
            x="share of questions answered",
            y="share of errors",
            curves=(curve,),
        )
        drawn.append(figure_of(picture, "slices"))
    return drawn


def _rates(found: Found) -> Figure:
    told = [(f"{i}  {one.description}", one.rate, one.rate_interval) for i, one in enumerate(found.slices, start=1)]
    if found.rest is not None:
        told.append(("the rest", *found.rest))
    points = [
        {"label": label, "value": rate, "low": interval.low, "high": interval.high} for label, rate, interval in told
    ]
    labels = [label for label, _, _ in told]
    scale = alt.Scale(domain=[0, 1])
    base = chart_of_rows().encode(y=alt.Y("label:N", sort=labels, axis=alt.Axis(title=None, labels=False, grid=True)))
    tooltip = [alt.Tooltip("label:N", title="slice"), *(alt.Tooltip(f"{f}:Q", format=".3f") for f in _ENDS)]
    value = alt.X("value:Q", scale=scale, axis=alt.Axis(title="share of errors", tickCount=6))
    layers = [
        base.mark_rule(strokeWidth=2, color=SERIES[0]).encode(x=alt.X("low:Q", scale=scale), x2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1, color=SERIES[0]).encode(x=value, tooltip=tooltip),
        # names stand above their bars: beside them they would take a narrow page's width
        base.mark_text(color=INK, align="left", dy=-14, fontSize=11).encode(x=alt.value(0), text="label:N"),
    ]
    title = "Errors in each slice"
    said = "; ".join(f"{label}: {rate:.3f}, {one.low:.3f} to {one.high:.3f}" for label, rate, one in told)
    return Figure(
        key="slices-rates",
        title=title,
        caption="Share of errors among held-out answers of each slice, in the order of the table; bars are intervals"
        f" that hold at once at {100 * found.level:.3g} %.",
        alt=f"{title}. {said}.",
        spec=finished(alt.LayerChart(layer=layers), points, title=title, width=HALF_WIDTH, height=_ROW * len(told)),
        quantities=(SLICE_ERROR_RATE.name,),
    )


def _examples(found: Found, one: Slice) -> list[str]:
    """Some texts of a slice that are answered wrongly."""
    wrong = np.flatnonzero(one.inside & found.held_out & (found.graded.errors > 0))[:_EXAMPLES]
    return [found.graded.texts[i] for i in wrong.tolist()]
