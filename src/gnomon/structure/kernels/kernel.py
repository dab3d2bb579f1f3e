"""The contract of a kernel whose geometry can be learned."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import Tensor

from gnomon.structure.kernels.pairs import Pairs


class Kernel(abc.ABC):
    r"""A positive-definite kernel :math:`k_M(x, z) = \varphi(u)` that sees a pair of points as one number u.

    With a metric M, symmetric and positive semi-definite, :math:`u = (x-z)^\top M (x-z)` for a radial kernel and
    :math:`u = x^\top M z` for the others. For points that are mapped by a matrix A,
    :math:`k_M(Ax, Az) = k_{A^\top M A}(x, z)`, so that learning M is learning linear features. Its gradient in x is
    :math:`2\varphi'(u)\,M(x-z)` or :math:`\varphi'(u)\,Mz`. Points are rows; everything is computed in their dtype,
    on their device.

    Attributes
    ----------
    radial : whether u is a squared distance; if not, it is an inner product.
    """

    radial: ClassVar[bool]

    @abc.abstractmethod
    def profile(self, arguments: Tensor) -> Tensor:
        r""":math:`\varphi(u)` for every entry of ``arguments``, which may be overwritten."""

    @abc.abstractmethod
    def slope(self, arguments: Tensor) -> Tensor:
        r""":math:`\varphi'(u)` for every entry of ``arguments``, which may be overwritten; 0 for a radial kernel at ∞.

        Equal points, between which the gradient of a radial kernel is zero (or has zero for the mean of its
        surroundings), are given as infinitely far: :math:`\varphi'(0)` need not be finite.
        """

    def pairs(self, points: Tensor, metric: Tensor) -> Pairs:
        """What gives u between any inputs and ``points``, ``(m, d)``, for the metric ``(d, d)``."""
        return Pairs(points, metric, radial=self.radial)

    def matrix(self, x: Tensor, z: Tensor, metric: Tensor) -> Tensor:
        """Values ``(n, m)`` between the rows of ``x``, ``(n, d)``, and those of ``z``, ``(m, d)``."""
        pairs = self.pairs(z, metric)
        return self.profile(pairs.arguments(pairs.shifted(x)))
