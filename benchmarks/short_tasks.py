"""The task of `sweep_overhead`, in a module of its own: every worker imports it."""

from __future__ import annotations

import time

from gnomon.lab.spec import Spec
from gnomon.lab.store import Outcome
from gnomon.lab.sweep import experiment


class Task(Spec):
    """Sleep for ``seconds``."""

    index: int
    seed: int
    seconds: float


@experiment("task_of_known_length")
def task(spec: Task) -> Outcome:
    """The index, after the time."""
    time.sleep(spec.seconds)
    return {"index": spec.index}
