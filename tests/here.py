"""An executor without processes, for tests of what stands above executors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep.work import Job, work


class Here:
    """Runs every job where it is called."""

    name = "here"
    workers = 1

    def run(self, jobs: Sequence[Job]) -> Iterator[list[PointRecord]]:
        for job in jobs:
            yield work(job)


@contextlib.contextmanager
def executor_named(*_: Any) -> Iterator[Here]:
    """In the place of `gnomon.cli.sweeping.executor_named`."""
    yield Here()
