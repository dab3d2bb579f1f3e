"""The report: one self-contained page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.lab.affordable import LeftOut
from gnomon.measurement import Provenance, Quantity, catalogue
from gnomon.report import certificates, headline, readings
from gnomon.report.content import Examination
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import Drawn, draw
from gnomon.report.figures.selection import figures, training_figures
from gnomon.report.numbers import plain, seconds, size, superscripts
from gnomon.report.refusals import refusals
from gnomon.report.themes import THEMES, rank, words

_HASH_SHOWN = 16


def write_report(
    examination: Examination, out_dir: Path | str, *, quantities: Mapping[str, Quantity] = catalogue
) -> Path:
    """Write ``report.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    The page needs no network and forbids itself any. Each file is written to a temporary name and renamed, the page
    last, so that a page that is there is whole. ``quantities`` defines what is shown; a quantity that it lacks is
    shown without its definition. Raises GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    definitions = dict(quantities)
    drawn = [draw(figure) for figure in figures(examination, definitions)]
    trained = [draw(figure) for figure in training_figures(examination)]
    html = _render(examination, drawn, trained, definitions)
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in (*drawn, *trained):
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / "report.html", html.encode())


def _render(
    examination: Examination, drawn: Sequence[Drawn], trained: Sequence[Drawn], definitions: Mapping[str, Quantity]
) -> str:
    marks = certificates.marks(examination.measurements, examination.certificates)
    return rendered(
        "report.html.j2",
        examination=examination,
        introduction=headline.introduction(examination),
        cards=headline.cards(examination, marks),
        trust=headline.trust(marks),
        training=trained,
        sections=list(_sections(examination, drawn, marks)),
        refusals=refusals([*examination.measurements, *examination.history]),
        left_out=[_price(one) for one in examination.left_out],
        groups=readings.groups(examination.measurements, marks, examination.subject.sites),
        certificates=_certificates(examination),
        glossary=_glossary(examination, definitions),
        provenance=_provenance(examination),
        seconds=seconds(examination.seconds),
    )


def _sections(examination: Examination, drawn: Sequence[Drawn], marks: readings.Marks) -> Iterator[dict[str, Any]]:
    """The themes that have readings, each with its figures and tables."""
    for theme in THEMES:
        members = [m for m in examination.measurements if words(m.quantity).theme == theme.key]
        if members:
            yield {
                "theme": theme,
                "wholes": readings.wholes(members, marks),
                "figures": [d for d in drawn if words(d.figure.quantities[0]).theme == theme.key],
                "tables": readings.wide(members, marks, examination.subject.sites),
            }


def _price(one: LeftOut) -> dict[str, str]:
    cost = one.cost
    return {
        "estimator": one.estimator,
        "quantities": ", ".join(words(q).title for q in one.quantities),
        "reason": one.reason,
        "seconds": seconds(cost.seconds) if cost is not None and cost.seconds else "–",
        "passes": plain(cost.forward_passes + cost.backward_passes) if cost is not None else "–",
        "memory": size(cost.peak_bytes) if cost is not None and cost.peak_bytes else "–",
    }


def _certificates(examination: Examination) -> list[dict[str, Any]]:
    """Certificates of the instruments that took a reading, by estimator and quantity."""
    used = {(m.estimator, m.quantity) for m in (*examination.measurements, *examination.history)}
    return [
        {
            "estimator": estimator,
            "title": words(quantity).title,
            "anchor": certificates.anchor(estimator, quantity),
            "mark": certificates.mark(examination.certificates, estimator, quantity),
            "rows": [certificates.shown(row) for row in rows],
        }
        for (estimator, quantity), rows in sorted(
            examination.certificates.items(), key=lambda item: (rank(item[0][1]), item[0])
        )
        if (estimator, quantity) in used and rows
    ]


def _glossary(examination: Examination, definitions: Mapping[str, Quantity]) -> list[dict[str, Any]]:
    """Every quantity in the report, with its definition where the catalogue has one."""
    every = [*examination.measurements, *examination.history]
    entries = []
    for name, members in readings.by_quantity(every, ()).items():
        entries.append(
            {
                "name": name,
                "title": words(name).title,
                "symbol": members[0].symbol,
                "unit": superscripts(str(members[0].unit)),
                "definition": definitions.get(name),
            }
        )
    return sorted(entries, key=lambda entry: str(entry["title"]).lower())


def _provenance(examination: Examination) -> list[tuple[str, str]]:
    """Where the readings come from: what they all share, and what differs between them."""
    recorded = [m.provenance for m in (*examination.measurements, *examination.history) if m.provenance is not None]
    if examination.provenance is not None:
        recorded.insert(0, examination.provenance)
    if not recorded:
        return [("provenance", "none was recorded")]
    first = recorded[0]
    return [
        ("subject", _all(recorded, "subject")),
        ("weights", _hashes(recorded, "weights_hash")),
        ("data", _hashes(recorded, "data_hash")),
        ("specification", _hashes(recorded, "spec_hash")),
        ("seed", _all(recorded, "seed")),
        ("code", _code(first)),
        ("packages", ", ".join(f"{name} {number}" for name, number in first.packages) or "not recorded"),
        ("hardware", _all(recorded, "hardware")),
        ("measured", _when(recorded)),
        ("time", seconds(examination.seconds)),
    ]


def _all(recorded: Sequence[Provenance], field: str) -> str:
    found = sorted({str(getattr(p, field)) for p in recorded if getattr(p, field) not in (None, "")})
    return _some(found)


def _hashes(recorded: Sequence[Provenance], field: str) -> str:
    found = sorted({getattr(p, field)[:_HASH_SHOWN] for p in recorded if getattr(p, field)})
    return _some(found, "none")


def _some(found: Sequence[str], nothing: str = "not recorded", most: int = 4) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more or nothing


def _code(provenance: Provenance) -> str:
    parts = [f"source {provenance.code_version}"] if provenance.code_version else []
    if provenance.code_commit:
        parts.append(f"commit {provenance.code_commit[:12]}")
        if provenance.code_dirty is not None:
            parts.append("with uncommitted changes" if provenance.code_dirty else "clean")
    return ", ".join(parts) or "not recorded"


def _when(recorded: Sequence[Provenance]) -> str:
    times = sorted({p.created for p in recorded if p.created})
    if not times:
        return "not recorded"
    return times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
