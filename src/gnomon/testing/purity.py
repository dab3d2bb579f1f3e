"""Checks of purity: same rng, same answer, in any batching and process, and the world left as it was found."""

from __future__ import annotations

import functools
import multiprocessing
import pickle
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.estimators import Estimator
from gnomon.measurement import Measurement
from gnomon.subjects import Batch, Data, Subject
from gnomon.testing.instances import Instance, agree, instances, readings

_BATCHING_TOLERANCE = 1e-4


def check_same_rng_same_result(kind: type[Estimator]) -> None:
    """Measuring twice with the same rng gives the same measurements, number for number."""
    for instance, first in readings(kind):
        assert _plain(first) == _plain(instance.measure(kind)), f"{instance.answer.name}: two runs with one rng differ"


def check_batching(kind: type[Estimator]) -> None:
    """Small batches in another order give the same measurements, to float32 rounding."""
    for instance, whole in readings(kind):
        if instance.data is None:
            continue
        parts = instance.measure(kind, data=_Rebatched(instance.data))
        assert len(whole) == len(parts), f"{instance.answer.name}: the number of measurements depends on the batching"
        for a, b in zip(whole, parts, strict=True):
            same = agree(a, b, relative=_BATCHING_TOLERANCE, of_half_width=0.01)
            assert same, f"{instance.answer.name}: {a.quantity} at {a.site} is {a.value} or {b.value} by batching"


def check_subject_untouched(kind: type[Estimator]) -> None:
    """Weights, modes, gradients, flags, hooks, global random states and torch's settings stay as they were."""
    for instance in instances(kind):
        module = instance.subject.module
        module.train()
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        before = state(instance.subject)
        instance.measure(kind)
        after = state(instance.subject)
        changed = [name for name in before if before[name] != after[name]]
        assert not changed, f"{instance.answer.name}: measuring changed {', '.join(changed)}"


def check_spawn(kind: type[Estimator]) -> None:
    """The estimator, its subject and data pickle into a spawned process, which measures the same."""
    instance, here = readings(kind)[0]
    there = _spawned().submit(_elsewhere, pickle.dumps((kind, instance.subject, instance.data, instance.sites)))
    for a, b in zip(here, there.result(timeout=120), strict=True):
        assert agree(a, Measurement.from_json(b), relative=1e-5), f"{a.quantity} differs in another process"


class _Rebatched(Data):
    """The same data in batches of few examples, in reverse order."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.lengths, self.clusters, self.description = data.lengths, data.clusters, data.description

    @property
    def digest(self) -> str:
        return self._data.digest

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        return self._data.batch(indices)

    def take(self, indices: NDArray[np.int64]) -> Data:
        return _Rebatched(self._data.take(indices))

    def batches(self, *, max_positions: int, max_examples: int = 1024) -> Iterator[Batch]:
        del max_positions, max_examples
        n = len(self)
        size = max(3, n // 7)
        for stop in range(n, 0, -size):
            yield self.batch(np.arange(max(0, stop - size), stop))


def state(subject: Subject) -> dict[str, Any]:
    """What measuring must leave as it was, by name: weights, modes, gradients, hooks, random states, settings."""
    parameters = list(subject.module.parameters())
    return {
        "the weights": subject.weights_hash(),
        "a module's mode": [m.training for m in subject.module.modules()],
        "requires_grad": [p.requires_grad for p in parameters],
        "a gradient": [None if p.grad is None else p.grad.tolist() for p in parameters],
        "the hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in subject.module.modules()
        ],
        "torch's random state": torch.get_rng_state().tolist(),
        "NumPy's random state": str(np.random.get_state()),  # noqa: NPY002 - the global state is what is looked at
        "Python's random state": random.getstate(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's default dtype": torch.get_default_dtype(),
    }


def _plain(found: Sequence[Measurement]) -> list[dict[str, Any]]:
    return [m.to_json() for m in found]


@functools.cache
def _spawned() -> ProcessPoolExecutor:
    """One worker for all checks of this process: starting one costs seconds."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _elsewhere(pickled: bytes) -> list[dict[str, Any]]:
    kind, subject, data, sites = pickle.loads(pickled)  # made by the parent process
    torch.set_num_threads(1)
    return _plain(Instance(kind.known_answers()[0], subject, data, 0.0, sites).measure(kind))
