"""The page of error slices: which there are, how sure that is, and what is left when unsure answers are withheld."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gnomon.assurance.errors.confirmation import Slice
from gnomon.assurance.errors.quantities import CONFIDENT_ERROR_RATE, SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR
from gnomon.assurance.errors.selective import risk_coverage
from gnomon.assurance.errors.slices import Found
from gnomon.measurement import Uncertainty
from gnomon.phenomena import Curve, Picture
from gnomon.phenomena.picture import Rule
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.figure import Figure
from gnomon.report.figures.pictures import figure_of
from gnomon.report.numbers import fixed

COLUMNS = ("", "slice", "held out", "clusters", "errors", "rest", "excess", "p, corrected", "confirmed")
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


def rows(found: Found) -> list[tuple[str, ...]]:
    """A row of `COLUMNS` for each slice that was nominated, and one for the rest."""
    table: list[tuple[str, ...]] = [
        (
            f"{number}",
            one.description,
            f"{one.examples:,}",
            f"{one.clusters:,}",
            _percent(one.rate, one.rate_interval),
            f"{fixed(100 * one.rest, 1)} %",
            _percent(one.excess, one.excess_interval),
            f"{one.adjusted:.2g}",
            "yes" if one.confirmed else "no",
        )
        for number, one in enumerate(found.slices, start=1)
    ]
    if found.rest is not None:
        table.append(("", "the rest", "", "", _percent(*found.rest), "", "", "", ""))
    return table


def lead(found: Found) -> str:
    """What came of the search, in sentences."""
    level, count = 100 * found.level, len(found.confirmed)
    wrong = f"{fixed(100 * float(found.graded.errors.mean()), 1)} % of {len(found.graded):,} answers are wrong."
    sought = (
        f"Of {len(found.slices)} slices that one half nominated by {found.features:,} features and their conjunctions,"
        f" {count} {'is' if count == 1 else 'are'} confirmed on the other half ({int(found.held_out.sum()):,} answers)."
    )
    sure = (
        f"At most {100 - level:.3g} % of the confirmed are expected to be none; all intervals hold at once at"
        f" {level:.3g} %. Each slice is apart from those above it."
    )
    return " ".join((wrong, sought, sure))


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


def _percent(value: float, interval: Uncertainty) -> str:
    low, high = (100 * float(end or 0.0) for end in (interval.low, interval.high))
    places = 0 if high - low > 1 else 1
    return f"{fixed(100 * value, places)} [{fixed(low, places)}, {fixed(high, places)}] %"
