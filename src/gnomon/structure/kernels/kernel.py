"""The contract of a kernel whose geometry can be learned."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Slopes:
    r"""The gradient of a kernel in its first argument: :math:`\nabla_x k_M(x, z) = M\,(a\,x + b\,z)`.

    Parameters
    ----------
    own : the factors a, shape ``(n, m)``; ``None`` where they are zero.
    other : the factors b, shape ``(n, m)``.
    """

    own: Tensor | None
    other: Tensor


class Kernel(abc.ABC):
    r"""A positive-definite kernel :math:`k_M(x, z)` that sees its arguments through a metric M only.

    M is a symmetric positive semi-definite matrix, ``(d, d)``; for points that are mapped by a matrix A,
    :math:`k_M(Ax, Az) = k_{A^\top M A}(x, z)`, so that learning M is learning linear features. Points are rows;
    everything is computed in their dtype, on their device.
    """

    @abc.abstractmethod
    def matrix(self, x: Tensor, z: Tensor, metric: Tensor) -> Tensor:
        """Values ``(n, m)`` between the rows of ``x``, ``(n, d)``, and those of ``z``, ``(m, d)``."""

    @abc.abstractmethod
    def slopes(self, x: Tensor, z: Tensor, metric: Tensor) -> Slopes:
        """Gradients in ``x`` at every pair of rows, as two factors a pair."""
