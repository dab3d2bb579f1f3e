"""`gnomon dictionary evaluate`: what a dictionary is worth, and what its latents have to do with concepts."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    OfSubject,
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
    StorePath,
    TextUnit,
    print_json,
)
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.measurement import Measurement
    from gnomon.randomness import Rng
    from gnomon.structure.concepts.concept import Concept
    from gnomon.structure.dictionaries import Dictionary
    from gnomon.structure.dictionaries.ablation import Place
    from gnomon.subjects import Data, Subject

Report = Callable[[str, int, int], None]
_INSUFFICIENT = 3


def evaluate(
    directory: Directory,
    subject: OfSubject = None,
    site: OfSite = None,
    target: OfTarget = None,
    data: DataPath = None,
    column: Column = None,
    label: Label = None,
    cluster: Cluster = None,
    unit: TextUnit = "line",
    overlong: Overlong = "error",
    examples: Examples = None,
    activations: Annotated[
        Path | None, typer.Option("--activations", help="Rows in a .npy file, instead of a subject.")
    ] = None,
    targets: Annotated[Path | None, typer.Option("--targets", help="Of a transcoder, with --activations.")] = None,
    others: Annotated[
        list[Path] | None, typer.Option("--other", help="A dictionary trained alike on another seed; repeat.")
    ] = None,
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
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Measure the dictionary in DIRECTORY on the activations of --subject, or on --activations; keep it in the store.

    Each --concept adds sparse probing, the latents that carry its direction, and what the network loses without them.
    """
    from gnomon.cli.progress import progress_bar
    from gnomon.cli.tables import measurement_row, print_table
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries import load_dictionary

    if (subject is None) == (activations is None):
        raise GnomonError("vectors come from a subject or from a file", mend="give --subject or --activations")
    compared = [load_dictionary(path)[0] for path in others or ()]
    texts = {"column": concept_column, "label": concept_label, "cluster": concept_cluster, "present": present}
    texts |= {"pair": pair, "span": span, "positive": positive, "negative": negative}
    spec = {
        "dictionary": str(directory),
        "others": [str(path) for path in others or ()],
        "sites": [site, target, later],
        "data": str(data or activations or ""),
        "examples": examples,
        "concepts": [str(path) for path in concept or ()],
        "texts": texts,
        "position": position,
        "overlong": overlong,
        "method": method,
        "seed": seed,
    }
    with Store.open(store) as kept, progress_bar("evaluating") as report:
        if subject is None:
            if concept:
                raise GnomonError("concepts are read off a subject", mend="give --subject instead of --activations")
            assert activations is not None
            name, weights, digest = directory.name, "", None
            dictionary = load_dictionary(directory)[0]
            parts = _of_rows(dictionary, activations, targets, compared, Rng(seed))
        else:
            opened, place, _ = open_place(directory, subject, site, target, device)
            how = {"column": column, "label": label, "cluster": cluster, "unit": unit, "overlong": overlong}
            given = data_for(data, opened, seed, **how)
            given = given if examples is None else given.sample(examples, Rng(seed))
            name, weights, digest = opened.name, opened.weights_hash(), given.digest
            concepts, where = read_concepts(opened, concept, position, overlong, **texts)
            asking = {"method": method_named(method), "later": later_site(opened, place, later)}
            parts = _of_subject(opened, place, given, compared, concepts, where, asking, Rng(seed), report)
        done: list[Measurement] = []
        with recording(kept, "dictionary", subject=name, spec=spec) as sink:
            started = time.perf_counter()
            for part in parts:  # what is finished is kept at once
                passed = time.perf_counter() - started
                recorded = _recorded(part, spec, name, weights, digest, seed, passed)
                sink.add(recorded)
                done += recorded
                started = time.perf_counter()
    if as_json:
        print_json({"dictionary": str(directory), "measurements": [m.to_json() for m in done]})
    else:
        columns = ("quantity", "place", "value", "interval", "unit", "status", "estimator")
        print_table(f"{directory.name} on {name}", columns, map(measurement_row, done))
    return 0 if any(m.status == "ok" for m in done) else _INSUFFICIENT


def _of_rows(
    dictionary: Dictionary, activations: Path, targets: Path | None, others: Sequence[Dictionary], rng: Rng
) -> Iterator[list[Measurement]]:
    from gnomon.structure.dictionaries.evaluation import ArraySource, evaluate
    from gnomon.structure.dictionaries.rows import mapped

    arrays = [None if path is None else mapped(path) for path in (activations, targets)]
    assert arrays[0] is not None
    yield evaluate(dictionary, ArraySource(arrays[0], arrays[1]), others=others, rng=rng)


def _of_subject(
    subject: Subject,
    place: Place,
    data: Data,
    others: Sequence[Dictionary],
    concepts: Sequence[Concept],
    where: Mapping[str, Any],
    asking: Mapping[str, Any],
    rng: Rng,
    report: Report,
) -> Iterator[list[Measurement]]:
    """What the evaluation measures, and for each concept what links it to the latents."""
    import numpy as np

    from gnomon.structure.concepts.activations import read_examples
    from gnomon.structure.dictionaries.concept_link import link
    from gnomon.structure.dictionaries.evaluation import SiteSource, evaluate
    from gnomon.structure.dictionaries.evaluation.quantities import DENSITY

    read = {one.name: read_examples(subject, one, [place.site], rng=rng, **where)[place.site] for one in concepts}
    found = evaluate(
        place.dictionary,
        SiteSource(subject, data, place.site, place.target),
        others=others,
        concepts=read,
        rng=rng,
        progress=functools.partial(report, "passes over the data"),
    )
    yield found
    rates = np.asarray(next(m.value for m in found if m.quantity == DENSITY.name))
    for one in concepts:
        step = functools.partial(report, f"ablating for {one.name}")
        asked = link(subject, place, one, rates=rates, rng=rng.child(one.name), progress=step, **where, **asking)
        yield asked.measurements


def _recorded(
    found: Sequence[Measurement],
    spec: Mapping[str, Any],
    subject: str,
    weights: str,
    data: str | None,
    seed: int,
    seconds: float,
) -> list[Measurement]:
    """With provenance, and an equal share of the time each."""
    from gnomon.measurement.provenance import record

    share = seconds / max(1, len(found))
    provenance = record(
        spec=spec, subject=subject, weights_hash=weights, data_hash=data, seed=seed, wall_seconds=share, flops=0.0
    )
    return [m.recorded(replace(m.cost, seconds=share), provenance) for m in found]
