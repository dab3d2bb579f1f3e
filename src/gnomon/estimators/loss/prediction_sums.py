"""Sums over the predictions of each example: the one statistic that all quantities of loss are functions of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Captured, Data, Reads, Statistic, Subject

Column = Literal["losses", "correct", "entropies"]

_CHUNK_NUMBERS = 2**19  # scores handled at once: small enough to stay in a processor's cache
_LOWEST_SHIFTED = -1e4  # exp of it is 0 in float32; keeps 0 · (−∞) out of the entropy


@dataclass(frozen=True)
class PredictionSums(Statistic):
    r"""Per example: number of predictions, and sums of loss, hits, entropy and, by bin, of over-confidence.

    With scores :math:`z`, :math:`p = \mathrm{softmax}(z)`, confidence :math:`\hat p = \max_k p_k` and target
    :math:`y`, the sums are over :math:`-\log p_y`, :math:`1[\arg\max z = y]`, :math:`-\sum_k p_k \log p_k`, and in
    each of ``bins`` equal bins of :math:`\hat p` over :math:`1` and :math:`\hat p - 1[\arg\max z = y]`. Losses that
    are not categorical fill the loss, and the hits where targets are classes. Scores are float32, sums float64.
    """

    bins: int = 15

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(predictions=True)

    def empty(self, subject: Subject, data: Data, rng: Rng) -> PredictionAccumulator:
        """See `Statistic.empty`."""
        del rng
        return PredictionAccumulator(subject, data, self.bins)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        del subject
        return 8 * len(data) * (4 + 2 * self.bins)


class PredictionAccumulator(Accumulator):
    """State of `PredictionSums`.

    Attributes
    ----------
    counts : ``(n,)`` predictions of each example.
    losses, correct, entropies : ``(n,)`` sums over them.
    in_bin, overconfidence : ``(n, bins)`` predictions in each bin of confidence, and sums of confidence less hit.
    of_classes : whether hits are defined: targets are class indices.
    """

    def __init__(self, subject: Subject, data: Data, bins: int) -> None:
        if subject.loss is None:
            raise ValueError("predictions are accumulated for a subject with a loss")
        n = len(data)
        self._loss = subject.loss
        _, self._cluster = np.unique(data.clusters, return_inverse=True)
        self.of_classes = subject.loss.categorical
        self.counts: NDArray[np.float64] = np.zeros(n)
        self.losses: NDArray[np.float64] = np.zeros(n)
        self.correct: NDArray[np.float64] = np.zeros(n)
        self.entropies: NDArray[np.float64] = np.zeros(n)
        self.in_bin: NDArray[np.float64] = np.zeros((n, bins))
        self.overconfidence: NDArray[np.float64] = np.zeros((n, bins))

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        predictions = captured.predictions
        assert predictions is not None
        examples = captured.batch.examples.numpy()[predictions.rows.cpu().numpy()]
        present, row = np.unique(examples, return_inverse=True)

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(row, weights=values, minlength=len(present)).astype(np.float64)

        self.counts[present] += total(np.ones(len(row)))
        if not self._loss.categorical:
            self.losses[present] += total(_numpy(self._loss.values(predictions)))
            if predictions.targets.ndim == 1 and not predictions.targets.is_floating_point():
                self.of_classes = True
                self.correct[present] += total(_numpy(predictions.scores.argmax(1) == predictions.targets))
            return
        loss, correct, entropy, confidence = _scored(predictions.scores, predictions.targets)
        self.losses[present] += total(loss)
        self.correct[present] += total(correct)
        self.entropies[present] += total(entropy)
        bins = self.in_bin.shape[1]
        cell = row * bins + np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
        shape, cells = (len(present), bins), len(present) * bins
        self.in_bin[present] += np.bincount(cell, minlength=cells).reshape(shape)
        self.overconfidence[present] += np.bincount(cell, confidence - correct, cells).reshape(shape)

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.of_classes |= other.of_classes
        self.counts += other.counts
        self.losses += other.losses
        self.correct += other.correct
        self.entropies += other.entropies
        self.in_bin += other.in_bin
        self.overconfidence += other.overconfidence

    def by_cluster(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Per-example ``sums``, ``(n, …)``, added up in each cluster that holds a prediction."""
        clusters = int(self._cluster.max()) + 1
        predictions = np.bincount(self._cluster, self.counts, clusters)
        out = np.zeros((clusters, *sums.shape[1:]))
        np.add.at(out, self._cluster, sums)
        return np.asarray(out[predictions > 0])

    @property
    def single(self) -> bool:
        """Whether no cluster holds more than one prediction, so that all of them are independent."""
        return bool((self.by_cluster(self.counts) <= 1).all())


def _scored(scores: Tensor, targets: Tensor) -> NDArray[np.float64]:
    """Loss, hit, entropy and confidence of each prediction, ``(4, predictions)``."""
    size = max(1, _CHUNK_NUMBERS // scores.shape[1])
    parts = [
        _categorical(scores[start : start + size], targets[start : start + size])
        for start in range(0, len(scores), size)
    ]
    return _numpy(torch.cat(parts, dim=1)) if parts else np.zeros((4, 0))


def _categorical(scores: Tensor, targets: Tensor) -> Tensor:
    scores = scores.float()
    highest, predicted = scores.max(dim=1)
    shifted = scores - highest[:, None]
    at_target = shifted.gather(1, targets[:, None])[:, 0]
    shifted.clamp_(min=_LOWEST_SHIFTED)
    weights = shifted.exp()
    total = weights.sum(dim=1)
    entropy = total.log() - weights.mul_(shifted).sum(dim=1) / total
    return torch.stack([total.log() - at_target, predicted == targets, entropy, total.reciprocal()])


def _numpy(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values.to(torch.float64).cpu().numpy())
