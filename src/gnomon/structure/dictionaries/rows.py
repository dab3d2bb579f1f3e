"""Where training rows come from: an endless stream of vectors, or pairs of vectors, any part of which can be read."""

from __future__ import annotations

import abc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.measurement import hash_json
from gnomon.randomness import Rng
from gnomon.subjects.accumulate import DEFAULT_BYTES, check_finite, positions_within
from gnomon.subjects.capture import capture
from gnomon.subjects.data import Data
from gnomon.subjects.statistic import Reads
from gnomon.subjects.subject import Subject
from gnomon.subjects.untouched import seeded

_BLOCK = 256
_MAX_POSITIONS = 8192


class Rows(abc.ABC):
    """Rows of one epoch, in an order that each epoch draws anew.

    Attributes
    ----------
    inputs, targets : widths d and e; ``targets`` is ``None`` for an autoencoder, whose target is its input.
    """

    inputs: int
    targets: int | None

    @abc.abstractmethod
    def __len__(self) -> int:
        """Rows in an epoch."""

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """Equal for equal rows: a checkpoint is resumed with what it was begun with."""

    @abc.abstractmethod
    def read(self, epoch: int, start: int, stop: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Inputs ``(stop - start, d)`` and targets ``(stop - start, e)``, float32; the targets may be the inputs.

        The same arguments give the same bits, whatever was read before.
        """


class ArrayRows(Rows):
    """Rows of an array in memory, or of a memory-mapped file.

    Those in memory are read in random order, those in a file in random order of blocks of 256, each block in one go.

    Parameters
    ----------
    inputs : ``(n, d)`` array or tensor, or the path of a ``.npy`` file.
    targets : ``(n, e)``, likewise, for a transcoder.

    Raises
    ------
    GnomonError : when they are not two tables of numbers with as many rows.
    """

    def __init__(
        self,
        inputs: NDArray[np.generic] | Tensor | str | os.PathLike[str],
        targets: NDArray[np.generic] | Tensor | str | os.PathLike[str] | None = None,
    ) -> None:
        self._inputs = _table("inputs", inputs)
        self._targets = None if targets is None else _table("targets", targets)
        if self._targets is not None and len(self._targets) != len(self._inputs):
            raise GnomonError(f"there are {len(self._inputs)} rows of inputs and {len(self._targets)} of targets")
        self.inputs = self._inputs.shape[1]
        self.targets = None if self._targets is None else self._targets.shape[1]
        self._block = _BLOCK if any(isinstance(t, np.memmap) for t in (self._inputs, self._targets)) else 1
        self._order: tuple[int, int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def digest(self) -> str:
        """See `Rows.digest`: of the shapes and of 64 rows spread over all."""
        some = np.unique(np.linspace(0, len(self) - 1, 64).astype(np.int64))
        tables = [t for t in (self._inputs, self._targets) if t is not None]
        return hash_json([[list(t.shape), _take(t, some).double().sum(dim=1).tolist()] for t in tables])

    def read(self, epoch: int, start: int, stop: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """See `Rows.read`."""
        order = self._blocks(epoch, rng)
        # every block but the last of all has the same size; its place in the order shifts those after it
        sizes_before = np.arange(len(order) + 1) * self._block
        short = len(order) * self._block - len(self)
        last = int(np.flatnonzero(order == len(order) - 1)[0])
        sizes_before[last + 1 :] -= short
        first, final = (int(i) for i in np.searchsorted(sizes_before, [start, stop - 1], side="right") - 1)
        index = (order[first : final + 1, None] * self._block + np.arange(self._block)).reshape(-1)
        index = index[index < len(self)][start - sizes_before[first] :][: stop - start]
        inputs = _take(self._inputs, index)
        return inputs, inputs if self._targets is None else _take(self._targets, index)

    def _blocks(self, epoch: int, rng: Rng) -> NDArray[np.int64]:
        child = rng.child("epoch", epoch)
        if self._order is None or self._order[:2] != (epoch, child.key):
            blocks = child.numpy().permutation(-(-len(self) // self._block))
            self._order = (epoch, child.key, blocks)
        return self._order[2]


class SiteRows(Rows):
    """Activations at a site of a subject, at all real positions, made when they are needed.

    Examples come in random order, and are run in batches that depend on nothing but which rows are asked for.

    Parameters
    ----------
    site : where inputs are read.
    target : the site that a transcoder reconstructs, read in the same forward pass.
    max_bytes : bounds the memory of a forward pass, see `gnomon.subjects.accumulate`.

    Raises
    ------
    GnomonError : when the sites have not the same positions; UnknownNameError for an unknown site.
    """

    def __init__(
        self, subject: Subject, data: Data, site: str, target: str | None = None, *, max_bytes: int = DEFAULT_BYTES
    ) -> None:
        self._subject, self._data = subject, data
        self._sites: Sequence[str] = (site,) if target is None else (site, target)
        self._reads = Reads(sites=frozenset(self._sites))
        for name in self._sites:
            subject.site(name)
        with subject.evaluating(), seeded(0, subject.device):
            self._limit = min(_MAX_POSITIONS, positions_within(subject, data, self._reads, max_bytes))
            first = capture(subject, data.batch([0]), self._reads)
        shapes = [first.activations[name].shape for name in self._sites]
        if len({shape[1] for shape in shapes}) > 1:
            raise GnomonError(f"sites {site!r} and {target!r} do not have the same positions", mend="choose another")
        mask = first.batch.mask
        masked = mask is not None and mask.shape[1] == shapes[0][1]
        self._lengths = data.lengths if masked else np.full(len(data), shapes[0][1], dtype=np.int64)
        self.inputs = int(shapes[0][2])
        self.targets = None if target is None else int(shapes[1][2])

    def __len__(self) -> int:
        return int(self._lengths.sum())

    @property
    def digest(self) -> str:
        """See `Rows.digest`."""
        return hash_json([self._data.digest, self._subject.weights_hash(), list(self._sites)])

    def read(self, epoch: int, start: int, stop: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """See `Rows.read`."""
        order = rng.child("epoch", epoch).numpy().permutation(len(self._data))
        ends = np.cumsum(self._lengths[order])
        first, final = (int(i) for i in np.searchsorted(ends, [start, stop - 1], side="right"))
        examples = order[first : final + 1]
        places = np.concatenate([[0], np.cumsum(self._lengths[examples])])
        found = [torch.empty(int(places[-1]), width) for width in (self.inputs, self.targets) if width is not None]
        with self._subject.evaluating(), seeded(rng.key >> 1, self._subject.device):
            for batch in self._data.take(examples).batches(max_positions=self._limit):
                captured = capture(self._subject, batch, self._reads)
                check_finite(captured)
                for rows, site in zip(found, self._sites, strict=True):
                    values = captured.activations[site]
                    real = captured.mask(values.shape[1])
                    for number, example in enumerate(batch.examples.tolist()):
                        rows[places[example] : places[example + 1]] = values[number, real[number]].float().cpu()
        before = int(ends[first] - self._lengths[order[first]])
        inputs, targets = (rows[start - before : stop - before] for rows in (found[0], found[-1]))
        return inputs, targets if self.targets is not None else inputs


def _table(name: str, rows: NDArray[np.generic] | Tensor | str | os.PathLike[str]) -> NDArray[np.generic] | Tensor:
    table = mapped(Path(rows)) if isinstance(rows, str | os.PathLike) else rows
    numeric = table.is_floating_point() if isinstance(table, Tensor) else np.issubdtype(table.dtype, np.floating)
    if table.ndim != 2 or not numeric or 0 in table.shape:
        raise GnomonError(f"{name} are {table.dtype} of shape {tuple(table.shape)}", mend="give rows (n, d) of floats")
    return table


def mapped(path: Path) -> NDArray[Any]:
    """The array in a ``.npy`` file, not read into memory. Raises GnomonError when it is none."""
    if not path.is_file():
        raise GnomonError(f"no file '{path}'", mend="give the path of a .npy file")
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:  # numpy's own words recommend to unpickle it
        raise GnomonError(f"{path} is no .npy file of numbers", mend="give an array of rows") from error
    return found


def _take(table: NDArray[np.generic] | Tensor, index: NDArray[np.int64]) -> Tensor:
    if isinstance(table, Tensor):
        return table[torch.from_numpy(index).to(table.device)].float()
    return torch.from_numpy(np.asarray(table[index], dtype=np.float32))
