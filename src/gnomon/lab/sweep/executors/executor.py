"""What every executor can do."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol, Self

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.work import Job

HEARTBEAT_SECONDS = 0.25
"""An executor says at least this often that it is alive."""


class Executor(Protocol):
    """Runs jobs, wherever that is. A context manager: on leaving it, whatever it started is stopped."""

    name: str
    workers: int

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        """The records of each job as soon as it is done, in whatever order.

        While nothing is done, an empty list comes every `HEARTBEAT_SECONDS` or so: the caller stores what waits and
        shows the time left. Closing the iterator early stops the jobs; a KeyboardInterrupt, raised in it or thrown
        into it, may be answered by what is done and was not yielded yet, before it is raised on. A worker that dies
        costs only the job that it was at: that one is run again, and fails for good when it has killed too many
        (see `Retries`). What an experiment raises is a failed point, never an error here.

        Raises GnomonError when the workers cannot be started, or the cluster cannot be reached.
        """

    def __enter__(self) -> Self:
        """Nothing is started before the first `run`."""

    def __exit__(self, *exception: object) -> None:
        """Stop the workers, and whatever else it started."""
