"""The loss of every single token: what the quantities of sequences are functions of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Captured, Data, NextToken, Reads, Statistic, Subject


@dataclass(frozen=True)
class TokenLosses(Statistic):
    """Negative log-likelihood of every token that is predicted, in nats; 4 bytes a token."""

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(predictions=True)

    def empty(self, subject: Subject, data: Data, rng: Rng) -> LossAccumulator:
        """See `Statistic.empty`."""
        del rng
        return LossAccumulator(subject, data)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        del subject
        return 4 * int(data.lengths.sum())


class LossAccumulator(Accumulator):
    """State of `TokenLosses`.

    Attributes
    ----------
    losses : ``(tokens,)`` of all examples one after another, NaN where a token was not predicted.
    starts : ``(examples,)`` where each begins.
    clusters : ``(examples,)`` running number of the cluster of each.
    classes : how many outcomes a prediction chooses from; 0 before the first.
    """

    def __init__(self, subject: Subject, data: Data) -> None:
        if subject.loss is None:
            raise ValueError("losses are accumulated for a subject with a loss")
        self._loss = subject.loss
        self.lengths = data.lengths
        self.starts: NDArray[np.int64] = np.cumsum(data.lengths) - data.lengths
        self.clusters: NDArray[np.int64] = np.unique(data.clusters, return_inverse=True)[1].reshape(-1)
        self.losses: NDArray[np.float32] = np.full(int(data.lengths.sum()), np.nan, dtype=np.float32)
        self.classes = 0

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        predictions = captured.predictions
        assert predictions is not None
        self.classes = predictions.scores.shape[1]
        examples = captured.batch.examples.numpy()[predictions.rows.cpu().numpy()]
        at = self.starts[examples] + predictions.positions.cpu().numpy() + 1
        self.losses[at] = self._loss.values(predictions).float().cpu().numpy()

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.classes = max(self.classes, other.classes)
        self.losses = np.where(np.isnan(self.losses), other.losses, self.losses)

    @property
    def positions(self) -> NDArray[np.int64]:
        """``(tokens,)`` how many tokens of its example stand before each."""
        return np.arange(len(self.losses)) - np.repeat(self.starts, self.lengths)

    @property
    def examples(self) -> NDArray[np.int64]:
        """``(tokens,)`` the example of each."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def not_sequences(subject: Subject) -> str:
    """Why a network's tokens are not predicted each from those before it, or ``""``."""
    if subject.loss is None or isinstance(subject.loss, NextToken):
        return ""
    return f"the loss of {subject.name} is {subject.loss.name}, not that of each token given those before it"
