"""Exponentials of a power of the Mahalanobis distance: Gaussian, Laplace and what is between."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels.kernel import Kernel, Slopes

_ROUNDINGS = 16.0  # squared distances below so many roundings of the squared norms are those of equal points


class ExponentialPower(Kernel):
    r"""The generalised kernel :math:`\exp(-(\rho / L)^{\gamma})`, :math:`\rho^2 = (x-z)^\top M (x-z)`.

    It is positive definite for :math:`0 < \gamma \le 2`; :math:`\gamma = 1` is `Laplace`, :math:`\gamma = 2` is
    `Gaussian` with :math:`\sigma = L/\sqrt 2`. Its gradient is
    :math:`-\frac{\gamma}{L^2} (\rho/L)^{\gamma-2} k\, M (x - z)`. At :math:`x = z` it has none for
    :math:`\gamma \le 1`; zero, the mean of the gradients around that point, is taken.

    Parameters
    ----------
    bandwidth : L, in the unit of :math:`\rho`.
    exponent : the power :math:`\gamma`.

    Source: Schoenberg, Transactions of the AMS 44 (1938) 522 (positive definiteness).

    >>> import torch
    >>> x, z = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> round(ExponentialPower(bandwidth=5.0, exponent=1.5).matrix(x, z, torch.eye(2)).item(), 4)
    0.3679
    """

    def __init__(self, bandwidth: float, exponent: float) -> None:
        if not (bandwidth > 0 and math.isfinite(bandwidth)):
            raise GnomonError(f"bandwidth {bandwidth} is not a positive number")
        if not 0 < exponent <= 2:
            raise GnomonError(f"exponent {exponent} is not in (0, 2]", mend="beyond 2 the kernel is not positive")
        self.bandwidth = bandwidth
        self.exponent = exponent

    def matrix(self, x: Tensor, z: Tensor, metric: Tensor) -> Tensor:
        """See `Kernel.matrix`."""
        scaled = squared_distances(x, z, metric).div_(self.bandwidth**2)
        return scaled.pow_(self.exponent / 2).neg_().exp_()

    def slopes(self, x: Tensor, z: Tensor, metric: Tensor) -> Slopes:
        """See `Kernel.slopes`."""
        scaled = squared_distances(x, z, metric).div_(self.bandwidth**2)
        apart = scaled > 0
        steepness = torch.where(apart, scaled, 1.0).pow_(self.exponent / 2 - 1)
        if self.exponent < 2:
            steepness *= apart
        other = scaled.pow_(self.exponent / 2).neg_().exp_().mul_(steepness).mul_(self.exponent / self.bandwidth**2)
        return Slopes(own=-other, other=other)


class Gaussian(ExponentialPower):
    r"""The Gaussian kernel :math:`\exp(-\rho^2 / 2\sigma^2)`, :math:`\rho^2 = (x-z)^\top M (x-z)`.

    Parameters
    ----------
    bandwidth : the standard deviation :math:`\sigma`, in the unit of :math:`\rho`.
    """

    def __init__(self, bandwidth: float) -> None:
        super().__init__(math.sqrt(2) * bandwidth, 2.0)


class Laplace(ExponentialPower):
    r"""The Laplace kernel :math:`\exp(-\rho / L)`, :math:`\rho^2 = (x-z)^\top M (x-z)`.

    Parameters
    ----------
    bandwidth : the length L, in the unit of :math:`\rho`.
    """

    def __init__(self, bandwidth: float) -> None:
        super().__init__(bandwidth, 1.0)


def squared_distances(x: Tensor, z: Tensor, metric: Tensor) -> Tensor:
    r""":math:`(x-z)^\top M (x-z)` between all rows, ``(n, m)``.

    It is expanded about the mean of ``z`` into one product of matrices; what rounding leaves of the distance of
    equal points is set to zero.
    """
    centre = z.mean(dim=0)
    x, z = x - centre, z - centre
    mapped = z @ metric
    own, other = ((x @ metric) * x).sum(dim=1), (mapped * z).sum(dim=1)
    norms = own[:, None] + other
    found = norms - 2 * (x @ mapped.T)
    return found.masked_fill_(found <= _ROUNDINGS * torch.finfo(found.dtype).eps * norms, 0.0)
