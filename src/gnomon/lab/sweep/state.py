"""How far a sweep is: counts, rate, time left, and what went wrong last."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.point import Point

Status = Literal["running", "finished", "interrupted"]
_FAILURES_KEPT = 8


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Points of one experiment, or of all.

    Parameters
    ----------
    total : how many there are.
    kept : were in the store before, and were not run.
    done, failed : were run by this sweep.
    seconds : mean wall time of one of them in its worker; ``None`` before the first.
    """

    total: int = 0
    kept: int = 0
    done: int = 0
    failed: int = 0
    seconds: float | None = None

    @property
    def settled(self) -> int:
        """Those that need not be run any more."""
        return self.kept + self.done + self.failed

    @property
    def left(self) -> int:
        """Those that are still to be run, or are being run."""
        return self.total - self.settled


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """How far a sweep is.

    Parameters
    ----------
    experiments : by name.
    failures : the latest, newest first.
    seconds : since the sweep began; ``seconds_left`` is an estimate from the points so far, ``None`` before them.
    """

    status: Status
    experiments: dict[str, Tally]
    failures: tuple[PointRecord, ...]
    workers: int
    seconds: float

    @property
    def all(self) -> Tally:
        """The sum over experiments."""
        tallies = self.experiments.values()
        counts = {name: sum(getattr(t, name) for t in tallies) for name in ("total", "kept", "done", "failed")}
        ran = [(t.seconds, t.done + t.failed) for t in tallies if t.seconds is not None]
        mean = sum(s * n for s, n in ran) / sum(n for _, n in ran) if ran else None
        return Tally(**counts, seconds=mean)

    @property
    def rate(self) -> float | None:
        """Points a second; ``None`` before the first."""
        ran = self.all.done + self.all.failed
        return ran / self.seconds if ran and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate: each point left takes what those of its experiment took (of the others, where none was run)."""
        whole = self.all
        if whole.seconds is None:
            return 0.0 if whole.left == 0 else None
        work = sum(t.left * (whole.seconds if t.seconds is None else t.seconds) for t in self.experiments.values())
        return work / max(1, min(self.workers, whole.left))


class Account:
    """Counts the points of a running sweep."""

    def __init__(self, points: Sequence[Point], kept: Iterable[PointRecord]) -> None:
        self._started = time.perf_counter()
        names = sorted({p.experiment for p in points})
        self._counts = {name: dict.fromkeys(("total", "kept", "done", "failed"), 0) for name in names}
        self._seconds = dict.fromkeys(names, 0.0)
        self._failures: deque[PointRecord] = deque(maxlen=_FAILURES_KEPT)
        for point in points:
            self._counts[point.experiment]["total"] += 1
        for record in kept:
            self._counts[record.experiment]["kept"] += 1

    def add(self, records: Iterable[PointRecord]) -> None:
        """Count ``records``, which were just run."""
        for one in records:
            self._counts[one.experiment][one.status] += 1
            self._seconds[one.experiment] += one.seconds
            if one.status == "failed":
                self._failures.appendleft(one)

    def state(self, workers: int, status: Status = "running") -> SweepState:
        """How far it is now, with so many workers."""
        return SweepState(
            status=status,
            experiments={name: self._tally(name) for name in self._counts},
            failures=tuple(self._failures),
            workers=workers,
            seconds=time.perf_counter() - self._started,
        )

    def _tally(self, name: str) -> Tally:
        counts = self._counts[name]
        ran = counts["done"] + counts["failed"]
        return Tally(**counts, seconds=self._seconds[name] / ran if ran else None)
