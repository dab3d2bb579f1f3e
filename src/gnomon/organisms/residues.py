"""Residues modulo p and the two ways to compose them: as numbers that are added, and as numbers that are multiplied."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry import Cyclic, Group


class Residues(abc.ABC):
    """A cyclic group of residues modulo p.

    Its members are numbered twice: by *symbol*, the order in which networks see them (ascending residues), and by
    *element* of the group, in which composition is addition of the numbers. Both count from 0.

    Attributes
    ----------
    p : the modulus.
    name : of the operation, for people.
    """

    p: int
    name: str

    @property
    @abc.abstractmethod
    def order(self) -> int:
        """Number of members."""

    @property
    @abc.abstractmethod
    def elements(self) -> tuple[int, ...]:
        """The symbol of each element of the group."""

    @abc.abstractmethod
    def compose(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """The symbols of what the symbols ``a`` and ``b`` give together."""

    @property
    def group(self) -> Group:
        """The group, in the order of `elements`."""
        return Cyclic(self.order)


@dataclass(frozen=True)
class Additive(Residues):
    r"""All residues 0, …, p − 1 under addition: the cyclic group :math:`C_p`; symbol, residue and element are one.

    >>> Additive(5).compose(np.array([3]), np.array([4]))
    array([2])
    """

    p: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """See `Residues`."""
        return f"addition mod {self.p}"

    @property
    def order(self) -> int:
        """See `Residues.order`."""
        return self.p

    @property
    def elements(self) -> tuple[int, ...]:
        """See `Residues.elements`."""
        return tuple(range(self.p))

    def compose(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Residues.compose`."""
        return np.asarray((a + b) % self.p)


@dataclass(frozen=True)
class Multiplicative(Residues):
    r"""The residues 1, …, p − 1 under multiplication modulo a prime p: the cyclic group :math:`C_{p-1}`.

    Symbol s is the residue s + 1, element k the residue :math:`g^k` for the smallest primitive root g: elements are
    the residues in the order of their discrete logarithms, as :math:`g^j g^k = g^{j+k}`. To a network that sees
    symbols as unrelated tokens, the task is thus addition modulo p − 1 with its tokens renamed.

    Raises
    ------
    GnomonError : unless p is a prime of at least 3.

    Source: Gauss, Disquisitiones Arithmeticae (1801), art. 52–57.

    >>> Multiplicative(5).elements  # powers of 2: 1, 2, 4, 3
    (0, 1, 3, 2)
    """

    p: int

    def __post_init__(self) -> None:
        if self.p < 3 or any(self.p % d == 0 for d in range(2, int(self.p**0.5) + 1)):
            raise GnomonError(
                f"the non-zero residues modulo {self.p} are no group under multiplication",
                mend="choose a prime p of at least 3",
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """See `Residues`."""
        return f"multiplication mod {self.p}"

    @property
    def order(self) -> int:
        """See `Residues.order`."""
        return self.p - 1

    @property
    def elements(self) -> tuple[int, ...]:
        """See `Residues.elements`."""
        return next(powers for g in range(2, self.p + 1) if len(set(powers := self._powers(g))) == self.order)

    def compose(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Residues.compose`."""
        return np.asarray((a + 1) * (b + 1) % self.p - 1)

    def _powers(self, g: int) -> tuple[int, ...]:
        """The symbols of :math:`g^0, g^1, …`."""
        return tuple(pow(g, k, self.p) - 1 for k in range(self.order))
