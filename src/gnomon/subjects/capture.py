"""One pass, many readers: run a subject over data once and hand what was asked for to every accumulator."""

from __future__ import annotations

import abc
import functools
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects.batch import Batch
from gnomon.subjects.data import Data
from gnomon.subjects.edit import visiting
from gnomon.subjects.losses import Predictions
from gnomon.subjects.sites import Site
from gnomon.subjects.subject import Subject

Progress = Callable[[int, int], None]
DEFAULT_BYTES = 512 * 2**20
_BYTES_PER_NUMBER = 4
_MAX_POSITIONS = 8192


class ScalarOutput(abc.ABC):
    """A differentiable scalar per example, whose gradient with respect to sites is wanted.

    Subclasses are frozen dataclasses: equal outputs share one backward pass.
    """

    @abc.abstractmethod
    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """The scalar of each example of the batch, shape ``(batch,)``. No example may depend on another."""


@dataclass(frozen=True)
class Reads:
    """What an accumulator wants from each batch.

    ``sites``: activations; ``predictions``: outputs paired with targets; ``gradients``: for each scalar
    output, its gradient at all of ``gradient_sites``.
    """

    sites: frozenset[str] = frozenset()
    predictions: bool = False
    gradients: tuple[ScalarOutput, ...] = ()
    gradient_sites: frozenset[str] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        return Reads(
            self.sites | other.sites,
            self.predictions or other.predictions,
            tuple(dict.fromkeys((*self.gradients, *other.gradients))),
            self.gradient_sites | other.gradient_sites,
        )


@dataclass(frozen=True, eq=False)
class Captured:
    """What one batch gave.

    Parameters
    ----------
    batch : the batch, on the subject's device.
    output : the network's output tensor.
    activations : by site, ``(batch, positions, width)``, detached.
    predictions : outputs paired with targets (detached), or ``None`` if nobody asked.
    gradients : by scalar output and site, ``(batch, positions, width)``.
    """

    batch: Batch
    output: Tensor
    activations: Mapping[str, Tensor]
    predictions: Predictions | None = None
    gradients: Mapping[ScalarOutput, Mapping[str, Tensor]] = field(default_factory=dict)

    def mask(self, positions: int) -> Tensor:
        """``(batch, positions)`` bool: which positions are real."""
        mask = self.batch.mask
        if mask is not None and mask.shape[1] == positions:
            return mask
        return torch.ones(len(self.batch), positions, dtype=torch.bool, device=self.output.device)


class Accumulator(abc.ABC):
    """Running state over batches. The result may not depend on how the examples were batched."""

    @abc.abstractmethod
    def update(self, captured: Captured) -> None:
        """Take in one batch."""

    @abc.abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what another accumulator of the same statistic saw of other examples."""


class Statistic(abc.ABC):
    """What to accumulate. Subclasses are frozen dataclasses; equal statistics are accumulated once and shared."""

    @property
    @abc.abstractmethod
    def reads(self) -> Reads:
        """What it needs from each batch."""

    @abc.abstractmethod
    def empty(self, subject: Subject, data: Data, rng: Rng) -> Accumulator:
        """A fresh accumulator for ``data``. ``rng`` is the run's root stream, equal for equal statistics."""

    @property
    def examples(self) -> int | None:
        """How many examples it wants, drawn uniformly; ``None`` for all. Costly statistics want few."""
        return None

    def bytes(self, subject: Subject, data: Data) -> int:  # noqa: ARG002
        """Memory its accumulator will hold, in bytes."""
        return 0


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
    evaluation mode during the pass and left as it was found. ``max_bytes`` bounds the memory of a batch.

    Raises
    ------
    GnomonError : when one example alone needs more than ``max_bytes``, or an activation is NaN.
    """
    accumulators = {s: s.empty(subject, data, rng) for s in statistics}
    started, done, positions, backwards = time.perf_counter(), 0, 0, 0
    with subject.evaluating():
        for examples, interested in _segments(list(accumulators), len(data), rng):
            wanted = functools.reduce(operator.or_, (s.reads for s in interested))
            part = data.take(examples)
            limit = min(max_positions, _positions_within(subject, part, wanted, max_bytes))
            for batch in part.batches(max_positions=limit):
                batch = replace(batch, examples=torch.from_numpy(examples[batch.examples.numpy()]))
                captured = capture(subject, batch, wanted)
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


def capture(subject: Subject, batch: Batch, reads: Reads) -> Captured:
    """One forward pass over ``batch`` and, for each scalar output in ``reads``, one backward pass.

    Gradients with respect to parameters are neither computed nor touched.
    """
    seen: dict[str, Tensor] = {}
    differentiate = bool(reads.gradients)

    def visitor(site: Site) -> Callable[[Tensor], Tensor | None]:
        def visit(activation: Tensor) -> Tensor | None:
            if differentiate and site.name in reads.gradient_sites and not activation.requires_grad:
                # the first gradient site on each path starts the graph; parameters stay out of it
                activation = activation.detach().requires_grad_(True)
                seen[site.name] = activation
                return activation
            seen[site.name] = activation
            return None

        return visit

    names = [n for n in subject.sites if n in reads.sites | reads.gradient_sites]
    for missing in (reads.sites | reads.gradient_sites) - set(names):
        subject.site(missing)
    moved = batch.to(subject.device)
    visitors = {n: visitor(subject.sites[n]) for n in names}
    with _Frozen(subject), visiting(subject, visitors), torch.set_grad_enabled(differentiate):
        output = subject.output(moved)
        predictions = None
        if reads.predictions or differentiate:
            predictions = subject.loss.predictions(output, moved) if subject.loss is not None else None
        gradients: dict[ScalarOutput, dict[str, Tensor]] = {}
        for i, scalar in enumerate(reads.gradients):
            total = scalar(output, predictions, moved).sum()
            sites = [n for n in names if n in reads.gradient_sites]
            grads = torch.autograd.grad(
                total, [seen[n] for n in sites], retain_graph=i + 1 < len(reads.gradients), materialize_grads=True
            )
            gradients[scalar] = {n: subject.sites[n].rows(g) for n, g in zip(sites, grads, strict=True)}
    for name in names:
        if name not in seen:
            raise GnomonError(f"site {name!r} was not reached in the forward pass", mend="choose another site")
    activations = {n: subject.sites[n].rows(seen[n].detach()) for n in names if n in reads.sites}
    if predictions is not None:
        predictions = Predictions(
            predictions.scores.detach(), predictions.targets, predictions.rows, predictions.positions
        )
    return Captured(moved, output.detach(), activations, predictions, gradients)


class _Frozen:
    """Parameters do not require gradients inside; each one's own flag is restored on exit."""

    def __init__(self, subject: Subject) -> None:
        self._parameters = [p for p in subject.module.parameters() if p.requires_grad]

    def __enter__(self) -> None:
        for parameter in self._parameters:
            parameter.requires_grad_(False)

    def __exit__(self, *exception: object) -> None:
        for parameter in self._parameters:
            parameter.requires_grad_(True)


def _positions_within(subject: Subject, data: Data, reads: Reads, max_bytes: int) -> int:
    """How many padded positions of a batch fit in ``max_bytes``, measured on the shortest example."""
    shortest = int(np.argmin(data.lengths))
    names = reads.sites | reads.gradient_sites
    with subject.evaluating(), torch.no_grad():
        probe = capture(subject, data.batch([shortest]), Reads(sites=frozenset(names) or frozenset({"logits"})))
    numbers = sum(a.numel() for a in probe.activations.values()) * (1 + len(reads.gradients))
    # the output exists three times while it is scored: itself, the rows that are predictions, their softmax
    numbers += probe.output.numel() * (3 if reads.predictions or reads.gradients else 1)
    per_position = max(1, _BYTES_PER_NUMBER * numbers // int(data.lengths[shortest]))
    longest = int(data.lengths.max())
    if longest * per_position > max_bytes:
        raise GnomonError(
            f"one example of {longest} positions needs {longest * per_position / 2**20:.0f} MiB, "
            f"the limit is {max_bytes / 2**20:.0f} MiB",
            mend="raise the memory limit, read fewer sites or shorten the texts",
        )
    return max_bytes // per_position
