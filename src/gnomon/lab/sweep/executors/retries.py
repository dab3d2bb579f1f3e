"""Jobs whose worker died under them: which are run again, and which have failed for good."""

from __future__ import annotations

from collections import Counter

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.work import Job, failed

ATTEMPTS = 3


class Retries:
    """The deaths that each job was charged with.

    A job is run `ATTEMPTS` times. One of several points that killed all its workers is then taken apart, so that only
    the point to blame fails; a single point fails, and its reason says what happened.
    """

    def __init__(self) -> None:
        self._deaths: Counter[tuple[str, ...]] = Counter()

    def after_death(self, job: Job, how: str) -> tuple[list[Job], list[PointRecord]]:
        """What is to be run again now that ``job`` lost its worker, and the points that failed for good.

        ``how`` says in a few words how the worker ended, e.g. ``killed by SIGKILL``.
        """
        self._deaths[job.keys] += 1
        if self._deaths[job.keys] < ATTEMPTS:
            return [job], []
        if len(job.keys) > 1:
            return job.apart(), []
        return [], failed(job, f"its worker died under it {ATTEMPTS} times, last {how}")
