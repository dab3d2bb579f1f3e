"""One pass, many readers: run a subject over data once and hand what was asked for to every accumulator."""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects.capture import capture
from gnomon.subjects.data import Data
from gnomon.subjects.memory import PeakMemory
from gnomon.subjects.statistic import Accumulator, Captured, Reads, Statistic
from gnomon.subjects.subject import Subject
from gnomon.subjects.untouched import seeded

Progress = Callable[[int, int], None]
DEFAULT_BYTES = 512 * 2**20
_MAX_POSITIONS = 8192


@dataclass(frozen=True, kw_only=True)
class PassReport:
    """What one pass cost."""

    examples: int
    positions: int
    forward_passes: int
    backward_passes: int
    seconds: float


def accumulate(
    subject: Subject,
    data: Data,
    statistics: Sequence[Statistic],
    rng: Rng,
    *,
    max_bytes: int = DEFAULT_BYTES,
    max_positions: int = _MAX_POSITIONS,
    progress: Progress | None = None,
) -> tuple[dict[Statistic, Accumulator], PassReport]:
    """Accumulate all ``statistics`` in one pass over ``data``.

    One forward pass serves all of them, and one backward pass each distinct scalar output. The subject is in
    evaluation mode during the pass and left as it was found; so is torch's global random state.

    ``max_bytes`` bounds what a batch holds at its peak: the network's own intermediate results (and those kept for
    the backward pass), what is captured, and the scoring of predictions. It is measured on the shortest and the
    longest example before the pass begins. What the accumulators hold comes on top: `Statistic.bytes`.

    Raises
    ------
    GnomonError : when one example alone needs more than ``max_bytes``, or when what was captured at a real position
        is NaN or infinite.
    """
    accumulators = {s: s.empty(subject, data, rng) for s in statistics}
    started, done, positions, backwards = time.perf_counter(), 0, 0, 0
    with subject.evaluating(), seeded(rng.child("forward").key >> 1, subject.device):
        for examples, interested in _segments(list(accumulators), len(data), rng):
            wanted = functools.reduce(operator.or_, (s.reads for s in interested))
            part = data.take(examples)
            limit = min(max_positions, positions_within(subject, part, wanted, max_bytes))
            for batch in part.batches(max_positions=limit):
                batch = replace(batch, examples=torch.from_numpy(examples[batch.examples.numpy()]))
                captured = capture(subject, batch, wanted)
                check_finite(captured)
                for statistic in interested:
                    accumulators[statistic].update(captured)
                done += len(batch)
                positions += int(data.lengths[batch.examples.numpy()].sum())
                backwards += len(batch) * len(wanted.gradients)
                if progress is not None:
                    progress(done, len(data))
    report = PassReport(
        examples=done,
        positions=positions,
        forward_passes=done,
        backward_passes=backwards,
        seconds=time.perf_counter() - started,
    )
    return accumulators, report


def _segments(statistics: list[Statistic], n: int, rng: Rng) -> Iterator[tuple[NDArray[np.int64], list[Statistic]]]:
    """Split the examples so that each part is read by the statistics that want it, and by no other.

    The examples wanted by fewer are a subset of those wanted by more, so every example is passed over once.
    """
    limits = {s: n if s.examples is None else min(s.examples, n) for s in statistics}
    order = rng.child("segments").numpy().permutation(n)
    start = 0
    for stop in sorted(set(limits.values())):
        if stop > start:
            yield np.sort(order[start:stop]), [s for s, limit in limits.items() if limit > start]
        start = max(start, stop)


def check_finite(captured: Captured) -> None:
    """Raises GnomonError naming the first site that holds a NaN or infinity at a real position."""
    found = [(f"site {n!r}", a) for n, a in captured.activations.items()]
    found += [(f"the gradient at {n!r}", g) for by_site in captured.gradients.values() for n, g in by_site.items()]
    for name, values in found:
        # a sum is finite unless an entry is not (or overflows), and costs far less than looking at each
        if not bool(torch.isfinite(values.sum())) and not bool(
            torch.isfinite(values[captured.mask(values.shape[1])]).all()
        ):
            raise _not_finite(name, captured)
    # a score of −∞ forbids a class, and is a legitimate one; NaN compares as false
    if captured.predictions is not None and not bool((captured.predictions.scores < torch.inf).all()):
        raise _not_finite("the network's output", captured)


def _not_finite(name: str, captured: Captured) -> GnomonError:
    examples = captured.batch.examples
    where = f"example {int(examples[0])}" if len(examples) == 1 else f"examples {int(examples[0])} and on"
    return GnomonError(f"{name} is NaN or infinite ({where})", mend="check the weights, the data or the precision")


def positions_within(subject: Subject, data: Data, reads: Reads, max_bytes: int) -> int:
    """How many padded positions a batch may have so that it stays within ``max_bytes``.

    Memory is measured on the shortest and on the longest example, alone and beside the shortest (with padding, for
    which networks make masks): what grows with the batch, and what does not.

    Raises
    ------
    GnomonError : when one example alone needs more.
    """
    shortest, longest = int(np.argmin(data.lengths)), int(np.argmax(data.lengths))
    positions = int(data.lengths[longest])
    fixed: int = 0
    per_position: float = 0.0
    for example in dict.fromkeys((longest, shortest)):
        one, two = _peak(subject, data, [example], reads), _peak(subject, data, [example, shortest], reads)
        if one > max_bytes:
            raise GnomonError(
                f"one example of {data.lengths[example]} positions needs {one / 2**20:.3g} MiB, the limit is "
                f"{max_bytes / 2**20:.3g} MiB",
                mend="raise the memory limit, read fewer sites or shorten the texts",
            )
        grows = max(1, two - one)
        fixed = max(fixed, one - grows)
        per_position = max(per_position, grows / int(data.lengths[example]))
    return max(positions, int((max_bytes - fixed) // per_position))


def _peak(subject: Subject, data: Data, examples: list[int], reads: Reads) -> int:
    known = (*subject.module.parameters(), *subject.module.buffers())
    memory = PeakMemory(known)
    with memory:
        captured = capture(subject, data.batch(examples), reads)
    scores: int = 0 if captured.predictions is None else captured.predictions.scores.nbytes
    return memory.peak + 2 * scores  # a reader's log-probabilities, and one more such array at work on them
