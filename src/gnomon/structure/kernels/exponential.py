"""Exponentials of a power of the Mahalanobis distance: Gaussian, Laplace and what is between."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels.kernel import Kernel


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

    radial: ClassVar[bool] = True

    def profile(self, arguments: Tensor) -> Tensor:
        """See `Kernel.profile`."""
        scaled = arguments.div_(self.bandwidth**2)
        if self.exponent == 2.0:
            return scaled.neg_().exp_()
        if self.exponent == 1.0:
            return scaled.sqrt_().neg().exp_()
        # cheaper than a power
        return scaled.log_().mul_(self.exponent / 2).exp_().neg().exp_()

    def slope(self, arguments: Tensor) -> Tensor:
        """See `Kernel.slope`."""
        factor = -self.exponent / (2 * self.bandwidth**2)
        if self.exponent == 2.0:
            return self.profile(arguments).mul_(factor)
        scaled = arguments.div_(self.bandwidth**2)
        if self.exponent == 1.0:
            distances = scaled.sqrt_()
            return distances.neg().exp_().div_(distances).mul_(factor)
        logarithms = scaled.log_()
        powers = (self.exponent / 2 * logarithms).exp_()
        return logarithms.mul_(self.exponent / 2 - 1).sub_(powers).exp_().mul_(factor)

    def rescaled(self, factor: float) -> ExponentialPower:
        """The same kernel with ``factor`` times the bandwidth."""
        return ExponentialPower(factor * self.bandwidth, self.exponent)


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
