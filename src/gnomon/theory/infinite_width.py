r"""Kernels of fully connected networks of infinite width: NNGP (random networks) and NTK (networks in training).

The network has L hidden layers of N units and one output,

.. math::
    z^1 = \sqrt{\sigma_w^2/d}\; W^1 x + \sigma_b b^1, \qquad
    z^{l+1} = \sqrt{\sigma_w^2/N}\; W^{l+1} \phi(z^l) + \sigma_b b^{l+1}, \qquad f = z^{L+1},

with standard normal weights and biases: the *NTK parametrisation*. At the start, :math:`f \sim \mathrm{GP}(0, K)`, and
:math:`\Theta(x, x') = \nabla_\theta f(x) \cdot \nabla_\theta f(x')`. With u and v Gaussian of covariance :math:`K^l`,

.. math::
    K^1 = \sigma_w^2 \frac{x \cdot x'}{d} + \sigma_b^2, \qquad
    K^{l+1} = \sigma_w^2\,\mathbb{E}\,\phi(u)\phi(v) + \sigma_b^2, \qquad
    \Theta^{l+1} = G^{l+1} + \sigma_w^2\,\mathbb{E}\,\phi'(u)\phi'(v)\;\Theta^l,

where :math:`G^l = K^l` is what the weights and biases of layer l add, and :math:`\Theta^1 = G^1`.

In the *standard parametrisation* the weights have variance :math:`\sigma_w^2/\text{fan-in}` and the biases
:math:`\sigma_b^2`, and they are trained as they are. K is the same; the gradients lack the factors, so that
:math:`G^1 = x \cdot x' + 1` and :math:`G^{l+1} = N\,\mathbb{E}\,\phi(u)\phi(v) + 1` (no 1 without biases): Θ grows
with N.

Source: Neal (1996); Cho & Saul, NIPS 2009; Lee et al., arXiv:1711.00165; Jacot, Gabriel & Hongler, arXiv:1806.07572;
standard parametrisation: Sohl-Dickstein et al., arXiv:2001.07301.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Array = NDArray[np.float64]
Activation = Literal["relu", "erf"]


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    r"""Pairs (u, v) of centred Gaussians: the variances of u ``(n, 1)``, of v ``(m)``, and covariances ``(n, m)``."""

    own: Array
    other: Array
    both: Array


def relu_moments(pairs: Gaussians) -> tuple[Array, Array]:
    r""":math:`\mathbb{E}\,\phi(u)\phi(v)` and :math:`\mathbb{E}\,\phi'(u)\phi'(v)` of a ReLU, each ``(n, m)``.

    With the angle :math:`\cos\theta = c/\sqrt{ab}`, for the variances a, b and the covariance c,

    .. math:: \frac{\sqrt{ab}}{2\pi} \left(\sin\theta + (\pi - \theta)\cos\theta\right), \qquad
        \frac{\pi - \theta}{2\pi}.

    Equal inputs have :math:`\theta < 3 \cdot 10^{-8}` instead of 0, by rounding. Source: Cho & Saul, NIPS 2009.
    """
    scale = np.sqrt(pairs.own * pairs.other)
    cosine = np.clip(np.divide(pairs.both, scale, out=np.ones_like(pairs.both), where=scale > 0), -1.0, 1.0)
    angle = np.arccos(cosine)
    value = scale * (np.sqrt(1 - cosine**2) + (math.pi - angle) * cosine) / (2 * math.pi)
    return value, (math.pi - angle) / (2 * math.pi)


def erf_moments(pairs: Gaussians) -> tuple[Array, Array]:
    r""":math:`\mathbb{E}\,\phi(u)\phi(v)` and :math:`\mathbb{E}\,\phi'(u)\phi'(v)` of an erf, each ``(n, m)``.

    .. math:: \frac2\pi \arcsin \frac{2c}{\sqrt{(1 + 2a)(1 + 2b)}}, \qquad
        \frac4\pi \frac{1}{\sqrt{(1 + 2a)(1 + 2b) - 4c^2}}.

    Source: Williams, NIPS 1996.
    """
    product = (1 + 2 * pairs.own) * (1 + 2 * pairs.other)
    value = 2 / math.pi * np.arcsin(2 * pairs.both / np.sqrt(product))
    return value, 4 / math.pi / np.sqrt(product - 4 * pairs.both**2)


MOMENTS: Mapping[Activation, Callable[[Gaussians], tuple[Array, Array]]] = {"relu": relu_moments, "erf": erf_moments}


@dataclass(frozen=True, kw_only=True)
class FullyConnected:
    r"""A fully connected network of infinite width; see the module for the recursions.

    Parameters
    ----------
    hidden : L, number of hidden layers; 0 is a linear model.
    activation : φ.
    weight_variance, bias_variance : :math:`\sigma_w^2` and :math:`\sigma_b^2`.
    standard_width : N, where the tangent kernel of the standard parametrisation is meant; ``None``: the NTK one.
    biases : in the standard parametrisation, whether there are any (they may start at variance zero).

    Raises
    ------
    GnomonError : on a negative size or variance, an unknown activation, or biases without variance that are left out.

    >>> x = np.eye(2)
    >>> FullyConnected(hidden=1, activation="relu").ntk(x, x).round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """

    hidden: int
    activation: Activation = "relu"
    weight_variance: float = 2.0
    bias_variance: float = 0.0
    standard_width: int | None = None
    biases: bool = True

    def __post_init__(self) -> None:
        if self.hidden < 0 or (self.standard_width is not None and self.standard_width < 1):
            raise GnomonError(f"{self.hidden} hidden layers of {self.standard_width} units are not a network")
        if self.activation not in MOMENTS:
            raise GnomonError(f"unknown activation {self.activation!r}", mend=f"choose of {', '.join(MOMENTS)}")
        if not (0 < self.weight_variance < math.inf and 0 <= self.bias_variance < math.inf):
            raise GnomonError("the variance of the weights is positive and that of the biases not negative")
        if self.bias_variance > 0 and not self.biases:
            raise GnomonError("biases that are left out have no variance", mend="set bias_variance to 0")

    def nngp(self, x: Array, z: Array) -> Array:
        """K between the rows of ``x``, ``(n, d)``, and of ``z``, ``(m, d)``: shape ``(n, m)``."""
        return self.kernels(x, z)[0]

    def ntk(self, x: Array, z: Array) -> Array:
        """Θ between the rows of ``x``, ``(n, d)``, and of ``z``, ``(m, d)``: shape ``(n, m)``."""
        return self.kernels(x, z)[1]

    def kernels(self, x: Array, z: Array) -> tuple[Array, Array]:
        """K and Θ, each ``(n, m)``.

        Raises GnomonError unless both are matrices with as many columns. Cost: n m (2d + 40 L) operations.
        """
        if x.ndim != 2 or z.ndim != 2 or x.shape[1] != z.shape[1]:
            raise GnomonError(f"inputs {x.shape} and {z.shape} are not matrices with as many columns")
        inner = x @ z.T / x.shape[1]
        pairs = Gaussians(own=self._first(x)[:, None], other=self._first(z), both=self._mixed(inner))
        tangent = self._added(inner, x.shape[1])
        moments = MOMENTS[self.activation]
        for _ in range(self.hidden):
            value, slope = moments(pairs)
            pairs = Gaussians(own=self._alone(pairs.own), other=self._alone(pairs.other), both=self._mixed(value))
            tangent = self._added(value, self.standard_width or 0) + self.weight_variance * slope * tangent
        return pairs.both, tangent

    def variances(self, x: Array) -> tuple[Array, ...]:
        """The diagonal of K at the first to the last layer, each ``(n,)``."""
        found = [self._first(x)]
        for _ in range(self.hidden):
            found.append(self._alone(found[-1]))
        return tuple(found)

    def _first(self, x: Array) -> Array:
        return self._mixed((x**2).mean(axis=1))

    def _mixed(self, moment: Array) -> Array:
        return self.weight_variance * moment + self.bias_variance

    def _alone(self, variance: Array) -> Array:
        """The next variance of the same unit: u = v, whose angle is exactly zero."""
        if self.activation == "relu":
            return self._mixed(variance / 2)
        return self._mixed(2 / math.pi * np.arcsin(2 * variance / (1 + 2 * variance)))

    def _added(self, moment: Array, fan_in: int) -> Array:
        """G: what the weights and biases of one layer add to Θ."""
        return self._mixed(moment) if self.standard_width is None else fan_in * moment + float(self.biases)
