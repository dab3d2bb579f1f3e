"""A kernel machine: a predictor that is a sum of kernels at its centres, its gradients and its features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels import Kernel

_BLOCK_BYTES = 2**27


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
        rows = self._rows(0)
        parts = [
            self.kernel.matrix(part, self.centres, self.metric) @ self.coefficients
            for part in torch.split(inputs, rows)
        ]
        return torch.cat(parts)

    def jacobian(self, inputs: Tensor) -> Tensor:
        r"""Gradients :math:`\nabla f_c` at the rows of ``inputs`` in closed form, ``(n, outputs, d)``."""
        parts = [
            torch.cat(list(self._unmapped(part)), dim=1) for part in torch.split(inputs, self._rows(self._outputs))
        ]
        return torch.cat(parts) @ self.metric

    def agop(self, inputs: Tensor, *, centred: bool = False) -> Tensor:
        r"""The average gradient outer product over the rows of ``inputs``, ``(d, d)`` in float64.

        :math:`\frac1n \sum_{i,c} \nabla f_c(x_i) \nabla f_c(x_i)^\top`, or with ``centred`` the same of the gradients
        about their mean over rows, output by output.

        Cost: :math:`2\,n\,m\,d` operations an output for n rows and m centres; memory is bounded by blocks of rows
        and outputs.

        Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881; centred:
        Mallinar et al., arXiv:2407.20199.
        """
        width, n = inputs.shape[1], len(inputs)
        wide = self.metric.to(torch.float64)
        total = torch.zeros_like(wide)
        sums = wide.new_zeros(self.coefficients.shape[1], width)
        for part in torch.split(inputs, self._rows(self._outputs)):
            first = 0
            for block in self._unmapped(part):
                flat = block.reshape(-1, width)
                total += (flat.T @ flat).to(torch.float64)
                sums[first : first + block.shape[1]] += block.sum(dim=0, dtype=torch.float64)
                first += block.shape[1]
        found = total / n
        if centred:
            found -= (sums / n).T @ (sums / n)
        return wide @ found @ wide

    def _unmapped(self, inputs: Tensor) -> Iterator[Tensor]:
        """Gradients before M is applied, ``(rows, outputs, d)``, for one block of outputs after the other."""
        slopes = self.kernel.slopes(inputs, self.centres, self.metric)
        for some in torch.split(self.coefficients, self._outputs, dim=1):
            products = torch.einsum("io,id->iod", some, self.centres).flatten(1)
            block = (slopes.other @ products).reshape(len(inputs), some.shape[1], -1)
            if slopes.own is not None:
                block += torch.einsum("no,nd->nod", slopes.own @ some, inputs)
            yield block

    @property
    def _outputs(self) -> int:
        """Outputs in one block: their products with the centres fill it."""
        every = self.coefficients.shape[1]
        return max(1, min(every, _BLOCK_BYTES // (self.centres.element_size() * max(1, self.centres.numel()))))

    def _rows(self, outputs: int) -> int:
        """Rows in one block: kernel values, what they are made from, and gradients of ``outputs``."""
        n, width = self.centres.shape
        return max(1, _BLOCK_BYTES // (self.centres.element_size() * (4 * n + 2 * outputs * width)))


def fit(kernel: Kernel, inputs: Tensor, targets: Tensor, *, metric: Tensor, ridge: float) -> KernelMachine:
    r"""Kernel ridge regression: :math:`(K + \lambda I)\,\alpha = Y`, solved by Cholesky in float64.

    It minimises :math:`\sum_i \|y_i - f(x_i)\|^2 + \lambda \|f\|_{\mathcal H}^2`: a sum over examples, no mean.

    Parameters
    ----------
    inputs : ``(n, d)``.
    targets : ``(n, outputs)``.
    metric : M, ``(d, d)``.
    ridge : λ ≥ 0, in the unit of the kernel.

    Raises
    ------
    GnomonError : on shapes that do not match, values that are not finite, a negative ridge, and where
        :math:`K + \lambda I` is singular in float64.

    Cost: :math:`n^3/3` operations and :math:`16\,n^2` bytes.

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
    metric = metric.to(inputs)
    values = kernel.matrix(inputs, inputs, metric).to(torch.float64)
    values.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(values)
    if failed.any():
        raise GnomonError("the kernel matrix is singular", mend="raise ridge, or leave out repeated examples")
    coefficients = torch.cholesky_solve(targets.to(torch.float64), factor).to(inputs.dtype)
    return KernelMachine(kernel, inputs, coefficients, metric)
