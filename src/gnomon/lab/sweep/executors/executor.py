"""What every executor can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.work import Job


class Executor(Protocol):
    """Runs jobs, wherever that is."""

    name: str
    workers: int

    def run(self, jobs: Sequence[Job]) -> Iterator[list[PointRecord]]:
        """The records of each job as soon as it is done, in whatever order.

        Closing the iterator early (Ctrl-C does) stops the workers. A worker that dies costs only the jobs that it
        had: they are run again, and fail for good after a few attempts.
        """
