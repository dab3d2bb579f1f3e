"""What a pass over the data can be asked for: the contract between a pass and those who read it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.subjects.batch import Batch
from gnomon.subjects.data import Data
from gnomon.subjects.losses import Predictions
from gnomon.subjects.subject import Subject


class ScalarOutput(abc.ABC):
    """A differentiable scalar per example, whose gradient with respect to sites is wanted.

    Subclasses are frozen dataclasses: equal outputs share one backward pass.

    Attributes
    ----------
    reads_predictions : whether it looks at them; one that does not needs neither a loss nor targets.
    """

    reads_predictions: ClassVar[bool] = True

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
