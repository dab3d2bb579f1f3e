"""A uniform sample of activation rows, the same at every site, whatever the batching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.randomness import Rng, hashed
from gnomon.subjects.data import Data
from gnomon.subjects.statistic import Accumulator, Captured, Reads, Statistic
from gnomon.subjects.subject import Subject

Positions = Literal["all", "last"]


@dataclass(frozen=True)
class RowSample(Statistic):
    """At most ``rows`` activation vectors, drawn uniformly over all real (example, position) pairs.

    Each pair gets a pseudo-random priority from the seed, and the smallest ones stay (bottom-k sampling), so the
    sample is the same for every site and batching, and two shards merge exactly.
    Source: Cohen & Kaplan, PODC 2007 (bottom-k sketches).
    """

    site: str
    rows: int = 2048
    positions: Positions = "all"

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(sites=frozenset({self.site}))

    def empty(self, subject: Subject, data: Data, rng: Rng) -> RowAccumulator:
        """See `Statistic.empty`."""
        del subject
        return RowAccumulator(self, rng.child("rows").key, data.clusters)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        width = subject.widths.get(self.site, max((p.shape[0] for p in subject.module.parameters()), default=1))
        return 4 * width * min(self.rows, int(data.lengths.sum()))


class RowAccumulator(Accumulator):
    """State of a `RowSample`.

    Attributes
    ----------
    values : ``(rows, width)`` float32 activations, in order of priority.
    clusters : ``(rows,)`` cluster of the example that each row comes from.
    keys : ``(rows, 2)`` example and position of each row.
    seen : number of rows that the sample was drawn from.
    """

    def __init__(self, spec: RowSample, key: int, clusters: NDArray[np.int64]) -> None:
        self.spec = spec
        self.seen = 0
        self._key = key
        self._cluster_of = clusters
        self._priority: NDArray[np.uint64] = np.empty(0, np.uint64)
        self.keys: NDArray[np.int64] = np.empty((0, 2), np.int64)
        self.values: NDArray[np.float32] = np.empty((0, 0), np.float32)

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each row."""
        return np.asarray(self._cluster_of[self.keys[:, 0]])

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        activation = captured.activations[self.spec.site]
        mask = captured.mask(activation.shape[1])
        if self.spec.positions == "last":
            last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
            mask = torch.zeros_like(mask).scatter_(1, last[:, None], True)
        row, position = (i.cpu().numpy() for i in torch.nonzero(mask, as_tuple=True))
        self.seen += len(row)
        keys = np.stack([captured.batch.examples.numpy()[row], position], axis=1)
        priority = hashed(self._key, *keys.T)
        chosen = np.arange(len(keys))
        if len(self._priority) == self.spec.rows:
            chosen = np.flatnonzero(priority < self._priority[-1])
        if len(chosen) > self.spec.rows:
            chosen = chosen[np.argpartition(priority[chosen], self.spec.rows - 1)[: self.spec.rows]]
        if len(chosen) == 0:
            return
        index = (torch.from_numpy(row[chosen]), torch.from_numpy(position[chosen]))
        values = activation[index[0].to(activation.device), index[1].to(activation.device)].float().cpu().numpy()
        self._absorb(priority[chosen], keys[chosen], values)

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.seen += other.seen
        if len(other.keys):
            self._absorb(other._priority, other.keys, other.values)

    def _absorb(self, priority: NDArray[np.uint64], keys: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        if len(self.keys):
            priority = np.concatenate([self._priority, priority])
            keys = np.concatenate([self.keys, keys])
            values = np.concatenate([self.values, values])
        order = np.argsort(priority, kind="stable")[: self.spec.rows]
        self._priority, self.keys, self.values = priority[order], keys[order], values[order]
