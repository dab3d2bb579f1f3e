"""A kernel machine: a predictor that is a sum of kernels at its centres, its gradients and its features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernels import Kernel
from gnomon.structure.kernels.pairs import Pairs
from gnomon.structure.solvers import solve_exactly, solve_iteratively

_BLOCK_BYTES = {"cpu": 2**22, "other": 2**28}  # on a CPU, what its caches hold
EXACT_ROWS = 20_000

Solver = Literal["auto", "exact", "iterative"]


@dataclass(frozen=True, eq=False)
class KernelMachine:
    r"""The predictor :math:`f(x) = \sum_i \alpha_i\, k_M(x, z_i)`.

    Parameters
    ----------
    kernel : k.
    centres : the :math:`z_i`, ``(n, d)``; their dtype and device are those of everything.
    coefficients : the :math:`\alpha_i`, ``(n, outputs)``.
    metric : M, ``(d, d)``, symmetric.
    """

    kernel: Kernel
    centres: Tensor
    coefficients: Tensor
    metric: Tensor

    def predict(self, inputs: Tensor) -> Tensor:
        """Predictions ``(n, outputs)`` at the rows of ``inputs``."""
        pairs = self.kernel.pairs(self.centres, self.metric)
        parts = [
            self.kernel.profile(pairs.arguments(pairs.shifted(part))) @ self.coefficients
            for part in torch.split(inputs, self._rows(0))
        ]
        return torch.cat(parts)

    def jacobian(self, inputs: Tensor) -> Tensor:
        r"""Gradients :math:`\nabla f_c` at the rows of ``inputs`` in closed form, ``(n, outputs, d)``."""
        pairs = self.kernel.pairs(self.centres, self.metric)
        parts = [
            torch.cat([block for _, block in self._unmapped(pairs, part)], dim=1)
            for part in torch.split(inputs, self._rows(self._outputs))
        ]
        return torch.cat(parts) @ self.metric

    def agop(self, inputs: Tensor, *, centred: bool = False) -> Tensor:
        r"""The average gradient outer product over the rows of ``inputs``, ``(d, d)`` in float64.

        :math:`\frac1n \sum_{i,c} \nabla f_c(x_i) \nabla f_c(x_i)^\top`, or with ``centred`` the same of the gradients
        about their mean over rows, output by output.

        Cost: :math:`2\,n\,m\,d` operations an output for n rows and m centres, once more that for the distances;
        memory is bounded by blocks of rows and outputs.

        Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881; centred:
        Mallinar et al., arXiv:2407.20199.
        """
        pairs = self.kernel.pairs(self.centres, self.metric)
        width, n = inputs.shape[1], len(inputs)
        wide = self.metric.to(torch.float64)
        total = torch.zeros_like(wide)
        sums = wide.new_zeros(self.coefficients.shape[1], width)
        for part in torch.split(inputs, self._rows(self._outputs)):
            for first, block in self._unmapped(pairs, part):
                flat = block.reshape(-1, width)
                total += (flat.T @ flat).to(torch.float64)
                if centred:
                    sums[first : first + block.shape[1]] += block.sum(dim=0, dtype=torch.float64)
        found = total / n
        if centred:
            found -= (sums / n).T @ (sums / n)
        return wide @ found @ wide

    def _unmapped(self, pairs: Pairs, inputs: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Gradients before M is applied, ``(rows, outputs, d)``, by the first output of each block of outputs."""
        shifted = pairs.shifted(inputs)
        slopes = self.kernel.slope(pairs.arguments(shifted, equal=math.inf))
        for first in range(0, self.coefficients.shape[1], self._outputs):
            some = self.coefficients[:, first : first + self._outputs]
            products = torch.einsum("io,id->iod", some, pairs.points).flatten(1)
            block = (slopes @ products).reshape(len(inputs), some.shape[1], -1)
            if pairs.radial:
                block = 2 * (torch.einsum("no,nd->nod", slopes @ some, shifted) - block)
            yield first, block

    @property
    def _outputs(self) -> int:
        """Outputs in one block: their products with the centres fill it, or sixteen times it."""
        every = self.coefficients.shape[1]
        return max(1, min(every, 16 * self._bytes // (self.centres.element_size() * max(1, self.centres.numel()))))

    def _rows(self, outputs: int) -> int:
        """Rows in one block: kernel values, what they are made from, and gradients of ``outputs``."""
        n, width = self.centres.shape
        fitting = self._bytes // (self.centres.element_size() * (n + 2 * outputs * width))
        return max(1, min(fitting, 16_384)) if self.centres.device.type != "cpu" else max(64, fitting)

    @property
    def _bytes(self) -> int:
        return _BLOCK_BYTES["cpu" if self.centres.device.type == "cpu" else "other"]


def fit(
    kernel: Kernel,
    inputs: Tensor,
    targets: Tensor,
    *,
    metric: Tensor,
    ridge: float,
    solver: Solver = "auto",
    rng: Rng | None = None,
) -> KernelMachine:
    r"""Kernel ridge regression: :math:`(K + \lambda I)\,\alpha = Y`.

    It minimises :math:`\sum_i \|y_i - f(x_i)\|^2 + \lambda \|f\|_{\mathcal H}^2`: a sum over examples, no mean.

    Parameters
    ----------
    inputs : ``(n, d)``; their dtype and device are those of the machine.
    targets : ``(n, outputs)``.
    metric : M, ``(d, d)``.
    ridge : λ ≥ 0, in the unit of the kernel.
    solver : ``exact``, see `gnomon.structure.solvers.solve_exactly`; ``iterative``, see
        `gnomon.structure.solvers.solve_iteratively`; ``auto``, the second past 20,000 examples.
    rng : chooses the preconditioner of the iterative solver; seed 0 by default.

    Raises
    ------
    GnomonError : on shapes that do not match, values that are not finite, a negative ridge, an unknown solver, and
        as the solvers do.

    Source: Saunders, Gammerman & Vovk, ICML 1998.

    >>> from gnomon.structure.kernels import Gaussian
    >>> x = torch.linspace(0, 1, 8, dtype=torch.float64)[:, None]
    >>> machine = fit(Gaussian(0.3), x, x**2, metric=torch.eye(1, dtype=torch.float64), ridge=1e-10)
    >>> bool((machine.predict(x) - x**2).abs().max() < 1e-6)
    True
    """
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not len(inputs):
        raise GnomonError(
            f"inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)} are not two matrices with as many rows"
        )
    if not (torch.isfinite(inputs).all() and torch.isfinite(targets).all()):
        raise GnomonError("inputs or targets are not finite", mend="leave out such examples")
    if not ridge >= 0:
        raise GnomonError(f"ridge {ridge} is negative")
    if solver not in get_args(Solver):
        raise GnomonError(f"unknown solver {solver!r}", mend=f"one of {', '.join(get_args(Solver))}")
    metric = metric.to(inputs)
    if solver == "exact" or (solver == "auto" and len(inputs) <= EXACT_ROWS):
        coefficients = solve_exactly(kernel, inputs, targets, metric=metric, ridge=ridge)
    else:
        rng = Rng(0) if rng is None else rng
        coefficients = solve_iteratively(kernel, inputs, targets, metric=metric, ridge=ridge, rng=rng)
    return KernelMachine(kernel, inputs, coefficients, metric)
