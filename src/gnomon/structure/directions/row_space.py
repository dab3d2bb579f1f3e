"""Coordinates in the span of the rows, so that what is fitted costs by the number of examples, not the dimension."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowSpace:
    r"""Centred inputs as coordinates in a basis of their span: :math:`x_i - \bar x = B\,z_i`.

    A method that is equivariant under rotations, and whose directions are sums of inputs, is the same there.

    Parameters
    ----------
    coordinates : the :math:`z_i`, ``(n, r)`` with :math:`r = \min(n, d)`.
    basis : B, ``(d, r)`` with orthonormal columns; ``None`` where the coordinates are the centred inputs themselves.

    >>> x = torch.randn(3, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> space = RowSpace.of(x)
    >>> tuple(space.coordinates.shape), torch.allclose(space.lift(space.coordinates.T), (x - x.mean(dim=0)).T)
    ((3, 3), True)
    """

    coordinates: Tensor
    basis: Tensor | None

    @classmethod
    def of(cls, inputs: Tensor) -> RowSpace:
        """That of ``inputs``, ``(n, d)``. Cost: :math:`2 n^2 d` operations where n < d, else nothing."""
        centred = inputs - inputs.mean(dim=0)
        if len(inputs) >= inputs.shape[1]:
            return cls(centred, None)
        q, r = torch.linalg.qr(centred.T)
        return cls(r.T.contiguous(), q)

    def lift(self, columns: Tensor) -> Tensor:
        """Columns of coordinates ``(r, …)`` as vectors of the inputs' space, ``(d, …)``."""
        return columns if self.basis is None else self.basis @ columns
