"""When to observe: steps that are known beforehand."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Container

import numpy as np

from gnomon.errors import GnomonError


def log_spaced(steps: int, n: int) -> tuple[int, ...]:
    """At most ``n`` distinct steps from 0 to ``steps``, both included, evenly spaced in the logarithm of step + 1.

    Raises GnomonError when ``steps`` is below 1 or ``n`` below 2.

    >>> log_spaced(600, 8)
    (0, 1, 5, 15, 38, 96, 240, 600)
    """
    if steps < 1 or n < 2:
        raise GnomonError(f"no schedule of {n} observations over {steps} steps", mend="use steps ≥ 1 and n ≥ 2")
    return tuple(int(s) - 1 for s in np.unique(np.geomspace(1, steps + 1, n).round()))


class Every:
    """Every ``period`` steps from 0 on, without an end of its own.

    Raises GnomonError when ``period`` is below 1.

    >>> [step for step in range(10) if step in Every(4)]
    [0, 4, 8]
    """

    def __init__(self, period: int) -> None:
        if period < 1:
            raise GnomonError(f"no schedule of every {period} steps", mend="use a period of at least 1")
        self.period = period

    def __contains__(self, step: object) -> bool:
        return isinstance(step, int) and step >= 0 and step % self.period == 0


class Timetable:
    """A schedule beside the last step of the training run, where that is known.

    Where a schedule has no end of its own, the run's last step is scheduled too.
    Raises GnomonError for what cannot say twice which steps it holds.
    """

    def __init__(self, schedule: Container[int], steps: int | None) -> None:
        if not hasattr(schedule, "__contains__"):
            raise GnomonError(
                f"a schedule of type {type(schedule).__name__} does not say which steps it holds",
                mend="give a range, a list of steps or Every(period)",
            )
        self.steps = steps
        self._schedule = schedule
        self._listed = tuple(sorted(set(schedule))) if isinstance(schedule, Collection) else None
        self._set = frozenset(self._listed or ())

    @property
    def horizon(self) -> int | None:
        """The last step of training, as far as is known."""
        if self.steps is not None:
            return self.steps
        return self._listed[-1] if self._listed else None

    def due(self, step: int) -> bool:
        """Whether ``step`` is scheduled."""
        if self._listed is not None:
            return step in self._set
        return step in self._schedule or step == self.steps

    def left(self, step: int) -> int | None:
        """How many scheduled steps there are from ``step`` on to the end; ``None`` where nobody knows."""
        if self._listed is not None:
            end = len(self._listed) if self.steps is None else bisect.bisect_right(self._listed, self.steps)
            return max(0, end - bisect.bisect_left(self._listed, step))
        if self.steps is None:
            return None
        if isinstance(self._schedule, Every):
            period = self._schedule.period
            return max(0, self.steps // period - (step - 1) // period + (self.steps % period != 0))
        return sum(self.due(s) for s in range(step, self.steps + 1))

    def goes_on(self, step: int) -> bool:
        """Whether ``step`` is scheduled, or steps after it are, were training to go on."""
        return self._listed is None or (bool(self._listed) and self._listed[-1] >= step)
