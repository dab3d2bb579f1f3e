"""`gnomon directions`: the directions of a concept in a network, or in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.concept_options import Cut, KindOfConcept, Negative, Pair, Positive, Present, Span, WhereInText
from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    Device,
    Label,
    Memory,
    Seed,
    StorePath,
    open_subject,
    print_json,
    size,
    split,
)
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.structure.concepts.concern import Concern
    from gnomon.structure.directions import Method
    from gnomon.structure.directions.result import Directions

_NOTHING_FOUND = 3
_ARRAYS = ".npz"
_DEFAULT = ("mean_difference", "logistic", "rfm")


def directions(
    subject: Annotated[
        str, typer.Argument(help="Hugging Face directory or hub id, an organism, or an .npz of arrays.")
    ],
    concept: Annotated[Path | None, typer.Option("--concept", help="CSV, TSV or JSONL of labelled texts.")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--method", help="Methods; repeat or a,b. Default: mean_difference,logistic,rfm."),
    ] = None,
    sites: Annotated[
        list[str] | None, typer.Option("--sites", "--site", help="Sites or patterns such as 'blocks.*'; repeat or a,b.")
    ] = None,
    position: WhereInText = None,
    column: Column = None,
    label: Label = None,
    present: Present = None,
    pair: Pair = None,
    positive: Positive = None,
    negative: Negative = None,
    cluster: Cluster = None,
    span: Span = None,
    kind: KindOfConcept = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Other texts to try the directions on, with the same columns.")
    ] = None,
    test_cluster: Annotated[
        str | None, typer.Option("--test-cluster", help="Column that groups dependent texts of the test.")
    ] = None,
    overlong: Cut = "error",
    output: Annotated[
        str | None, typer.Option("--output", help="Output of the network for network_agop, e.g. log_odds:1.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Highest rank to look for.")] = 4,
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Directory to save the directions in.")] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Folder of a page with figures.")] = None,
    memory: Memory = "512MiB",
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Find the directions of a concept in SUBJECT: by each method, at each site, and how sure each is.

    Texts are read at their last token in a causal language model, and else over all their tokens, unless --position
    says otherwise.

    Exits with 0 when a method tells the concept, at a site that it chose without looking, better than chance; with 3
    when none does.
    """
    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    from gnomon.cli.directions_table import print_directions
    from gnomon.cli.progress import progress_bar
    from gnomon.lab.store import Store, recording
    from gnomon.structure.artefact import check_target
    from gnomon.structure.concepts.reading import load_examples, read_concept
    from gnomon.structure.directions.at_site import Settings
    from gnomon.structure.directions.result import KIND
    from gnomon.structure.directions.study import study, study_arrays

    if out is not None:
        check_target(out, KIND)
    methods = _methods(split(names) or list(_DEFAULT))
    settings = Settings(most=most, level=level)
    spec = {
        "methods": {one.name: {k: repr(v) for k, v in sorted(vars(one).items())} for one in methods},
        "concept": None if concept is None else str(concept),
        "test": None if test is None else str(test),
        "sites": split(sites),
        "position": position,
        "most": most,
        "level": level,
        "seed": seed,
    }
    reading: dict[str, Any] = {"column": column, "label": label, "present": present, "pair": pair, "span": span}
    reading |= {"positive": positive, "negative": negative, "kind": kind}
    from_arrays = subject.endswith(_ARRAYS)
    if from_arrays:
        given = {"--concept": concept, "--sites": sites, "--position": position, "--output": output}
        given |= {"--cluster": cluster, **{f"--{name}": value for name, value in reading.items()}}
        _refuse([name for name, value in given.items() if value is not None])
    elif concept is None:
        raise GnomonError("no concept is given", mend="add --concept FILE, or give arrays (.npz) for SUBJECT")
    with Store.open(store) as kept:
        common: dict[str, Any] = {"settings": settings, "seed": seed, "concern": _warn}
        if from_arrays:
            examples = load_examples(subject)
            other = None if test is None else load_examples(test)
            with (
                recording(kept, "directions", subject=subject, spec=spec) as sink,
                progress_bar("fitting directions") as progress,
            ):
                name = Path(subject).name
                found = study_arrays(examples, methods, name=name, test=other, progress=progress, **common)
                sink.add(found.measurements)
        else:
            measured = open_subject(subject, device)
            assert concept is not None  # or it was refused
            texts = read_concept(concept, cluster=cluster, **reading)
            tried = None if test is None else read_concept(test, cluster=test_cluster, **reading)
            with (
                recording(kept, "directions", subject=measured.name, spec=spec) as sink,
                progress_bar("reading texts") as progress,
            ):
                found = study(
                    measured,
                    texts,
                    methods,
                    sites=split(sites),
                    position=position,
                    test=tried,
                    output=output,
                    overlong=overlong,
                    max_bytes=size(memory),
                    progress=progress,
                    **common,
                )
                sink.add(found.measurements)
    # printed first: what was found is not lost where it cannot be written
    if as_json:
        print_json(found.to_json())
    else:
        print_directions(found)
    written = {"directions": None if out is None else found.save(out)}
    if page is not None:
        from gnomon.report.directions import write_directions

        written["page"] = write_directions(found, page)
    if not as_json:
        for what, path in written.items():
            if path is not None:
                typer.echo(f"{what}: {path}")
    return 0 if any(_told(found, method) for method in found.methods) else _NOTHING_FOUND


def _told(found: Directions, method: str) -> bool:
    """Whether the whole interval of what left-out examples were scored by is above a coin's."""
    one = found.detected(method)
    return (
        one is not None and one.status == "ok" and one.uncertainty.low is not None and float(one.uncertainty.low) > 0.5
    )


def _methods(names: Sequence[str]) -> list[Method]:
    from gnomon.structure.directions import method

    return [method(name)() for name in dict.fromkeys(names)]


def _refuse(given: Sequence[str]) -> None:
    if given:
        raise GnomonError(f"{given[0]} does not go with arrays", mend="leave it out, or give a network for SUBJECT")


def _warn(one: Concern) -> None:
    typer.echo(f"warning: {one}", err=True)
