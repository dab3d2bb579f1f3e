"""Recording: the measurements of one command go to the store as they finish, under one run."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gnomon.lab.store.store import Store
from gnomon.measurement import Measurement


@dataclass(frozen=True)
class Recording:
    """A place for finished measurements that knows their run."""

    store: Store
    run: str

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Keep ``measurements`` now."""
        self.store.add(measurements, run=self.run)


def command_line() -> str:
    """The command that this process was started with, to run it again: without the password of a URL."""
    return re.sub(r"(?<=://)([^/@\s:]*):[^@\s]*@", r"\1@", shlex.join(sys.argv))


@contextlib.contextmanager
def recording(store: Store, kind: str, *, subject: str, spec: Mapping[str, Any]) -> Iterator[Recording]:
    """Start a run of ``kind``; it is marked finished on a normal exit, and stays unfinished after an exception."""
    run = store.start_run(kind, subject=subject, command=command_line(), spec=spec)
    yield Recording(store, run)
    store.finish_run(run)
