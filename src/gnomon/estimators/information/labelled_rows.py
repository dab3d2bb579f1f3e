"""A uniform sample of predictions: what a site holds where each is made, and what turned out to be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.randomness import Rng, hashed
from gnomon.subjects import Accumulator, Captured, Data, Reads, Statistic, Subject


@dataclass(frozen=True)
class LabelledRows(Statistic):
    """At most ``rows`` predictions, drawn uniformly over all of them, the same at every site and in any batching.

    A token's prediction goes with the activation at the position that it is read from, that of a whole example with
    the mean over its positions. Bottom-k sampling, as in `gnomon.subjects.RowSample`.
    """

    site: str
    rows: int

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(sites=frozenset({self.site}), predictions=True)

    def empty(self, subject: Subject, data: Data, rng: Rng) -> LabelledAccumulator:
        """See `Statistic.empty`."""
        del subject
        return LabelledAccumulator(self, rng.child("labelled rows").key, data.clusters)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        width = subject.widths.get(self.site, max((p.shape[0] for p in subject.module.parameters()), default=1))
        return 4 * width * min(self.rows, int(data.lengths.sum()))


class LabelledAccumulator(Accumulator):
    """State of `LabelledRows`.

    Attributes
    ----------
    values : ``(rows, width)`` float32 activations, in order of priority, which is a random one.
    labels : ``(rows,)`` classes.
    clusters : ``(rows,)`` cluster of each.
    classes : how many classes there are.
    """

    def __init__(self, spec: LabelledRows, key: int, clusters: NDArray[np.int64]) -> None:
        self.spec = spec
        self.classes = 0
        self._key = key
        self._cluster_of = clusters
        self._priority: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._examples: NDArray[np.int64] = np.empty(0, np.int64)
        self.labels: NDArray[np.int64] = np.empty(0, np.int64)
        self.values: NDArray[np.float32] = np.empty((0, 0), np.float32)

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each row."""
        return np.asarray(self._cluster_of[self._examples])

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        predictions = captured.predictions
        assert predictions is not None
        activation = captured.activations[self.spec.site]
        self.classes = predictions.scores.shape[1]
        rows, positions = predictions.rows.cpu(), predictions.positions.cpu()
        examples = captured.batch.examples.numpy()[rows.numpy()]
        priority = hashed(self._key, examples, positions.numpy())
        chosen = np.argsort(priority, kind="stable")[: self.spec.rows]
        if len(self._priority) == self.spec.rows:
            chosen = chosen[priority[chosen] < self._priority[-1]]
        if len(chosen) == 0:
            return
        row, position = (i[torch.from_numpy(chosen)].to(activation.device) for i in (rows, positions))
        if predictions.scores.ndim == captured.output.ndim:  # one prediction an example
            mask = captured.mask(activation.shape[1])[row].unsqueeze(-1)
            values = (activation[row] * mask).sum(dim=1) / mask.sum(dim=1)
        else:
            values = activation[row, position]
        labels = predictions.targets.cpu().numpy()[chosen]
        self._absorb(priority[chosen], examples[chosen], labels, values.float().cpu().numpy())

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.classes = max(self.classes, other.classes)
        if len(other.labels):
            self._absorb(other._priority, other._examples, other.labels, other.values)

    def _absorb(
        self,
        priority: NDArray[np.uint64],
        examples: NDArray[np.int64],
        labels: NDArray[np.int64],
        values: NDArray[np.float32],
    ) -> None:
        if len(self.labels):
            priority = np.concatenate([self._priority, priority])
            examples = np.concatenate([self._examples, examples])
            labels = np.concatenate([self.labels, labels])
            values = np.concatenate([self.values, values])
        kept = np.argsort(priority, kind="stable")[: self.spec.rows]
        self._priority, self._examples = priority[kept], examples[kept]
        self.labels, self.values = labels[kept], values[kept]
