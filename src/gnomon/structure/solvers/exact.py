"""Kernel ridge regression by Cholesky's factorisation."""

from __future__ import annotations

import math

import torch
from scipy.linalg import lapack
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels import Kernel

_ROWS = 256
_SAFETY = 32.0  # a pivot below so many roundings of the largest, times the root of n, is not trusted


def solve_exactly(kernel: Kernel, inputs: Tensor, targets: Tensor, *, metric: Tensor, ridge: float) -> Tensor:
    r"""The coefficients of :math:`(K + \lambda I)\,\alpha = Y`, in the dtype of the inputs.

    float32 is factorised in float32, and again in float64 if a pivot is then not far above rounding; what it solves
    is the system of a kernel matrix that differs by rounding, :math:`\|E\| \approx \sqrt n\,\varepsilon\,\|K\|`.

    Parameters
    ----------
    inputs : ``(n, d)``.
    targets : ``(n, outputs)``.
    metric : M, ``(d, d)``.
    ridge : λ ≥ 0, in the unit of the kernel.

    Raises
    ------
    GnomonError : where :math:`K + \lambda I` is singular in float64.

    Cost: :math:`n^3/3` operations and one matrix of n² numbers.
    """
    factor = _factor(kernel, inputs, metric, ridge)
    if factor is None and inputs.dtype != torch.float64:
        factor = _factor(kernel, inputs.to(torch.float64), metric.to(torch.float64), ridge)
    if factor is None:
        raise GnomonError("the kernel matrix is singular", mend="raise ridge, or leave out repeated examples")
    half = torch.linalg.solve_triangular(factor.mT, targets.to(factor), upper=False)
    found: Tensor = torch.linalg.solve_triangular(factor, half, upper=True)
    return found.to(inputs.dtype)


def upper_triangle(kernel: Kernel, inputs: Tensor, metric: Tensor, ridge: float) -> Tensor:
    r""":math:`K + \lambda I`, ``(n, n)``, above the diagonal; what is below it is zero or not."""
    pairs, n = kernel.pairs(inputs, metric), len(inputs)
    values = inputs.new_empty(n, n)
    rows = _ROWS if inputs.device.type == "cpu" else 16 * _ROWS
    for first in range(0, n, rows):
        some = pairs.points[first : first + rows]
        values[first : first + rows, first:] = kernel.profile(pairs.arguments(some, first))
    values.diagonal().add_(ridge)
    return values


def _factor(kernel: Kernel, inputs: Tensor, metric: Tensor, ridge: float) -> Tensor | None:
    r"""R, upper triangular, with :math:`R^\top R = K + \lambda I`; ``None`` where rounding makes it none.

    What is below its diagonal means nothing.
    """
    values = upper_triangle(kernel, inputs, metric, ridge)
    if values.device.type == "cpu":
        # in place: torch would copy the matrix and then clear the other triangle
        decompose = lapack.spotrf if values.dtype == torch.float32 else lapack.dpotrf
        _, failed = decompose(values.numpy().T, lower=True, overwrite_a=True, clean=False)
        factor = values
    else:
        factor, status = torch.linalg.cholesky_ex(values, upper=True)
        failed = int(status)
    if failed:
        return None
    if values.dtype == torch.float64:
        return factor
    pivots = factor.diagonal().square()
    limit = _SAFETY * math.sqrt(len(inputs)) * torch.finfo(factor.dtype).eps * pivots.max()
    return factor if bool(pivots.min() > limit) else None
