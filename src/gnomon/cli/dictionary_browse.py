"""`gnomon dictionary browse`: a page of latents, to be opened in a browser."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from gnomon.cli.concept_options import Negative, Pair, Positive, Present, Span, WhereInText
from gnomon.cli.dictionary_options import (
    ConceptCluster,
    ConceptColumn,
    ConceptLabel,
    Concepts,
    Directory,
    Finder,
    Later,
    OfSite,
    OfTarget,
    data_for,
    later_site,
    method_named,
    open_place,
    read_concepts,
)
from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    DataPath,
    Device,
    Examples,
    Label,
    Overlong,
    Seed,
    TextUnit,
    print_json,
)


def browse(
    directory: Directory,
    subject: Annotated[str, typer.Option("--subject", help="Hugging Face directory or hub id, or an organism.")],
    site: OfSite = None,
    target: OfTarget = None,
    data: DataPath = None,
    column: Column = None,
    label: Label = None,
    cluster: Cluster = None,
    unit: TextUnit = "line",
    overlong: Overlong = "error",
    examples: Examples = None,
    concept: Concepts = None,
    concept_column: ConceptColumn = None,
    concept_label: ConceptLabel = None,
    concept_cluster: ConceptCluster = None,
    present: Present = None,
    pair: Pair = None,
    span: Span = None,
    positive: Positive = None,
    negative: Negative = None,
    position: WhereInText = None,
    method: Finder = "mean_difference",
    later: Later = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Contexts of greatest activation of each latent.")] = 12,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")] = Path("latents"),
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> int:
    """Write a page of the latents in DIRECTORY: where they fire, what they do to the output, what they are near.

    Each --concept adds its direction, the latents that carry it, and what the network loses without them.
    """
    from gnomon.cli.progress import progress_bar
    from gnomon.randomness import Rng
    from gnomon.report.dictionary import write_dictionary
    from gnomon.structure.dictionaries.concept_link import link
    from gnomon.structure.dictionaries.survey import survey

    opened, place, document = open_place(directory, subject, site, target, device)
    how = {"column": column, "label": label, "cluster": cluster, "unit": unit, "overlong": overlong}
    given = data_for(data, opened, seed, **how)
    given = given if examples is None else given.sample(examples, Rng(seed))
    texts = {"column": concept_column, "label": concept_label, "cluster": concept_cluster, "present": present}
    texts |= {"pair": pair, "span": span, "positive": positive, "negative": negative}
    concepts, where = read_concepts(opened, concept, position, overlong, **texts)
    downstream, finder = later_site(opened, place, later), method_named(method)
    with progress_bar("reading the latents") as report:
        found = survey(
            opened,
            given,
            place,
            top=top,
            rng=Rng(seed),
            progress=functools.partial(report, "reading the latents"),
        )
        links = [
            link(
                opened,
                place,
                one,
                method=finder,
                rates=found.activity.rates.rate,
                later=downstream,
                rng=Rng(seed).child(one.name),
                progress=functools.partial(report, f"ablating for {one.name}"),
                **where,
            )
            for one in concepts
        ]
        report("writing the page", 0, 1)
        facts = {"trained on": str(document["data"])} if "data" in document else {}
        page = write_dictionary(found, links, out, subject=opened, data=given, place=place, facts=facts)
    dead = int(found.activity.dead.sum())
    if as_json:
        rates = found.activity.rates
        print_json(
            {
                "page": str(page),
                "latents": place.dictionary.latents,
                "dead": dead,
                "rows": rates.rows,
                "rates": [float(rate) for rate in rates.rate],
                "measurements": [m.to_json() for one in links for m in one.measurements],
            }
        )
    else:
        typer.echo(f"{place.dictionary.latents:,} latents, {dead:,} of which fire nowhere")
        typer.echo(f"page: {page}")
    return 0
