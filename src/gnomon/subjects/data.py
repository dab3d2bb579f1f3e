"""Data: a finite, ordered set of examples that can be fed to a network in any batching."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects.batch import Batch

_IGNORED_TARGET = -100


class Data(abc.ABC):
    """Examples with their lengths, clusters and a digest of their content.

    Attributes
    ----------
    lengths : ``(n,)`` positions of each example (1 where there is no sequence).
    clusters : ``(n,)`` ids; examples with the same id are not independent of each other.
    description : one line for reports.
    """

    lengths: NDArray[np.int64]
    clusters: NDArray[np.int64]
    description: str

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """SHA-256 of the content: equal for equal examples in equal order."""

    @abc.abstractmethod
    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """The examples at ``indices``; ``Batch.examples`` holds those indices."""

    @abc.abstractmethod
    def take(self, indices: NDArray[np.int64]) -> Data:
        """New data of only the examples at ``indices``, in that order."""

    def sample(self, n: int, rng: Rng) -> Data:
        """``n`` examples drawn without replacement, in their original order; all of them when n is larger."""
        if n >= len(self):
            return self
        return self.take(np.sort(rng.child("examples").numpy().choice(len(self), size=n, replace=False)))

    def batches(self, *, max_positions: int, max_examples: int = 1024) -> Iterator[Batch]:
        """All examples once, similar lengths together, at most ``max_positions`` padded positions a batch."""
        order = np.argsort(self.lengths, kind="stable")
        start = 0
        while start < len(order):
            stop = start + 1
            while (
                stop < len(order)
                and stop - start < max_examples
                and (stop + 1 - start) * int(self.lengths[order[stop]]) <= max_positions
            ):
                stop += 1
            yield self.batch(order[start:stop])
            start = stop


class ArrayData(Data):
    """Fixed-size inputs in memory.

    Parameters
    ----------
    inputs : array ``(n, …)``, the module's only positional argument.
    targets : ``(n,)`` class indices or ``(n, outputs)`` values.
    clusters : ``(n,)`` ids of groups of dependent examples; default: every example is its own.

    Raises
    ------
    GnomonError : when empty, when lengths differ, or when an input or target is NaN or infinite.
    """

    def __init__(
        self,
        inputs: NDArray[np.generic] | Tensor,
        targets: NDArray[np.generic] | Tensor | None = None,
        *,
        clusters: NDArray[np.int64] | None = None,
        description: str = "arrays",
    ) -> None:
        self.inputs = torch.as_tensor(inputs)
        self.targets = None if targets is None else torch.as_tensor(targets)
        n = len(self.inputs) if self.inputs.ndim else 0
        if n == 0:
            raise GnomonError("the data is empty", mend="give at least one example")
        for name, array in (("inputs", self.inputs), ("targets", self.targets)):
            if array is None:
                continue
            if len(array) != n:
                raise GnomonError(f"{name} have {len(array)} rows, inputs have {n}")
            if array.is_floating_point() and not bool(torch.isfinite(array).all()):
                raise GnomonError(f"{name} hold NaN or infinite numbers", mend="clean the data")
        if self.inputs.dtype == torch.float64:
            self.inputs = self.inputs.float()
        if self.targets is not None and self.targets.dtype == torch.float64:
            self.targets = self.targets.float()
        self.lengths = np.ones(n, dtype=np.int64)
        self.clusters = np.arange(n) if clusters is None else np.asarray(clusters, dtype=np.int64)
        if len(self.clusters) != n:
            raise GnomonError(f"clusters have {len(self.clusters)} rows, inputs have {n}")
        self.description = description

    @property
    def digest(self) -> str:
        """See `Data.digest`."""
        digest = hashlib.sha256()
        for array in (self.inputs, self.targets):
            if array is not None:
                digest.update(f"{array.dtype}{tuple(array.shape)}".encode())
                digest.update(array.detach().cpu().contiguous().numpy().tobytes())
        digest.update(self.clusters.tobytes())
        return digest.hexdigest()

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """See `Data.batch`."""
        index = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        return Batch(
            args=(self.inputs[index],),
            examples=index,
            targets=None if self.targets is None else self.targets[index],
        )

    def take(self, indices: NDArray[np.int64]) -> ArrayData:
        """See `Data.take`."""
        index = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        return ArrayData(
            self.inputs[index],
            None if self.targets is None else self.targets[index],
            clusters=self.clusters[np.asarray(indices)],
            description=self.description,
        )


@dataclass(frozen=True)
class Masking:
    """Which tokens a masked language model must restore: each with probability ``rate``, at least one a text.

    The choice depends on the seed and the text's own tokens only, never on the batching.
    """

    token: int
    rate: float = 0.15
    seed: int = 0

    def positions(self, tokens: NDArray[np.int64], special: frozenset[int]) -> NDArray[np.bool_]:
        """True at the positions of ``tokens`` that are hidden; special tokens never are."""
        digest = hashlib.blake2b(tokens.tobytes(), digest_size=8).hexdigest()
        draw = Rng(self.seed).child("masking", digest).numpy().random(len(tokens))
        draw[np.isin(tokens, list(special))] = np.inf
        hidden = draw < self.rate
        if not hidden.any() and np.isfinite(draw).any():
            hidden[int(np.argmin(draw))] = True
        return np.asarray(hidden)


class TokenData(Data):
    """Token sequences of differing length, padded on the right within a batch.

    Parameters
    ----------
    sequences : one int array of token ids an example; none may be empty.
    pad : id used for padding.
    targets : optional class index, or number, of each sequence (sequence classification and regression).
    masking : for masked language models; the batch's targets are then the hidden tokens, −100 elsewhere.
    special : ids that are never masked.
    clusters : ids of groups of dependent examples; default: every example is its own.

    Raises
    ------
    GnomonError : when there is no sequence, or one is empty.
    """

    def __init__(
        self,
        sequences: Sequence[Sequence[int] | NDArray[np.int64]],
        *,
        pad: int = 0,
        targets: NDArray[np.generic] | None = None,
        masking: Masking | None = None,
        special: frozenset[int] = frozenset(),
        clusters: NDArray[np.int64] | None = None,
        description: str = "tokens",
    ) -> None:
        self.sequences = [np.asarray(s, dtype=np.int64) for s in sequences]
        if not self.sequences:
            raise GnomonError("the data is empty", mend="give at least one non-empty text")
        self.lengths = np.array([len(s) for s in self.sequences], dtype=np.int64)
        if (self.lengths == 0).any():
            raise GnomonError(f"example {int(np.argmin(self.lengths))} has no tokens", mend="remove empty texts")
        self.pad = pad
        self.targets: NDArray[np.generic] | None = None
        if targets is not None:
            floating = np.issubdtype(np.asarray(targets).dtype, np.floating)
            self.targets = np.asarray(targets, dtype=np.float32 if floating else np.int64)
        self.masking = masking
        self.special = special
        self.clusters = np.arange(len(self.sequences)) if clusters is None else np.asarray(clusters, dtype=np.int64)
        for name, array in (("targets", self.targets), ("clusters", self.clusters)):
            if array is not None and len(array) != len(self.sequences):
                raise GnomonError(f"{name} have {len(array)} rows, there are {len(self.sequences)} texts")
        self.description = description

    @property
    def digest(self) -> str:
        """See `Data.digest`."""
        digest = hashlib.sha256(repr((self.masking, sorted(self.special))).encode())
        digest.update(self.lengths.tobytes())
        for sequence in self.sequences:
            digest.update(sequence.tobytes())
        for array in (self.targets, self.clusters):
            if array is not None:
                digest.update(array.tobytes())
        return digest.hexdigest()

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """See `Data.batch`. Keyword arguments are ``input_ids`` and ``attention_mask``."""
        chosen = np.asarray(indices, dtype=np.int64)
        width = int(self.lengths[chosen].max())
        ids = np.full((len(chosen), width), self.pad, dtype=np.int64)
        mask = np.zeros((len(chosen), width), dtype=bool)
        hidden_targets = np.full((len(chosen), width), _IGNORED_TARGET, dtype=np.int64)
        for row, index in enumerate(chosen):
            tokens = self.sequences[index]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = True
            if self.masking is not None:
                hidden = np.flatnonzero(self.masking.positions(tokens, self.special))
                hidden_targets[row, hidden] = tokens[hidden]
                ids[row, hidden] = self.masking.token
        targets: Tensor | None = None
        if self.masking is not None:
            targets = torch.from_numpy(hidden_targets)
        elif self.targets is not None:
            targets = torch.from_numpy(self.targets[chosen])
        return Batch(
            args=(),
            kwargs={"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask.astype(np.int64))},
            examples=torch.from_numpy(chosen),
            mask=torch.from_numpy(mask),
            targets=targets,
        )

    def take(self, indices: NDArray[np.int64]) -> TokenData:
        """See `Data.take`."""
        chosen = np.asarray(indices)
        return TokenData(
            [self.sequences[i] for i in chosen],
            pad=self.pad,
            targets=None if self.targets is None else self.targets[chosen],
            masking=self.masking,
            special=self.special,
            clusters=self.clusters[chosen],
            description=self.description,
        )
