"""Options that commands which run points share: executors and settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.lab.store import Store
    from gnomon.lab.sweep.executors import Executor

ExecutorName = Annotated[
    Literal["local", "ray", "slurm"], typer.Option("--executor", help="This machine, a Ray or a Slurm cluster.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default: one a core.")]


@contextlib.contextmanager
def executor_named(name: str, workers: int | None, store: Store) -> Iterator[Executor]:
    """The executor called ``name``."""
    from gnomon.lab.sweep.executors import Local

    del store
    if name != "local":
        raise GnomonError(f"executor {name!r} is not built yet", mend="use local")
    yield Local(workers)


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """``FIELD=VALUE`` pairs. Raises GnomonError for anything else."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise GnomonError(f"cannot read the setting {text!r}", mend="write FIELD=VALUE")
        found[name.strip()] = value.strip()
    return found
