"""How much work a worker is given at once: enough that it never waits, too little to keep others idle."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.work import Job

AHEAD_SECONDS = 0.15
"""Expected work of what is handed out at once: longer than a commit to the store takes, shorter than anyone waits."""

_FORGETTING = 0.8


class Pace:
    """What points of each experiment take, and from that the shares in which jobs are handed out.

    An experiment counts as what its slowest recent point took (each later point lets a fifth of that be forgotten).
    Jobs of an experiment that nobody has seen yet are handed out one by one.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._slowest: dict[str, float] = {}

    def note(self, records: Iterable[PointRecord]) -> None:
        """Learn from points that are done."""
        for one in records:
            self._slowest[one.experiment] = max(one.seconds, _FORGETTING * self._slowest.get(one.experiment, 0.0))

    def seconds(self, jobs: Iterable[Job]) -> float:
        """What ``jobs`` are expected to take, one after the other; infinite where that is unknown."""
        return sum(self._slowest.get(job.experiment, math.inf) * len(job.keys) for job in jobs)

    def share(self, queue: deque[Job]) -> list[Job]:
        """Take one worker's next jobs off ``queue``: one at least, and more of them where they are short.

        Towards the end shares become smaller, so that the workers finish together.
        """
        most = max(1, len(queue) // (2 * self._workers))
        taken = [queue.popleft()]
        while queue and len(taken) < most and self.seconds([*taken, queue[0]]) <= AHEAD_SECONDS:
            taken.append(queue.popleft())
        return taken
