"""Prices: how long a job will take on this machine, predicted before it is run."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from gnomon.measurement import Cost
from gnomon.subjects import Data, Subject
from gnomon.subjects.flops import FlopCounter
from gnomon.subjects.untouched import seeded

_BACKWARD_OVER_FORWARD = 2.0
# estimators' own arithmetic is sorting and small decompositions, which run at a fraction of matrix-product speed
_EFFICIENCY = 0.2


class Clock:
    """Seconds from passes and arithmetic, calibrated by a short timing of this subject on this machine.

    The prediction decides how many examples are used; it never enters a value.
    """

    def __init__(self, subject: Subject, data: Data | None) -> None:
        self._per_example = 0.0 if data is None else _seconds_per_example(subject, data)
        self._per_flop = _seconds_per_flop() / _EFFICIENCY

    def seconds(self, cost: Cost) -> float:
        """Predicted time of one estimator alone."""
        return self.passing(cost) + cost.flops * self._per_flop

    def passing(self, cost: Cost) -> float:
        """Predicted time of its passes."""
        return self._per_example * (cost.forward_passes + _BACKWARD_OVER_FORWARD * cost.backward_passes)

    def together(self, costs: Sequence[Cost]) -> float:
        """Predicted time of several that share one forward pass."""
        forward = max((c.forward_passes for c in costs), default=0.0)
        backward = sum(c.backward_passes for c in costs)
        shared = self._per_example * (forward + _BACKWARD_OVER_FORWARD * backward)
        return shared + sum(c.flops for c in costs) * self._per_flop


def _seconds_per_example(subject: Subject, data: Data) -> float:
    """Median time of a forward pass over a few examples of typical length, per example."""
    typical = np.argsort(data.lengths)[len(data) // 2 :][:16]
    batch = data.batch(typical)
    times = []
    with subject.evaluating(), torch.no_grad():
        for _ in range(3):
            started = time.perf_counter()
            subject.output(batch).sum().item()  # item() waits for an accelerator
            times.append(time.perf_counter() - started)
    return float(np.median(times)) / len(batch)


def flops_per_example(subject: Subject, data: Data) -> float:
    """FLOPs of a forward pass over one example of typical length, counted; see `FlopCounter` for what counts.

    Where it is broken it is zero: what runs it will say so. Cost: that pass.
    """
    typical = np.argsort(data.lengths)[len(data) // 2 :][:1]
    try:
        with subject.evaluating(), torch.no_grad(), seeded(0, subject.device), FlopCounter() as counter:
            subject.output(data.batch(typical))
    except Exception:  # noqa: BLE001 - a network that does not run must not break the record of what failed
        return 0.0
    return float(counter.flops.needed)


def _seconds_per_flop() -> float:
    n = 384
    matrix = np.ones((n, n))
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return (time.perf_counter() - started) / (3 * 2 * n**3)
