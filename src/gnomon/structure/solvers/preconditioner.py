"""A low-rank preconditioner of kernel ridge regression: randomly pivoted Cholesky."""

from __future__ import annotations

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernels import Kernel
from gnomon.structure.kernels.pairs import Pairs

_BLOCK = 128


def randomly_pivoted(kernel: Kernel, pairs: Pairs, rank: int, rng: Rng) -> Tensor:
    r"""F, ``(n, rank)`` or narrower, with :math:`F F^\top \approx K`, from as many columns of K between the points.

    Columns are drawn in blocks, with the diagonal of what is left of K as their weights. It ends early when nothing
    is left.

    Cost: :math:`n\,r\,(d + r)` operations; K is never whole in memory.

    Source: Chen, Epperly, Tropp & Webber, Communications on Pure and Applied Mathematics 78 (2025) 995,
    arXiv:2207.06503 (block form).
    """
    points = pairs.points
    left = kernel.profile(pairs.own(points)).clone()
    floor = 16 * torch.finfo(left.dtype).eps * float(left.max())
    generator = rng.child("pivots").torch(points.device)
    found, filled = points.new_zeros(len(points), rank), 0
    while filled < rank and float(left.max()) > floor:
        count = min(_BLOCK, rank - filled)
        drawn = torch.unique(torch.multinomial(left, count, replacement=True, generator=generator))
        columns = kernel.profile(pairs.arguments(points[drawn])).T - found[:, :filled] @ found[drawn, :filled].T
        own = columns[drawn].to(torch.float64)
        own.diagonal().add_(float(own.trace()) * torch.finfo(left.dtype).eps)
        factor, failed = torch.linalg.cholesky_ex((own + own.T) / 2)
        if failed.any():
            break
        new = torch.linalg.solve_triangular(factor.to(columns), columns.T, upper=False).T
        found[:, filled : filled + len(drawn)] = new
        filled += len(drawn)
        left = (left - new.square().sum(dim=1)).clamp_(min=0.0)
        left[drawn] = 0.0
    return found[:, :filled]


class Preconditioner:
    r""":math:`(F F^\top + \lambda I)^{-1}` by Woodbury's identity, in float64.

    Parameters
    ----------
    low_rank : F, ``(n, r)``.
    ridge : λ > 0.

    Source: Díaz, Epperly, Frangella, Tropp & Webber, arXiv:2304.12465.
    """

    def __init__(self, low_rank: Tensor, ridge: float) -> None:
        self._low_rank = low_rank.to(torch.float64)
        self._ridge = ridge
        inner = self._low_rank.T @ self._low_rank
        rounding = torch.finfo(low_rank.dtype).eps * float(inner.diagonal().max()) if inner.numel() else 0.0
        inner.diagonal().add_(max(ridge, rounding))
        self._factor, failed = torch.linalg.cholesky_ex(inner)
        if failed.any():
            raise GnomonError("the preconditioner is singular", mend="raise ridge, or give inputs in float64")

    def __call__(self, vectors: Tensor) -> Tensor:
        """It times ``vectors``, ``(n, c)`` in float64."""
        back = self._low_rank @ torch.cholesky_solve(self._low_rank.T @ vectors, self._factor)
        return (vectors - back) / self._ridge
