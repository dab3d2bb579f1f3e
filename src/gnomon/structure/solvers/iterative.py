"""Kernel ridge regression by preconditioned conjugate gradients, without the kernel matrix in memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernels import Kernel
from gnomon.structure.kernels.pairs import Pairs
from gnomon.structure.solvers.preconditioner import Preconditioner, randomly_pivoted

_BLOCK_BYTES = 2**26


def solve_iteratively(
    kernel: Kernel,
    inputs: Tensor,
    targets: Tensor,
    *,
    metric: Tensor,
    ridge: float,
    tolerance: float = 1e-4,
    rank: int | None = None,
    most: int = 500,
    rng: Rng,
) -> Tensor:
    r"""Coefficients with :math:`\|Y_c - (K + \lambda I)\alpha_c\| \le \text{tolerance}\,\|Y_c\|` for every output c.

    As the smallest eigenvalue of :math:`K + \lambda I` is at least λ, they are within
    :math:`\text{tolerance}\,\|Y_c\|/\lambda` of the exact ones, and the fitted values within
    :math:`\text{tolerance}\,\|Y_c\|`. Products with K are made block by block in the dtype of the inputs; everything
    else is float64.

    Parameters
    ----------
    inputs, targets, metric : as for `solve_exactly`.
    ridge : λ > 0.
    tolerance : of the residual, recomputed at the end.
    rank : of the preconditioner; :math:`10\sqrt n` by default.
    most : iterations at most.
    rng : chooses the columns of the preconditioner.

    Raises
    ------
    GnomonError : when λ is zero, or the tolerance is not reached.

    Cost: :math:`2 n^2 d` operations an iteration, :math:`n r^2` for the preconditioner, and :math:`n r` numbers.

    Source: Díaz, Epperly, Frangella, Tropp & Webber, arXiv:2304.12465.
    """
    if not ridge > 0:
        raise GnomonError("the iterative solver needs a positive ridge", mend="raise ridge, or ask for the exact one")
    pairs = kernel.pairs(inputs, metric)
    columns = min(len(inputs), math.ceil(10 * math.sqrt(len(inputs))) if rank is None else rank)
    precondition = Preconditioner(randomly_pivoted(kernel, pairs, columns, rng), ridge)
    aim = targets.to(torch.float64)
    wanted = tolerance * aim.norm(dim=0)
    found, residual = torch.zeros_like(aim), aim.clone()
    spent = 0
    while bool((residual.norm(dim=0) > wanted).any()):
        if spent >= most:
            worst = float((residual.norm(dim=0) / aim.norm(dim=0).clamp(min=1e-300)).max())
            raise GnomonError(
                f"after {spent} iterations the residual is {worst:.1e} of the targets, above {tolerance:.1e}",
                mend="raise ridge, rank or tolerance, or give inputs in float64",
            )
        # begun again from the true residual where the one that is carried along has drifted from it
        step, used = _descend(kernel, pairs, residual, precondition, ridge, 0.5 * wanted, most - spent)
        found, spent = found + step, spent + max(1, used)
        residual = aim - _product(kernel, pairs, found, ridge)
    return found.to(inputs.dtype)


def _descend(
    kernel: Kernel,
    pairs: Pairs,
    residual: Tensor,
    precondition: Preconditioner,
    ridge: float,
    wanted: Tensor,
    most: int,
) -> tuple[Tensor, int]:
    """What to add to the coefficients, and the iterations it took: one recursion an output, products shared."""
    found = torch.zeros_like(residual)
    residual = residual.clone()
    lifted = precondition(residual)
    direction, energy = lifted.clone(), (residual * lifted).sum(dim=0)
    tiny = torch.finfo(torch.float64).tiny
    for used in range(most):
        if not bool((residual.norm(dim=0) > wanted).any()):
            return found, used
        image = _product(kernel, pairs, direction, ridge)
        length = energy / (direction * image).sum(dim=0).clamp(min=tiny)
        found += length * direction
        residual -= length * image
        lifted = precondition(residual)
        before, energy = energy, (residual * lifted).sum(dim=0)
        direction = lifted + energy / before.clamp(min=tiny) * direction
    return found, most


def _product(kernel: Kernel, pairs: Pairs, vectors: Tensor, ridge: float) -> Tensor:
    r""":math:`(K + \lambda I) V` in float64 from blocks of K."""
    points = pairs.points
    rows = max(1, _BLOCK_BYTES // (points.element_size() * len(points)))
    narrow = vectors.to(points)
    parts = [(kernel.profile(pairs.arguments(some)) @ narrow).to(torch.float64) for some in torch.split(points, rows)]
    return torch.cat(parts) + ridge * vectors
