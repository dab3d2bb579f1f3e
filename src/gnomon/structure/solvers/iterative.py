"""Kernel ridge regression by preconditioned conjugate gradients, with no more of the kernel matrix than fits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernels import Kernel
from gnomon.structure.kernels.pairs import Pairs
from gnomon.structure.solvers.preconditioner import Preconditioner, randomly_pivoted

_BLOCK_BYTES = {"cpu": 2**22, "other": 2**28}  # on a CPU, what its caches hold
_KEPT_BYTES = 8 * 20_000**2  # what the exact solver takes at its largest
_GAIN = 0.5  # a new beginning that leaves more of the residual is at the rounding of the products


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
    :math:`\text{tolerance}\,\|Y_c\|`. Products with K are made block by block in the dtype of the inputs, and in
    float64 once those no longer bring the residual down; everything else is float64.

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

    Cost: :math:`n^2 d` operations and :math:`n^2/2` values of the kernel, once where 3.2 GB hold them (40,000 examples
    in float32, 28,000 in float64) and for what they do not hold in every iteration; besides :math:`2 n^2` operations
    an iteration, :math:`n r^2` for the preconditioner, and :math:`n r` numbers.

    Source: Díaz, Epperly, Frangella, Tropp & Webber, arXiv:2304.12465.
    """
    if not ridge > 0:
        raise GnomonError("the iterative solver needs a positive ridge", mend="raise ridge, or ask for the exact one")
    columns = min(len(inputs), math.ceil(10 * math.sqrt(len(inputs))) if rank is None else rank)
    aim = targets.to(torch.float64)
    found, worst = torch.zeros_like(aim), 1.0
    for numbers in dict.fromkeys((inputs.dtype, torch.float64)):
        pairs = kernel.pairs(inputs.to(numbers), metric.to(numbers))
        matrix = _Matrix(kernel, pairs, ridge)
        precondition = Preconditioner(randomly_pivoted(kernel, pairs, columns, rng), ridge)
        found, worst = _refined(matrix, found, aim, precondition, tolerance, most)
        if worst <= tolerance:
            return found.to(inputs.dtype)
    raise GnomonError(
        f"the residual stays at {worst:.1e} of the targets, above {tolerance:.1e}, after up to {most} iterations",
        mend="raise ridge, rank or tolerance",
    )


def _refined(
    matrix: _Matrix, found: Tensor, aim: Tensor, precondition: Preconditioner, tolerance: float, most: int
) -> tuple[Tensor, float]:
    """Coefficients from those ``found`` on, and their residual as a share of the targets, the worst of all outputs.

    Begun again from the true residual where the one that is carried along has drifted from it, as long as that gains.
    """
    sizes = aim.norm(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
    residual, before, spent = aim - matrix @ found, math.inf, 0
    worst = float((residual.norm(dim=0) / sizes).max())
    while worst > tolerance and worst <= _GAIN * before and spent < most:
        step, used = _descend(matrix, residual, precondition, 0.5 * tolerance * sizes, most - spent)
        found, spent = found + step, spent + max(1, used)
        residual, before = aim - matrix @ found, worst
        worst = float((residual.norm(dim=0) / sizes).max())
    return found, worst


def _descend(
    matrix: _Matrix, residual: Tensor, precondition: Preconditioner, wanted: Tensor, most: int
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
        image = matrix @ direction
        length = energy / (direction * image).sum(dim=0).clamp(min=tiny)
        found += length * direction
        residual -= length * image
        lifted = precondition(residual)
        before, energy = energy, (residual * lifted).sum(dim=0)
        direction = lifted + energy / before.clamp(min=tiny) * direction
    return found, most


class _Matrix:
    r""":math:`K + \lambda I` as what multiplies vectors: blocks of rows of its upper triangle, kept where they fit."""

    def __init__(self, kernel: Kernel, pairs: Pairs, ridge: float) -> None:
        self._kernel, self._pairs, self._ridge = kernel, pairs, ridge
        points = pairs.points
        most = _BLOCK_BYTES["cpu" if points.device.type == "cpu" else "other"]
        self._rows = max(64, most // (points.element_size() * len(points)))
        self._kept: list[Tensor] = []
        self._room = _KEPT_BYTES

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Of ``(n, c)`` in float64, the same."""
        narrow = vectors.to(self._pairs.points)
        total = self._ridge * vectors
        for number, first in enumerate(range(0, len(vectors), self._rows)):
            block, last = self._block(number), first + self._rows
            total[first:last] += block @ narrow[first:]
            total[last:] += block[:, self._rows :].T @ narrow[first:last]
        return total

    def _block(self, number: int) -> Tensor:
        """Rows of K from ``number`` times as many on, and columns from there on."""
        if number < len(self._kept):
            return self._kept[number]
        first = number * self._rows
        some = self._pairs.points[first : first + self._rows]
        block = self._kernel.profile(self._pairs.arguments(some, first))
        size = block.numel() * block.element_size()
        if number == len(self._kept) and size <= self._room:
            self._kept.append(block)
            self._room -= size
        return block
