"""`gnomon concepts`: labelled examples of one idea, looked at before anything is fitted to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.concept_options import (
    ConceptFile,
    Cut,
    KindOfConcept,
    Negative,
    Pair,
    Positive,
    Present,
    Span,
    WhereInText,
)
from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    Device,
    Label,
    Memory,
    Seed,
    Sites,
    StorePath,
    open_subject,
    print_json,
    size,
    split,
)
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.measurement import Measurement
    from gnomon.structure.concepts import Concept
    from gnomon.structure.concepts.concern import Concern
    from gnomon.subjects import Subject

_NO, _INSUFFICIENT = 1, 3

app = typer.Typer(help="Labelled examples of one idea.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Labelled examples of one idea."""


@app.command("check")
def check(
    file: ConceptFile,
    column: Column = None,
    label: Label = None,
    present: Present = None,
    pair: Pair = None,
    cluster: Cluster = None,
    span: Span = None,
    positive: Positive = None,
    negative: Negative = None,
    kind: KindOfConcept = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Texts of the same columns, to be judged on: no copies may leak.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Check the vectors inside this network too (needs --position).")
    ] = None,
    sites: Sites = None,
    position: WhereInText = None,
    overlong: Cut = "error",
    level: Annotated[float, typer.Option("--level", help="Level of the intervals.")] = 0.95,
    memory: Memory = "512MiB",
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Look at a concept before anything is fitted to it: classes, lengths, what words alone tell, and warnings.

    The baselines are kept in the store.

    Exits with 0 when there is no warning, 1 when there is one, 2 on bad input, and 3 when there are too few examples
    to say what words alone tell.
    """
    if not 0 < level < 1:
        raise GnomonError(f"level {level:g} is not between 0 and 1", mend="0.95 is usual")
    if subject is None and (sites or position):
        raise GnomonError("--site and --position are of a network", mend="name it: --subject")
    if subject is not None and position is None:
        raise GnomonError("--position is missing", mend="say where in each text: last, mean or span")
    started = time.perf_counter()
    how = {"column": column, "label": label, "present": present, "pair": pair, "cluster": cluster, "span": span}
    how |= {"positive": positive, "negative": negative}
    if file.suffix.lower() == ".npz":
        named = [f"--{name}" for name, value in {**how, "test": test, "subject": subject}.items() if value is not None]
        if named:
            raise GnomonError(f"{named[0]} is of texts, and {file} holds arrays", mend="leave it out")
        return _check_arrays(file, kind, as_json=as_json)
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng
    from gnomon.structure.concepts import read_concept
    from gnomon.structure.concepts.checks import check_texts

    concept = read_concept(file, kind=kind, **how)
    # of the texts to be judged on only the words matter here: they need no pairs, clusters and spans
    plain = {name: value for name, value in how.items() if name not in ("pair", "cluster", "span")}
    other = None if test is None else read_concept(test, kind="graded" if kind == "graded" else None, **plain)
    opened = None if subject is None else open_subject(subject, device)
    counts = None if opened is None else _token_counts(opened, concept, overlong)
    spec = {**how, "kind": kind, "file": str(file), "test": None if test is None else str(test), "level": level}
    spec |= {"subject": subject, "overlong": overlong, "seed": seed}
    with Store.open(store) as kept, recording(kept, "concepts", subject=concept.name, spec=spec) as sink:
        found = check_texts(concept, rng=Rng(seed), tokens=counts, test=other, level=level)
        seconds = time.perf_counter() - started
        measurements = _recorded(found.measurements, spec, concept, opened, seed, seconds)
        sink.add(measurements)
    concerns = list(found.concerns)
    if opened is not None:
        concerns += _inside(opened, concept, split(sites), position, overlong, size(memory), seed)
    if as_json:
        print_json(_document(concept, measurements, concerns))
    else:
        _print(concept, measurements)
        _print_concerns(concerns)
    if concerns:
        return _NO
    return _INSUFFICIENT if any(m.status == "insufficient" for m in measurements) else 0


def _check_arrays(file: Path, kind: Any, *, as_json: bool) -> int:
    from gnomon.structure.concepts import load_examples
    from gnomon.structure.concepts.checks import check_vectors

    examples = load_examples(file, kind=kind)
    concerns = check_vectors(examples)
    positive = int(examples.positive.sum())
    if as_json:
        print_json(
            {
                "concept": {
                    "name": file.stem,
                    "source": str(file),
                    "kind": examples.kind,
                    "examples": len(examples),
                    "dimension": examples.inputs.shape[1],
                    "with": positive,
                    "without": len(examples) - positive,
                },
                "measurements": [],
                "concerns": [concern.to_json() for concern in concerns],
            }
        )
    else:
        typer.echo(
            f"{file.stem}: {len(examples)} {examples.kind} vectors of {examples.inputs.shape[1]} coordinates, "
            f"{positive} with the concept and {len(examples) - positive} without"
        )
        _print_concerns(concerns)
    return _NO if concerns else 0


def _token_counts(subject: Subject, concept: Concept, overlong: Any) -> list[int]:
    """How many tokens of its own each text has."""
    from gnomon.structure.concepts.positions import located

    _, whole = located(subject, concept, "mean", overlong=overlong)
    return [int(last - first) for first, last in whole]


def _inside(
    subject: Subject,
    concept: Concept,
    patterns: Sequence[str],
    position: Any,
    overlong: Any,
    max_bytes: int,
    seed: int,
) -> list[Concern]:
    """What is wrong with the vectors at the sites of ``subject``."""
    from gnomon.cli.progress import progress_bar
    from gnomon.lab.measuring import expand_sites
    from gnomon.randomness import Rng
    from gnomon.structure.concepts import read_examples
    from gnomon.structure.concepts.checks import check_vectors

    places = expand_sites(subject, patterns) or tuple(subject.sites)
    with progress_bar("reading") as progress:
        vectors = read_examples(
            subject,
            concept,
            places,
            position,
            rng=Rng(seed),
            overlong=overlong,
            max_bytes=max_bytes,
            progress=lambda done, total: progress("reading", done, total),
        )
    return [concern for site, examples in vectors.items() for concern in check_vectors(examples, site=site)]


def _recorded(
    found: Sequence[Measurement],
    spec: dict[str, Any],
    concept: Concept,
    network: Subject | None,
    seed: int,
    seconds: float,
) -> list[Measurement]:
    """With provenance: of the number of tokens it names the network, of what texts alone tell the concept."""
    from gnomon.measurement import Cost
    from gnomon.measurement.provenance import record

    share, recorded = seconds / len(found), []
    for one in found:
        counted = network if one.labels.get("unit") == "tokens" else None
        provenance = record(
            spec=spec,
            subject=concept.name if counted is None else counted.name,
            weights_hash="" if counted is None else counted.weights_hash(),
            data_hash=concept.digest,
            seed=seed,
            wall_seconds=share,
            flops=0.0,
        )
        recorded.append(one.recorded(Cost(seconds=share), provenance))
    return recorded


def _document(concept: Concept, found: Sequence[Measurement], concerns: Sequence[Concern]) -> dict[str, Any]:
    from gnomon.structure.concepts.checks import class_counts

    return {
        "concept": {
            "name": concept.name,
            "source": concept.source,
            "kind": concept.kind,
            "examples": len(concept),
            "clusters": len(set(concept.clusters.tolist())),
            **class_counts(concept),
        },
        "measurements": [m.to_json() for m in found],
        "concerns": [concern.to_json() for concern in concerns],
    }


def _print(concept: Concept, found: Sequence[Measurement]) -> None:
    import numpy as np

    from gnomon.cli.tables import measurement_row, print_table
    from gnomon.structure.concepts.surface import positive_labels

    labels, lengths = positive_labels(concept), np.array([len(text) for text in concept.texts])
    names = ("above the median", "not above it") if concept.kind == "graded" else ("with the concept", "without")
    rows = []
    for name, side in zip(names, (labels > 0, labels < 0), strict=True):
        low, middle, high = np.percentile(lengths[side], [5, 50, 95])
        rows.append((name, str(int(side.sum())), f"{middle:.0f}", f"{low:.0f} to {high:.0f}"))
    clusters = len(set(concept.clusters.tolist()))
    title = f"{concept.name}: {len(concept)} {concept.kind} texts"
    title += f" in {clusters} clusters" if clusters < len(concept) else ""
    print_table(title, ("texts", "number", "median length", "5% to 95%"), rows)
    columns = ("quantity", "of", "value", "interval", "unit", "status", "estimator")
    print_table("without any network", columns, map(measurement_row, found))


def _print_concerns(concerns: Sequence[Concern]) -> None:
    """Each warning on a line; of one check at several sites the first, and where else."""
    by_check: dict[tuple[str, str | None], list[Concern]] = {}
    for number, concern in enumerate(concerns):
        key = (concern.check, None) if concern.site is not None else (concern.check, str(number))
        by_check.setdefault(key, []).append(concern)
    for first, *others in by_check.values():
        also = f" (also at {', '.join(str(other.site) for other in others)})" if others else ""
        typer.echo(f"warning: {first}{also}")
    if not concerns:
        typer.echo("no warnings")
