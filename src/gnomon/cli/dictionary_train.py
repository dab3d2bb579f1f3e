"""`gnomon dictionary train`: a dictionary of the activations at a site, or of rows in a file."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    DataPath,
    Device,
    Label,
    Overlong,
    Seed,
    TextUnit,
    open_data,
    open_subject,
    print_json,
)
from gnomon.cli.sweeping import settings
from gnomon.errors import GnomonError, UnknownNameError

if TYPE_CHECKING:
    from gnomon.structure.dictionaries import Architecture, Progress, Rows, Trained, Training
    from gnomon.subjects import Data, Subject


def train(
    subject: Annotated[str | None, typer.Argument(help="Hugging Face directory or hub id, or an organism.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Where the vectors are read, e.g. blocks.2.")] = None,
    target: Annotated[
        str | None, typer.Option("--target-site", help="A later site to reconstruct: a transcoder.")
    ] = None,
    data: DataPath = None,
    column: Column = None,
    label: Label = None,
    cluster: Cluster = None,
    unit: TextUnit = "line",
    overlong: Overlong = "error",
    activations: Annotated[
        Path | None, typer.Option("--activations", help="Rows in a .npy file (n, d), instead of a subject.")
    ] = None,
    targets: Annotated[
        Path | None, typer.Option("--targets", help="Rows (n, e) to reconstruct from --activations.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="top_k, batch_top_k, matryoshka, relu or jump_relu.")] = "top_k",
    latents: Annotated[int, typer.Option("--latents", min=1, help="How many latents.")] = 1024,
    active: Annotated[
        int | None, typer.Option("--active", min=1, help="Of them active at once, for the top_k kinds; default 32.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE of the kind or the training, e.g. penalty=0.2; repeat."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Vectors to train on; default: ten times those there are.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Vectors of a step.")] = 4096,
    out: Annotated[Path, typer.Option("--out", help="Folder of the dictionary.")] = Path("dictionary"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> int:
    """Train a dictionary on the activations at a site of SUBJECT, or on --activations, and write it to --out.

    Ctrl-C leaves a checkpoint beside --out; the same command with --resume goes on from there, to the same bits.
    """
    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries import save_dictionary
    from gnomon.structure.dictionaries import train as run

    if (subject is None) == (activations is None):
        raise GnomonError("vectors come from a subject or from a file", mend="give SUBJECT or --activations")
    if targets is not None and activations is None:
        raise GnomonError("--targets goes with --activations", mend="give --target-site for a subject")
    checkpoints = out.with_name(f"{out.name}.checkpoints")
    _check_checkpoints(checkpoints, resume=resume)
    opened: tuple[Subject, Data] | None = None
    if subject is not None:
        measured = open_subject(subject, device)
        how = {"column": column, "label": label, "cluster": cluster, "unit": unit, "overlong": overlong}
        given = open_data(data, measured, seed=seed, **how)
        if given is None or site is None:
            missing = "--site" if site is None else "--data"
            known = f"say where the vectors are read, such as {', '.join([*measured.sites][:4])}, …"
            raise GnomonError(f"{missing} is missing", mend=known if site is None else "give texts or arrays")
        opened = measured, given
    source = _rows(opened, site, target, activations, targets)
    architecture, training = _specs(kind, latents, active, rows or 10 * len(source), batch, changes)
    started = time.perf_counter()
    with _room(out, checkpoints), _progress(training) as show, _stopping() as stop:
        try:
            trained = run(
                source,
                architecture,
                training,
                rng=Rng(seed),
                directory=checkpoints,
                device=device,
                progress=show,
                stop=stop,
            )
        except KeyboardInterrupt:
            mend = f"the same command with --resume goes on from {checkpoints}"
            raise GnomonError("interrupted", mend=mend) from None
    passed = time.perf_counter() - started
    document = _document(opened, source, site, target, activations, training, trained, seed, passed)
    save_dictionary(trained.dictionary, out, document)
    shutil.rmtree(checkpoints, ignore_errors=True)
    if as_json:
        history = [dataclasses.asdict(one) for one in trained.history]
        print_json({"dictionary": str(out), **document, "history": history})
    else:
        _print(trained, training, out, passed)
    return 0


def _check_checkpoints(path: Path, *, resume: bool) -> None:
    held = path.is_dir() and any(path.iterdir())
    if held and not resume:
        raise GnomonError(f"{path} holds checkpoints of a stopped run", mend="add --resume, or remove it")
    if resume and not held:
        raise GnomonError(f"there is no checkpoint in {path}", mend="leave out --resume")


@contextlib.contextmanager
def _room(out: Path, checkpoints: Path) -> Iterator[None]:
    """Makes sure, before the work, that what it gives can be written; nothing is left of a run that did not begin."""
    from gnomon.structure.artefact import check_target
    from gnomon.structure.dictionaries.architectures import ARTEFACT

    check_target(out, ARTEFACT)
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GnomonError(f"cannot write {out}: {error.strerror}", mend="give another directory") from error
    try:
        yield
    finally:
        if not any(checkpoints.iterdir()):
            checkpoints.rmdir()


def _rows(
    opened: tuple[Subject, Data] | None,
    site: str | None,
    target: str | None,
    activations: Path | None,
    targets: Path | None,
) -> Rows:
    from gnomon.structure.dictionaries import ArrayRows, SiteRows

    if opened is not None and site is not None:
        return SiteRows(*opened, site, target)
    if site is not None or target is not None:
        raise GnomonError("--site names a place in a subject", mend="leave it out with --activations")
    assert activations is not None
    return ArrayRows(activations, targets)


def _specs(
    kind: str, latents: int, active: int | None, rows: int, batch: int, changes: list[str] | None
) -> tuple[Architecture, Training]:
    from gnomon.lab.spec import parsed
    from gnomon.structure.dictionaries import KINDS, Training, architecture

    if kind not in KINDS:
        raise UnknownNameError("kind of dictionary", kind, KINDS)
    fields = KINDS[kind][0].model_fields
    options: dict[str, Any] = {}
    if active is not None:
        if "k" not in fields:
            raise GnomonError(f"--active does not go with {kind}", mend="its sparsity is set by --set penalty=NUMBER")
        options["k"] = active
    asked: dict[str, Any] = {"rows": rows, "batch": batch}
    for name, value in settings(changes).items():
        if name in fields:
            options[name] = parsed(value)
        elif name in Training.model_fields:
            asked[name] = parsed(value)
        else:
            raise UnknownNameError("setting", name, [*fields, *Training.model_fields])
    return architecture(kind, latents=latents, **options), Training.model_validate(asked)


@contextlib.contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: the step at hand is finished, so that a checkpoint is whole. Twice ends at once."""
    pressed = False

    def note(number: int, frame: types.FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            signal.default_int_handler(number, frame)
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress(training: Training) -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with the time left, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=training.steps)

        def show(state: Progress) -> None:
            said = f"explained {state.explained:.3f}, active {state.active:.1f}, dead {state.dead:.1%}"
            bar.update(task, completed=state.step, description=said)

        yield show


def _document(
    opened: tuple[Subject, Data] | None,
    source: Rows,
    site: str | None,
    target: str | None,
    activations: Path | None,
    training: Training,
    trained: Trained,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    """What is kept beside the tensors: what it was trained on, how, and how it ended."""
    from gnomon.measurement.provenance import record

    subject, data = opened if opened is not None else (None, None)
    spec = {
        "architecture": trained.dictionary.architecture.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "site": site,
        "target_site": target,
        "seed": seed,
    }
    provenance = record(
        spec=spec,
        subject="" if subject is None else subject.name,
        weights_hash="" if subject is None else subject.weights_hash(),
        data_hash=source.digest if data is None else data.digest,
        seed=seed,
        wall_seconds=seconds,
        flops=0.0,
    )
    return {
        "site": site,
        "target_site": target,
        "data": str(activations) if data is None else data.description,
        "training": training.model_dump(mode="json"),
        "last": dataclasses.asdict(trained.history[-1]),
        "provenance": provenance.to_json(),
    }


def _print(trained: Trained, training: Training, out: Path, passed: float) -> None:
    from gnomon.report.numbers import seconds

    last = trained.history[-1]
    typer.echo(
        f"{trained.dictionary.latents:,} latents ({trained.dictionary.kind}) on {last.rows:,} vectors in "
        f"{training.steps:,} steps, {seconds(passed)}"
    )
    typer.echo(
        f"last batch: explained variance {last.explained:.3f}, {last.active:.1f} active, {last.dead:.1%} dead; "
        "`gnomon dictionary evaluate` measures"
    )
    typer.echo(f"dictionary: {out}")
