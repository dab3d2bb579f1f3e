"""What commands that run points share: executors, settings, and a view of how far they are."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.lab.store import PointRecord, Store
    from gnomon.lab.sweep import SweepState
    from gnomon.lab.sweep.executors import Executor

ExecutorName = Annotated[
    Literal["local", "ray", "slurm"], typer.Option("--executor", help="This machine, a Ray or a Slurm cluster.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Jobs run at once; default: one a core (Slurm: 100 tasks).")
]


_MOST_REASONS = 5


@contextlib.contextmanager
def executor_named(name: str, workers: int | None, store: Store) -> Iterator[Executor]:
    """The executor called ``name``, which is stopped in the end."""
    from gnomon.lab.sweep.executors import Local, Ray, Slurm

    chosen: Executor = Local(workers)
    if name == "ray":
        chosen = Ray(workers)
    elif name == "slurm":
        chosen = Slurm(store, workers)
    with chosen:
        yield chosen


@contextlib.contextmanager
def watching(
    title: str, stages: Sequence[str], *, page: Path | None, result: str | None = None
) -> Iterator[Callable[[str, SweepState], None]]:
    """How far the sweeps of a command are: a bar on stderr, where that is a terminal, and ``page``, where given.

    Yields a function of the name of a stage and its state.
    """
    from gnomon.report.watching import WatchPage

    with contextlib.ExitStack() as shown:
        places: list[Callable[[str, SweepState], None]] = []
        if page is not None:
            places.append(shown.enter_context(WatchPage(page, title, stages, result)).show)
        if sys.stderr.isatty():
            places.append(shown.enter_context(_bar()))

        def show(stage: str, state: SweepState) -> None:
            for place in places:
                place(stage, state)

        yield show


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str, SweepState], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gnomon.report.numbers import seconds

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, left="")

        def show(stage: str, state: SweepState) -> None:
            whole, left = state.all, state.seconds_left
            said = f"{whole.failed} failed " if whole.failed else ""
            said += "" if left is None else f"{seconds(left)} left"
            bar.update(task, description=stage, completed=whole.settled, total=whole.total, left=said)

        yield show


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """``FIELD=VALUE`` pairs. Raises GnomonError for anything else."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise GnomonError(f"cannot read the setting {text!r}", mend="write FIELD=VALUE")
        found[name.strip()] = value.strip()
    return found


def say_failures(failed: Sequence[PointRecord]) -> None:
    """Say on stderr why points ``failed``, the most common reasons first."""
    for reason, times in Counter(r.reason for r in failed).most_common(_MOST_REASONS):
        typer.echo(f"failed {'once' if times == 1 else f'{times} times'}: {reason}", err=True)
