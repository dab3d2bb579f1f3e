"""Powers of the inner product."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels.kernel import Kernel


class Polynomial(Kernel):
    r"""The polynomial kernel :math:`(c + x^\top M z)^k`; with the defaults, the quadratic one.

    Its gradient is :math:`k\,(c + x^\top M z)^{k-1} M z`.

    Parameters
    ----------
    degree : k, at least 1.
    offset : c ≥ 0; with 0 the predictor is homogeneous of degree k.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> Polynomial().matrix(x, x, torch.eye(2)).item()
    25.0
    """

    def __init__(self, degree: int = 2, offset: float = 0.0) -> None:
        if degree < 1 or degree != int(degree):
            raise GnomonError(f"degree {degree} is not a positive integer")
        if not (offset >= 0 and math.isfinite(offset)):
            raise GnomonError(f"offset {offset} is negative", mend="the kernel would not be positive")
        self.degree = degree
        self.offset = offset

    radial: ClassVar[bool] = False

    def profile(self, arguments: Tensor) -> Tensor:
        """See `Kernel.profile`."""
        return arguments.add_(self.offset).pow_(self.degree)

    def slope(self, arguments: Tensor) -> Tensor:
        """See `Kernel.slope`."""
        return arguments.add_(self.offset).pow_(self.degree - 1).mul_(self.degree)
