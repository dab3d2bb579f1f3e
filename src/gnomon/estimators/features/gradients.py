"""A sample of gradients: what averages of gradient outer products are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.estimators.features.outputs import Chosen, ChosenOutput
from gnomon.randomness import Rng, hashed
from gnomon.subjects import Accumulator, Captured, Data, Reads, Statistic, Subject


@dataclass(frozen=True)
class GradientSample(Statistic):
    """Gradients of ``outputs`` at ``site``, at most ``rows`` of them, one an example or one a position.

    Where the network predicts at every position (token models), an example gives the gradient at the position of
    the prediction that stands for it; elsewhere (images, pooled sequences) every real position gives one. When there
    are too many, those with the smallest pseudo-random priority stay, so that the sample is uniform over
    (example, position) pairs and independent of the batching.

    Parameters
    ----------
    through : weight matrix, by its label, whose input is meant where ``site`` is its output; ``""`` for the site
        itself. The gradient is then pulled back through the matrix.
    """

    site: str
    outputs: tuple[ChosenOutput, ...]
    rows: int = 2048
    through: str = ""

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(gradients=self.outputs, gradient_sites=frozenset({self.site}))

    def empty(self, subject: Subject, data: Data, rng: Rng) -> GradientAccumulator:
        """See `Statistic.empty`."""
        matrix = next((m.values.float() for m in subject.matrices() if m.site == self.through), None)
        return GradientAccumulator(self, rng.child("rows").key, data.clusters, matrix)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        width = max((max(p.shape) for p in subject.module.parameters() if p.ndim), default=1)
        return 4 * width * min(self.rows, max(1, len(data)) * len(self.outputs))


class GradientAccumulator(Accumulator):
    """State of a `GradientSample`.

    Attributes
    ----------
    values : ``(rows, outputs, width)`` float32 gradients, in order of priority.
    clusters : ``(rows,)`` cluster of the example that each row comes from.
    seen : number of (example, position) pairs that the sample was drawn from.
    """

    def __init__(self, spec: GradientSample, key: int, clusters: NDArray[np.int64], matrix: Tensor | None) -> None:
        self.spec = spec
        self.seen = 0
        self._key = key
        self._cluster_of = clusters
        self._matrix = matrix
        self._most = max(1, spec.rows // len(spec.outputs))
        self._keys: NDArray[np.int64] = np.empty((0, 2), np.int64)
        self._priority: NDArray[np.uint64] = np.empty(0, np.uint64)
        self.values: NDArray[np.float32] = np.empty((0, len(spec.outputs), 0), np.float32)

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each row."""
        return np.asarray(self._cluster_of[self._keys[:, 0]])

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        slopes = [captured.gradients[output][self.spec.site] for output in self.spec.outputs]
        row, position = places(captured, slopes[0], self.spec.outputs[0])
        self.seen += len(row)
        keys = np.stack([captured.batch.examples.numpy()[row.cpu().numpy()], position.cpu().numpy()], axis=1)
        priority = hashed(self._key, *keys.T)
        kept = np.argsort(priority, kind="stable")[: self._most]
        at = torch.from_numpy(kept).to(row.device)
        values = torch.stack([g[row[at], position[at]] for g in slopes], dim=1).float()
        if self._matrix is not None:
            values = values @ self._matrix.to(values.device)
        self._absorb(priority[kept], keys[kept], values.cpu().numpy())

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.seen += other.seen
        self._absorb(other._priority, other._keys, other.values)

    def _absorb(self, priority: NDArray[np.uint64], keys: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        if not len(keys):
            return
        if len(self._keys):
            priority = np.concatenate([self._priority, priority])
            keys = np.concatenate([self._keys, keys])
            values = np.concatenate([self.values, values])
        order = np.argsort(priority, kind="stable")[: self._most]
        self._priority, self._keys, self.values = priority[order], keys[order], values[order]


def places(captured: Captured, slope: Tensor, output: ChosenOutput) -> tuple[Tensor, Tensor]:
    """Rows of the batch and positions, ``(rows,)`` each, at which a gradient ``(batch, positions, width)`` counts."""
    predictions = captured.predictions
    assert predictions is not None
    chosen = Chosen.of(predictions, captured.batch, output.place)
    if captured.output.ndim >= 3 and captured.output.shape[1] == slope.shape[1]:
        return chosen.rows, predictions.positions[chosen.index]
    mask = torch.zeros_like(captured.mask(slope.shape[1]))
    mask[chosen.rows] = captured.mask(slope.shape[1])[chosen.rows]
    row, position = torch.nonzero(mask, as_tuple=True)
    return row, position
