"""How much memory a batch of any size will need, from trials with one example and with two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError


class MemoryLimitError(GnomonError):
    """A single example needs more than may be held."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """Memory of a product with a batch of n copies of one example.

    What is held after each operation is affine in n, and the peak is the largest of these: it may well be reached
    elsewhere than with one example, so that it cannot be told from the peaks of two trials alone. Where the network
    does otherwise with two examples than with one, the peak is taken to be in proportion to n, which it is at worst.

    Parameters
    ----------
    one, two : bytes held after each operation, for n = 1 and 2.
    graphs : bytes of the graph, which is held for as long as products are taken, for n = 1 and 2.
    """

    one: NDArray[np.int64]
    two: NDArray[np.int64]
    graphs: tuple[int, int]

    def peak(self, n: float) -> float:
        """Bytes held at the peak."""
        return float((self.one + (n - 1) * self._growth).max())

    def held(self, n: float) -> float:
        """Bytes of the graph."""
        one, two = self.graphs
        return one + (n - 1) * (two - one)

    def most(self, max_bytes: int) -> int:
        """The largest n whose peak is within ``max_bytes``; 0 if there is none."""
        if self.peak(1) > max_bytes:
            return 0
        growing = self._growth > 0
        room = (max_bytes - self.one[growing]) // self._growth[growing]
        return 1 + int(room.min(initial=np.iinfo(np.int32).max))

    @property
    def _growth(self) -> NDArray[np.int64]:
        if len(self.one) != len(self.two):
            return np.full_like(self.one, self.one.max())
        growth: NDArray[np.int64] = np.maximum(self.two - self.one, 0)
        return growth
