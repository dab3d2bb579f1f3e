"""Progress on stderr, with the time left; silent where stderr is not a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(first: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar whose ``update(stage, done, total)`` may change stage at any time."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(first, total=None)
        stage = first

        def update(name: str, done: int, total: int) -> None:
            nonlocal stage
            if name != stage:
                bar.reset(task, description=name, total=total)
                stage = name
            bar.update(task, completed=done, total=total)

        yield update


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total
