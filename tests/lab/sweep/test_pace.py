"""Shares of work: short jobs in handfuls, long ones and unknown ones alone, small shares in the end."""

from __future__ import annotations

from collections import deque

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep.executors.pace import AHEAD_SECONDS, Pace
from gnomon.lab.sweep.work import Job
from nappers import naps


def _queue(n: int) -> deque[Job]:
    return deque(Job.of([p]) for p in naps(n))


def _took(seconds: float) -> PointRecord:
    return PointRecord(key="k", experiment="nap", spec={}, status="done", seconds=seconds)


def test_what_nobody_has_seen_goes_out_alone() -> None:
    assert len(Pace(2).share(_queue(100))) == 1


def test_a_share_is_as_much_as_is_waited_for_gladly() -> None:
    pace = Pace(2)
    pace.note([_took(0.02)] * 3)
    assert len(pace.share(_queue(1000))) == int(AHEAD_SECONDS / 0.02)
    pace.note([_took(2.0)])
    assert len(pace.share(_queue(1000))) == 1
    pace.note([_took(0.02)] * 50)  # the slow one was an exception
    assert len(pace.share(_queue(1000))) == int(AHEAD_SECONDS / 0.02)


def test_workers_finish_together() -> None:
    pace, queue = Pace(2), _queue(40)
    pace.note([_took(0.001)])
    shares = []
    while queue:
        shares.append(len(pace.share(queue)))
    assert sum(shares) == 40
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 1
