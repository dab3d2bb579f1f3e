"""Dihedral groups: rotations and reflections of a regular polygon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry.group import Group, Irrep


@dataclass(frozen=True)
class Dihedral(Group):
    r"""The symmetries of a regular n-gon, :math:`D_n`, of order 2n.

    Element :math:`r + ns` is the reflection, if s is 1, followed by the rotation by r n-ths of a turn. There are two
    representations of dimension 1 (four for even n), and one of dimension 2 for each :math:`1 \le k < n/2`.

    Raises
    ------
    GnomonError : when n is not positive.

    >>> Dihedral(4).order, [irrep.dimension for irrep in Dihedral(4).irreps]
    (8, [1, 1, 1, 1, 2])
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise GnomonError(f"no polygon has {self.n} corners", mend="give n ≥ 1")

    @property
    def name(self) -> str:
        """See `Group.name`."""
        return f"D_{self.n}"

    @property
    def order(self) -> int:
        """See `Group.order`."""
        return 2 * self.n

    def product(self, g: NDArray[np.int64], h: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Group.product`: a rotation that a reflection stands before is turned round."""
        flipped = g // self.n
        turned = (g + np.where(flipped == 1, -1, 1) * (h % self.n)) % self.n
        return np.asarray(turned + self.n * ((flipped + h // self.n) % 2))

    @cached_property
    def irreps(self) -> tuple[Irrep, ...]:
        """See `Group.irreps`; those of dimension 1 first."""
        elements = np.arange(self.order)
        turn, mirror = elements % self.n, 1 - 2 * (elements // self.n)
        signs = {"trivial": np.ones(self.order), "reflection": mirror.astype(np.float64)}
        if self.n % 2 == 0:
            alternating = (1 - 2 * (turn % 2)).astype(np.float64)
            signs |= {"alternating": alternating, "alternating, reflection": alternating * mirror}
        planes = {f"k = {k}": self._plane(k, turn, mirror) for k in range(1, (self.n + 1) // 2)}
        ones = {name: sign[:, None, None] for name, sign in signs.items()}
        return tuple(Irrep(name=name, matrices=matrices) for name, matrices in {**ones, **planes}.items())

    def _plane(self, k: int, turn: NDArray[np.int64], mirror: NDArray[np.int64]) -> NDArray[np.float64]:
        angle = 2 * np.pi * (k * turn % self.n) / self.n
        cos, sin = np.cos(angle), np.sin(angle)
        # the reflection, which comes first, turns the second coordinate's sign
        return np.stack([np.stack([cos, -sin * mirror], axis=1), np.stack([sin, cos * mirror], axis=1)], axis=1)
