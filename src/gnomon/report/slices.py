"""The page of error slices: which there are, how sure that is, and what is left when unsure answers are withheld."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gnomon.assurance.errors.confirmation import Slice
from gnomon.assurance.errors.quantities import CONFIDENT_ERROR_RATE, SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR
from gnomon.assurance.errors.selective import risk_coverage
from gnomon.assurance.errors.slices import Found
from gnomon.phenomena import Curve, Picture
from gnomon.phenomena.picture import Rule
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.figure import Figure
from gnomon.report.figures.pictures import figure_of
from gnomon.report.slices_table import COLUMNS, lead, rows

_EXAMPLES = 3


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
        numbers = [float(i) for i in range(1, len(found.slices) + 1)]
        curve = Curve(
            name="slice",
            x=numbers,
            y=[one.rate for one in found.slices],
            low=[float(one.rate_interval.low or 0.0) for one in found.slices],
            high=[float(one.rate_interval.high or 0.0) for one in found.slices],
            style="points",
        )
        picture = Picture(
            key="slices",
            title="Errors in each slice",
            caption=f"Share of errors among held-out answers of each slice, by its number in the table; bars are"
            f" intervals that hold at once at {100 * found.level:.3g} %.",
            x="slice",
            y="share of errors",
            curves=(curve,),
            rules=() if found.rest is None else (Rule(label="the rest", y=found.rest[0]),),
        )
        drawn.append(figure_of(picture, "slices"))
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


def _examples(found: Found, one: Slice) -> list[str]:
    """Some texts of a slice that are answered wrongly."""
    wrong = np.flatnonzero(one.inside & found.held_out & (found.graded.errors > 0))[:_EXAMPLES]
    return [found.graded.texts[i] for i in wrong.tolist()]
