"""Symmetric groups: permutations and their composition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry.group import Group, Irrep

_LARGEST = 5
Tableau = tuple[tuple[int, int], ...]  # the (row, column) that each number stands in


@dataclass(frozen=True)
class Symmetric(Group):
    r"""The permutations of n things, :math:`S_n`, n ≤ 5, in lexicographic order.

    The product is composition: :math:`(gh)(i) = g(h(i))`. There is a representation for every partition of n, here in
    Young's orthogonal form.

    Raises
    ------
    GnomonError : when n is not 1 to 5.

    Source: Young (1931); James & Kerber, The Representation Theory of the Symmetric Group (1981), section 3.4.

    >>> {irrep.name: irrep.dimension for irrep in Symmetric(4).irreps}
    {'(4)': 1, '(3, 1)': 3, '(2, 2)': 2, '(2, 1, 1)': 3, '(1, 1, 1, 1)': 1}
    """

    n: int

    def __post_init__(self) -> None:
        if not 1 <= self.n <= _LARGEST:
            raise GnomonError(f"S_{self.n} is out of reach", mend=f"give n from 1 to {_LARGEST}")

    @property
    def name(self) -> str:
        """See `Group.name`."""
        return f"S_{self.n}"

    @property
    def order(self) -> int:
        """See `Group.order`."""
        return len(self.permutations)

    @cached_property
    def permutations(self) -> NDArray[np.int64]:
        """``(order, n)``: each element as the images of 0, …, n − 1."""
        return np.array(list(itertools.permutations(range(self.n))), dtype=np.int64)

    def product(self, g: NDArray[np.int64], h: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Group.product`."""
        g, h = np.broadcast_arrays(g, h)
        return self.numbered(np.take_along_axis(self.permutations[g], self.permutations[h], axis=-1))

    def numbered(self, permutations: NDArray[np.int64]) -> NDArray[np.int64]:
        """The elements that ``(..., n)`` permutations are: their ranks in lexicographic order, by Lehmer's code."""
        later_and_smaller = np.triu(permutations[..., None, :] < permutations[..., :, None], 1).sum(axis=-1)
        place_values = np.array([math.factorial(self.n - 1 - i) for i in range(self.n)])
        return np.asarray(later_and_smaller @ place_values)

    @cached_property
    def irreps(self) -> tuple[Irrep, ...]:
        """See `Group.irreps`; partitions in falling order."""
        return tuple(Irrep(name=_named(p), matrices=self._matrices(p)) for p in _partitions(self.n, self.n))

    def _matrices(self, partition: tuple[int, ...]) -> NDArray[np.float64]:
        """From those of neighbouring transpositions, walking through the group from the identity."""
        swaps = [_swap(partition, self.n, i) for i in range(self.n - 1)]
        d = len(_tableaux(partition, self.n))
        found: dict[int, NDArray[np.float64]] = {0: np.eye(d)}
        frontier = [0]
        while frontier:
            reached = []
            for g in frontier:
                for i, swap in enumerate(swaps):
                    images = self.permutations[g].copy()
                    images[[i, i + 1]] = images[[i + 1, i]]  # g after the transposition
                    h = int(self.numbered(images))
                    if h not in found:
                        found[h] = found[g] @ swap
                        reached.append(h)
            frontier = reached
        return np.stack([found[g] for g in range(self.order)])


def _named(partition: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, partition))})"


def _partitions(n: int, largest: int) -> Iterator[tuple[int, ...]]:
    if n == 0:
        yield ()
    for first in range(min(n, largest), 0, -1):
        for rest in _partitions(n - first, first):
            yield (first, *rest)


def _tableaux(partition: tuple[int, ...], n: int) -> list[Tableau]:
    """Standard tableaux: 0, …, n − 1 put in one after the other so that rows never grow longer than those above."""
    found: list[tuple[Tableau, tuple[int, ...]]] = [((), (0,) * len(partition))]
    for _ in range(n):
        found = [
            ((*cells, (row, lengths[row])), (*lengths[:row], lengths[row] + 1, *lengths[row + 1 :]))
            for cells, lengths in found
            for row in range(len(partition))
            if lengths[row] < partition[row] and (row == 0 or lengths[row] < lengths[row - 1])
        ]
    return [cells for cells, _ in found]


def _swap(partition: tuple[int, ...], n: int, i: int) -> NDArray[np.float64]:
    r"""Young's orthogonal form of the transposition of i and i + 1.

    On the diagonal :math:`1/r`, with r the content of i + 1 less that of i; off it :math:`\sqrt{1 - 1/r^2}` between
    tableaux that differ by the exchange of i and i + 1.
    """
    tableaux = _tableaux(partition, n)
    place = {t: k for k, t in enumerate(tableaux)}
    matrix = np.zeros((len(tableaux), len(tableaux)))
    for k, t in enumerate(tableaux):
        (row, column), (next_row, next_column) = t[i], t[i + 1]
        distance = (next_column - next_row) - (column - row)
        matrix[k, k] = 1 / distance
        exchanged = (*t[:i], t[i + 1], t[i], *t[i + 2 :])
        if exchanged in place:
            matrix[k, place[exchanged]] = np.sqrt(1 - 1 / distance**2)
    return matrix
