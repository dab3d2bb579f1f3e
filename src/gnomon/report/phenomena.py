"""The page of phenomena: the table of verdicts, and claim, control and figures of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.phenomena import Claim, Report
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import Drawn, draw
from gnomon.report.figures.pictures import figure_of
from gnomon.report.numbers import read, seconds, superscripts

_SIGNS = {"shown": "✓", "not shown": "✗", "insufficient": "?"}


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What was written: the page, and the figures (SVG) of each phenomenon."""

    page: Path
    figures: tuple[tuple[str, ...], ...]


def write_phenomena(reports: Sequence[Report], out_dir: Path | str) -> Pages:
    """Write ``phenomena.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``.

    The page needs no network and forbids itself any; it is written last, under a temporary name, and renamed. Raises
    GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    drawn = [[draw(figure_of(p, r.phenomenon.name)) for p in r.finding.pictures] for r in reports]
    html = rendered("phenomena.html.j2", sections=[_section(r, d) for r, d in zip(reports, drawn, strict=True)])
    figures = []
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for several in drawn:
            for one in several:
                for name, content in one.files():
                    write_file(folder / "figures" / name, content)
            figures.append(tuple(str(folder / "figures" / f"{one.figure.key}.svg") for one in several))
        page = write_file(folder / "phenomena.html", html.encode())
    return Pages(page=page, figures=tuple(figures))


def claim_cells(claim: Claim) -> dict[str, str]:
    """What a table shows of ``claim``, as text.

    Keys: statement, value (with unit), interval, level, threshold, state, and the symbol and name of its quantity.
    """
    m = claim.measurement
    found = read(m)
    unit = "" if str(m.unit) == "1" else f" {superscripts(str(m.unit))}"
    uncertainty = m.uncertainty
    samples = uncertainty.effective_samples
    return {
        "statement": claim.statement,
        "value": m.reason if found is None else f"{found.value}{unit}",
        "interval": "" if found is None else f"{found.spread} {found.systematic}".strip(),
        "level": "" if uncertainty.level is None else f"{100 * uncertainty.level:.3g} %",
        "samples": "" if samples is None else f"{samples:g}",
        "threshold": _threshold(claim) + unit,
        "state": claim.state,
        "symbol": m.symbol,
        "quantity": m.quantity,
    }


def _threshold(claim: Claim) -> str:
    if claim.least is not None and claim.most is not None:
        return f"{claim.least:g} to {claim.most:g}"
    return f"≥ {claim.least:g}" if claim.least is not None else f"≤ {claim.most:g}"


def _section(report: Report, drawn: Sequence[Drawn]) -> dict[str, Any]:
    one = report.phenomenon
    return {
        "name": one.name,
        "title": one.title,
        "claim": one.claim,
        "control": one.control,
        "source": one.source,
        "verdict": report.verdict,
        "sign": _SIGNS[report.verdict],
        "control_verdict": report.control,
        "control_sign": _SIGNS[report.control],
        # that a control shows nothing is what is hoped for
        "control_good": report.control == "not shown",
        "arms": list(_arms(report)),
        "figures": drawn,
        "notes": report.finding.notes,
        "failed": [(r.experiment, r.reason) for r in report.failed],
        "facts": [
            ("preset", report.preset),
            ("seeds", ", ".join(map(str, report.seeds))),
            ("points", f"{report.points:,}"),
            ("time of its points", seconds(report.seconds)),
            ("settings", ", ".join(f"{k} = {v}" for k, v in report.settings.model_dump(mode="json").items())),
            ("run", report.run),
        ],
    }


def _arms(report: Report) -> Iterator[tuple[str, list[dict[str, str]]]]:
    yield "claim", [claim_cells(c) for c in report.finding.claims]
    for arm, claims in report.finding.controls.items():
        yield f"control: {arm}", [claim_cells(c) for c in claims]
