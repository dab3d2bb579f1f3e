"""Explicit randomness: a seed with named children, so that no draw depends on the order of others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Rng:
    """An immutable source of randomness.

    ``Rng(seed).child("twonn", "blocks.3")`` is the same stream whatever else was drawn before, in whichever
    process. Generators made from it are fresh each time, so an `Rng` can be passed around freely: whoever
    needs two different streams asks for two children.

    >>> a = Rng(0).child("probe")
    >>> bool(a.numpy().random() == a.numpy().random())
    True
    >>> bool(a.numpy().random() == Rng(0).child("other").numpy().random())
    False
    """

    seed: int
    path: tuple[str, ...] = ()

    def child(self, *names: str | int) -> Rng:
        """The stream that belongs to ``names`` below this one."""
        return Rng(self.seed, (*self.path, *(str(n) for n in names)))

    @property
    def key(self) -> int:
        """64-bit integer that identifies this stream."""
        text = "\x1f".join((str(self.seed), *self.path))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def numpy(self) -> np.random.Generator:
        """A fresh NumPy generator at the start of this stream."""
        return np.random.default_rng(self.key)

    def torch(self, device: str | torch.device = "cpu") -> torch.Generator:
        """A fresh torch generator at the start of this stream, on ``device``."""
        import torch

        return torch.Generator(device=device).manual_seed(self.key >> 1)


def hashed(key: int, first: NDArray[np.int64], *rest: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A pseudo-random 64-bit number for each tuple of integers, whatever the order or grouping they come in.

    What has to be drawn once an example, position or class, independent of the batching, is drawn so.
    The columns broadcast. Source: the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

    >>> a = hashed(7, np.arange(4))
    >>> bool((hashed(7, np.array([2, 0])) == a[[2, 0]]).all())
    True
    """
    state = _mix(np.uint64(key) ^ _mix(first.astype(np.uint64)))
    for column in rest:
        state = _mix(state ^ column.astype(np.uint64))
    return state


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
