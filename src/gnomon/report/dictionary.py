"""The page of a dictionary: a table of all latents, and their cards in files of a block each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.report import dictionary_cards as cards
from gnomon.report.dictionary_text import speller
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.numbers import fixed, plain, read, unit_text
from gnomon.structure.dictionaries.ablation import Place
from gnomon.structure.dictionaries.concept_link import AUROC, SHARE, ConceptLink
from gnomon.structure.dictionaries.contexts import MOST_GROUPS
from gnomon.structure.dictionaries.survey import Survey
from gnomon.subjects import Data, Subject

BLOCK = 50  # latents in a file


def write_dictionary(
    found: Survey,
    links: Sequence[ConceptLink],
    out_dir: Path | str,
    *,
    subject: Subject,
    data: Data,
    place: Place,
    facts: Mapping[str, str],
) -> Path:
    """Write ``index.html`` and ``latents/*.html`` into ``out_dir``; the path of the first.

    The table is drawn a hundred rows at a time from a JSON island; cards are plain HTML, 50 to a file, so that a
    dictionary of many thousands stays light. The pages need no network and forbid themselves any; the index is written
    last. Raises GnomonError when the folder cannot be written.

    Parameters
    ----------
    facts : what else is known of the dictionary, by name.
    """
    folder = Path(out_dir)
    spell = speller(subject.tokenizer)
    latents = place.dictionary.latents
    rows: list[list[object]] = []
    title = f"{latents:,} latents at {place.target} of {subject.name}"
    with writing_to(folder):
        (folder / "latents").mkdir(parents=True, exist_ok=True)
        for block in range(-(-latents // BLOCK)):
            numbers = range(block * BLOCK, min((block + 1) * BLOCK, latents))
            made = [cards.card(found, links, number, data, spell) for number in numbers]
            rows += [cards.row(found, links, one) for one in made]
            page = rendered(
                "latents.html.j2",
                charts=False,
                title=f"Latents {numbers[0]:,} to {numbers[-1]:,}",
                whole=title,
                cards=made,
                block=block,
                blocks=-(-latents // BLOCK),
                size=BLOCK,
                chart=(cards.WIDTH, cards.HEIGHT, cards.ticks()),
                no_logits=found.no_logits,
                unit="nat a firing" if subject.loss is not None and subject.loss.categorical else "a firing",
                level=f"{100 * found.activity.rates.level:.3g} %",
            )
            write_file(folder / "latents" / f"{block}.html", page.encode())
        index = rendered(
            "dictionary.html.j2",
            charts=False,
            programs=("dictionary.js",),
            title=title,
            summary=_summary(found),
            table={"block": BLOCK, "rows": rows},
            concepts=[_concept(one) for one in links],
            facts=[*facts.items(), *_facts(found, subject, data, place)],
            blocks=-(-latents // BLOCK),
            size=BLOCK,
            latents=latents,
            level=f"{100 * found.activity.rates.level:.3g} %",
        )
        return write_file(folder / "index.html", index.encode())


def _summary(found: Survey) -> str:
    rates, dead = found.activity.rates, int(found.activity.dead.sum())
    texts = "groups of texts" if rates.clusters >= MOST_GROUPS else "texts"
    silent = "every latent fires" if not dead else f"{dead:,} of them fire nowhere"
    return (
        f"On {rates.rows:,} positions of {rates.clusters:,} independent {texts} {silent}, and "
        f"{plain(float(rates.rate.sum()))} are active at a time."
    )


def _facts(found: Survey, subject: Subject, data: Data, place: Place) -> list[tuple[str, str]]:
    kind = place.dictionary.kind
    where = place.target if place.site == place.target else f"{place.site} to {place.target}"
    logits = "linearised through the final normalisation, averaged over 64 positions" if found.logits else "left out"
    return [
        ("subject", subject.name),
        ("data", data.description),
        ("dictionary", f"{kind} at {where}, {place.dictionary.latents:,} latents"),
        ("direct logit effects", logits + (f": {found.no_logits}" if found.no_logits else "")),
    ]


def _concept(one: ConceptLink) -> dict[str, Any]:
    """The carriers of a concept, the latents that tell it, and the effect of removing the first carriers."""
    by_name: dict[str, list[Any]] = {}
    for measurement in one.measurements:
        by_name.setdefault(measurement.quantity, []).append(measurement)
    shares = by_name.get(SHARE.name, [])
    effects = [
        m for name, ms in by_name.items() if name not in (SHARE.name, AUROC.name) for m in ms if m.status == "ok"
    ]
    return {
        "name": one.concept,
        "halves": fixed(one.found.halves, 2),
        "carriers": [
            {
                "latent": m.diagnostics["latent"],
                "share": str(read(m)),
                "random": plain(m.diagnostics["random"]),
                "p": plain(m.diagnostics["p_value"]),
                "removed": m.diagnostics["latent"] in one.ablated,
            }
            for m in shares
        ],
        "detectors": [
            {"latent": int(m.labels["latent"]), "auroc": str(read(m))}
            for m in by_name.get(AUROC.name, [])
            if m.status == "ok"
        ],
        "ablated": one.ablated,
        "effects": [
            {
                "quantity": m.quantity.removeprefix("latent_ablation_").replace("_", " "),
                "site": m.site or "",
                "latents": m.labels["latents"],
                "reading": str(read(m)),
                "unit": unit_text(m),
                "p": plain(m.diagnostics["p_value"]) if "p_value" in m.diagnostics else "",
            }
            for m in effects
        ],
    }
