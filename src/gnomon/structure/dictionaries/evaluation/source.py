"""Where the vectors that a dictionary is evaluated on come from: arrays, a site of a network, planted features."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.planted import Planted
from gnomon.subjects import Data, Reads, Subject, capture
from gnomon.subjects.accumulate import DEFAULT_BYTES, check_finite, positions_within
from gnomon.subjects.untouched import seeded

BLOCK = 4096
_MAX_POSITIONS = 8192


@dataclass(frozen=True, eq=False)
class Rows:
    """Some vectors.

    Parameters
    ----------
    inputs : ``(n, d)``.
    targets : ``(n, e)``; the inputs themselves for an autoencoder.
    clusters : ``(n,)`` int64, from 0 up: rows of one cluster (one text) depend on each other.
    """

    inputs: Tensor
    targets: Tensor
    clusters: NDArray[np.int64]


class Source(abc.ABC):
    """A finite stream of vectors that can be begun again."""

    @property
    def site(self) -> str | None:
        """Where the targets are read; ``None`` for arrays."""
        return None

    @abc.abstractmethod
    def blocks(self) -> Iterator[Rows]:
        """All rows once, at most 8,192 at a time."""


class ArraySource(Source):
    """Rows in memory or in a memory-mapped file.

    Parameters
    ----------
    inputs : ``(n, d)``.
    targets : ``(n, e)`` for a transcoder; by default the inputs.
    clusters : ``(n,)`` ids of dependent rows; by default each is its own.

    Raises GnomonError when the shapes do not match or there is no row; `blocks` when a number is not finite.
    """

    def __init__(
        self,
        inputs: NDArray[np.floating] | Tensor,
        targets: NDArray[np.floating] | Tensor | None = None,
        clusters: NDArray[np.int64] | None = None,
    ) -> None:
        self._inputs, self._targets = inputs, inputs if targets is None else targets
        rows = len(inputs)
        if inputs.ndim != 2 or self._targets.ndim != 2 or len(self._targets) != rows or not rows:
            raise GnomonError(
                f"inputs {tuple(inputs.shape)} and targets {tuple(self._targets.shape)} are not rows",
                mend="give (rows, width) arrays of equal length",
            )
        if clusters is not None and np.shape(clusters) != (rows,):
            raise GnomonError(f"clusters {np.shape(clusters)} are not of {rows} rows")
        self._clusters = None if clusters is None else _numbered(clusters)

    def blocks(self) -> Iterator[Rows]:
        """See `Source.blocks`."""
        for start in range(0, len(self._inputs), BLOCK):
            stop = min(start + BLOCK, len(self._inputs))
            inputs = _tensor(self._inputs, start, stop)
            targets = inputs if self._targets is self._inputs else _tensor(self._targets, start, stop)
            clusters = np.arange(start, stop) if self._clusters is None else self._clusters[start:stop]
            yield Rows(inputs, targets, clusters)


class SiteSource(Source):
    """Activations at a site of a network, for every real position of the data; texts are clusters.

    Parameters
    ----------
    subject, data : the network and what it is fed.
    site : where inputs are read.
    target_site : where targets are read, for a transcoder; by default the same.

    Raises UnknownNameError for an unknown site. Cost of `blocks`: one forward pass.
    """

    def __init__(self, subject: Subject, data: Data, site: str, target_site: str | None = None) -> None:
        self.subject, self.data = subject, data
        self.input_site, self.target_site = site, target_site or site
        subject.site(self.input_site)
        subject.site(self.target_site)

    @property
    def site(self) -> str:
        """See `Source.site`."""
        return self.target_site

    def blocks(self) -> Iterator[Rows]:
        """See `Source.blocks`. Raises GnomonError when the two sites do not have the same positions."""
        reads = Reads(sites=frozenset({self.input_site, self.target_site}))
        clusters = _numbered(self.data.clusters)
        with self.subject.evaluating(), seeded(0, self.subject.device):
            limit = min(_MAX_POSITIONS, positions_within(self.subject, self.data, reads, DEFAULT_BYTES))
            for batch in self.data.batches(max_positions=limit):
                captured = capture(self.subject, batch, reads)
                check_finite(captured)
                inputs, targets = (captured.activations[s] for s in (self.input_site, self.target_site))
                if inputs.shape[:2] != targets.shape[:2]:
                    found = f"{inputs.shape[1]} and {targets.shape[1]} positions"
                    raise GnomonError(
                        f"{self.input_site} and {self.target_site} have {found}",
                        mend="choose sites of the same positions",
                    )
                mask = captured.mask(inputs.shape[1])
                row = np.repeat(clusters[batch.examples.numpy()], mask.sum(dim=1).cpu().numpy())
                yield Rows(inputs[mask], targets[mask], row)


class PlantedSource(Source):
    """Vectors with known features; `gnomon.structure.dictionaries.planted`."""

    def __init__(self, planted: Planted, rows: int, rng: Rng) -> None:
        if rows < 1:
            raise GnomonError(f"{rows} rows are none", mend="ask for at least one")
        self.planted, self._rows, self._rng = planted, rows, rng

    def coded(self) -> Iterator[tuple[Tensor, Rows]]:
        """Blocks of rows, each with its codes ``(n, features)``."""
        seen = 0
        for codes, vectors in self.planted.blocks(self._rows, self._rng):
            yield codes, Rows(vectors, vectors, np.arange(seen, seen + len(vectors)))
            seen += len(vectors)

    def blocks(self) -> Iterator[Rows]:
        """See `Source.blocks`."""
        for _, rows in self.coded():
            yield rows


def _tensor(values: NDArray[np.floating] | Tensor, start: int, stop: int) -> Tensor:
    part = values[start:stop]
    found = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part, dtype=np.float32))
    if not bool(torch.isfinite(found).all()):
        raise GnomonError(f"rows {start} to {stop} hold NaN or infinite numbers", mend="leave them out")
    return found


def _numbered(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)
