"""Cyclic groups: addition of integers modulo n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry.group import Group, Irrep


@dataclass(frozen=True)
class Cyclic(Group):
    r"""The integers modulo n under addition, :math:`C_n`.

    Irreducible over the reals are the constants, for :math:`1 \le k < n/2` the plane of :math:`\cos(2\pi kg/n)` and
    :math:`\sin(2\pi kg/n)`, and for even n the alternating sign, :math:`k = n/2`.

    Raises
    ------
    GnomonError : when n is not positive.

    >>> Cyclic(5).names
    ('k = 0', 'k = 1', 'k = 2')
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise GnomonError(f"no cyclic group has order {self.n}", mend="give n ≥ 1")

    @property
    def name(self) -> str:
        """See `Group.name`."""
        return f"C_{self.n}"

    @property
    def order(self) -> int:
        """See `Group.order`."""
        return self.n

    def product(self, g: NDArray[np.int64], h: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `Group.product`."""
        return np.asarray((g + h) % self.n)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Group.names`."""
        return tuple(f"k = {k}" for k in range(self.n // 2 + 1))

    @cached_property
    def irreps(self) -> tuple[Irrep, ...]:
        """See `Group.irreps`; in the order of their frequencies."""
        return tuple(Irrep(name=name, matrices=self._matrices(k)) for k, name in enumerate(self.names))

    def _matrices(self, k: int) -> NDArray[np.float64]:
        angle = 2 * np.pi * (k * np.arange(self.n) % self.n) / self.n
        cos, sin = np.cos(angle), np.sin(angle)
        if 2 * k % self.n == 0:
            return np.where(cos > 0, 1.0, -1.0)[:, None, None]
        return np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)

    def power(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Group.power`; by a fast Fourier transform."""
        self.check(values)
        power = np.square(np.abs(np.fft.rfft(values, axis=-2))) / self.n
        power[..., 1 : (self.n + 1) // 2, :] *= 2  # k and −k
        return np.asarray(power)
