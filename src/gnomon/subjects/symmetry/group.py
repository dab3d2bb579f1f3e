"""Finite groups: elements as numbers, a multiplication table, and irreducible representations over the reals."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError


@dataclass(frozen=True, kw_only=True, eq=False)
class Irrep:
    r"""An irreducible representation over the real numbers.

    Parameters
    ----------
    name : e.g. ``k = 3`` of a cyclic group, ``(3, 1)`` of a symmetric group.
    matrices : ``(order, d, d)``, orthogonal: :math:`\rho(g)` of every element.

    Over the complex numbers it either stays irreducible (``norm`` 1) or falls into two conjugate halves (``norm`` 2:
    the planes of a cyclic group, where the frequencies k and −k belong together).
    """

    name: str
    matrices: NDArray[np.float64]

    @property
    def dimension(self) -> int:
        """Real dimension d."""
        return int(self.matrices.shape[1])

    @property
    def character(self) -> NDArray[np.float64]:
        r""":math:`\chi(g) = \operatorname{tr}\rho(g)` of every element."""
        return np.asarray(np.einsum("gii->g", self.matrices))

    @property
    def norm(self) -> int:
        r""":math:`\langle\chi, \chi\rangle = |G|^{-1}\sum_g \chi(g)^2`: 1 or 2."""
        return round(float(np.mean(self.character**2)))

    @property
    def multiplicity(self) -> int:
        r"""Dimension :math:`d^2/\langle\chi,\chi\rangle` of the functions on the group that belong to it."""
        return self.dimension**2 // self.norm

    @property
    def functions(self) -> NDArray[np.float64]:
        r"""``(order, multiplicity)``: an orthonormal basis of the functions on the group that belong to it.

        They are the matrix entries :math:`\sqrt{d/|G|}\,\rho_{ij}(g)`; where two halves are conjugate, those of half of
        the rows (the others repeat them).
        """
        order, d, _ = self.matrices.shape
        rows = self.matrices[:, : d // self.norm]
        return np.asarray(rows.reshape(order, -1) * np.sqrt(d / order))


class Group(abc.ABC):
    """A finite group whose elements are the numbers 0, …, order − 1; 0 is the identity."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Such as ``C_113``."""

    @property
    @abc.abstractmethod
    def order(self) -> int:
        """Number of elements."""

    @abc.abstractmethod
    def product(self, g: NDArray[np.int64], h: NDArray[np.int64]) -> NDArray[np.int64]:
        """The elements gh; the arrays broadcast."""

    @property
    @abc.abstractmethod
    def irreps(self) -> tuple[Irrep, ...]:
        """All irreducible representations over the reals, the trivial one first."""

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """``(order, order)``: the element gh in row g and column h."""
        elements = np.arange(self.order)
        return self.product(elements[:, None], elements[None, :])

    @cached_property
    def inverses(self) -> NDArray[np.int64]:
        """The inverse of every element."""
        return np.asarray(np.argmin(self.table, axis=1))

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each irreducible representation."""
        return tuple(irrep.name for irrep in self.irreps)

    def power(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""How much of each column of ``values`` belongs to each irreducible representation.

        The projector :math:`P_\rho = \frac{d_\rho}{\langle\chi,\chi\rangle|G|}\sum_g \chi_\rho(g)\,R(g)`, with R the
        regular representation, splits a function f on the group into parts of power :math:`\|P_\rho f\|^2`, which add
        up to :math:`\|f\|^2`.

        Parameters
        ----------
        values : ``(..., order, m)``, a row for every element: m functions.

        Returns
        -------
        ``(..., irreps, m)``.
        """
        self.check(values)
        values = np.asarray(values, dtype=np.float64)
        parts = [np.square(irrep.functions.T @ values).sum(axis=-2) for irrep in self.irreps]
        return np.stack(parts, axis=-2)

    def check(self, values: NDArray[np.float64]) -> None:
        """Raises GnomonError unless ``values`` has a row for every element."""
        if values.ndim < 2 or values.shape[-2] != self.order:
            raise GnomonError(
                f"values of shape {values.shape} are no function on {self.name}", mend=f"give {self.order} rows"
            )
