r"""How far networks of finite width are from the limit: by 1/N, in mean and variance of their kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.infinite_width import Activation, FullyConnected
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SOURCE = "Yaida, arXiv:1910.00019; Hanin & Nica, arXiv:1812.05994"

KERNEL_VARIANCE = Quantity(
    name="relative_kernel_variance",
    symbol=r"\mathrm{Var}\,\hat K/K^2",
    definition=r"\frac{\mathrm{Var}\,\hat K(x, x)}{K(x, x)^2}, \quad"
    r"\hat K(x, x) = \frac{\sigma_w^2}{N} \sum_{i=1}^N \phi(z^L_i)^2 + \sigma_b^2",
    convention="over random networks; K is the kernel at infinite width, all hidden layers have N units",
    source=SOURCE,
    lowest=0.0,
)

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


@dataclass(frozen=True, kw_only=True)
class Corrections:
    r"""What is left at width N: :math:`\mathbb{E}\hat K = K + \delta/N` and :math:`\mathrm{Var}\,\hat K = V/N`.

    Parameters
    ----------
    kernel, mean, variance : K, δ and V, in the unit of the output squared, and its square for V.
    """

    kernel: float
    mean: float
    variance: float


def corrections(network: FullyConnected, mean_square: float) -> Corrections:
    r"""The 1/N terms of the kernel of a random network at one input, by recursion from layer to layer.

    With :math:`g(K) = \sigma_w^2\,\mathbb{E}\,\phi(z)^2 + \sigma_b^2`, :math:`z \sim N(0, K)`, given the layer below
    the units are independent, and :math:`\hat K` below shifts them all:

    .. math::
        V^{l+1} = \sigma_w^4\,\mathrm{Var}\,\phi(z)^2 + g'(K^l)^2\,V^l, \qquad
        \delta^{l+1} = g'(K^l)\,\delta^l + \tfrac12 g''(K^l)\,V^l,

    from zero at the first layer, whose inputs are given. The terms left out are of order :math:`N^{-2}`.

    Parameters
    ----------
    network : the NNGP kernel of it; the tangent parametrisation does not matter.
    mean_square : :math:`|x|^2/d` of the input.

    Source: Yaida, arXiv:1910.00019.

    >>> corrections(FullyConnected(hidden=3), 1.0)  # ReLU: a factor 1 + 5/N a layer, and no shift of the mean
    Corrections(kernel=2.0, mean=0.0, variance=60.0)
    """
    if not mean_square > 0:
        raise GnomonError(f"a mean square of {mean_square} is not positive")
    kernels = network.variances(np.full((1, 1), math.sqrt(mean_square)))
    mean = variance = 0.0
    for below in kernels[:-1]:
        spread, slope, bend = _unit(network.activation, float(below[0]))
        scale = network.weight_variance
        mean = scale * (slope * mean + bend * variance / 2)
        variance = scale**2 * (spread + slope**2 * variance)
    return Corrections(kernel=float(kernels[-1][0]), mean=mean, variance=variance)


def _unit(activation: Activation, k: float) -> tuple[float, float, float]:
    """Var φ², and the first and second derivative of E φ² in the variance k."""
    if activation == "relu":
        return 5 * k**2 / 4, 0.5, 0.0
    square = 2 / math.pi * math.asin(2 * k / (1 + 2 * k))
    values = np.vectorize(math.erf)(math.sqrt(k) * _NODES)
    spread = float(_WEIGHTS @ values**4) - square**2
    slope = 4 / math.pi / ((1 + 2 * k) * math.sqrt(1 + 4 * k))
    return spread, slope, -slope * (2 / (1 + 2 * k) + 2 / (1 + 4 * k))


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class FiniteWidth(Theory):
    r"""Relative variance of the kernel of random networks of width N, :math:`V/(N K^2)`; see `corrections`.

    Parameters
    ----------
    width : N; hidden, activation, weight_variance, bias_variance : as `FullyConnected`.
    mean_square : :math:`|x|^2/d` of the input.

    >>> found = FiniteWidth(width=500, hidden=2).predict()
    >>> found.value, round(found.uncertainty.systematic, 6)  # the truth is (1 + 5/500)² − 1 = 0.0201
    (0.02, 0.0004)
    """

    name: ClassVar[str] = "finite_width"
    title: ClassVar[str] = "Fluctuations of the kernel at finite width"
    domain: ClassVar[str] = "the relative variance V/(N K²) is at most 0.2; what is left out is of its square"
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = KERNEL_VARIANCE

    width: int
    hidden: int
    activation: Activation = "relu"
    weight_variance: float = 2.0
    bias_variance: float = 0.0
    mean_square: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise GnomonError(f"a width of {self.width} is not positive")
        self._corrections()

    def value(self) -> float:
        """See the class."""
        found = self._corrections()
        return found.variance / (self.width * found.kernel**2)

    def outside(self) -> tuple[str, ...]:
        """Where the expansion in 1/N has not begun to converge."""
        if self.value() <= 0.2:
            return ()
        return (f"with {self.hidden} layers of {self.width} units the relative variance would be {self.value():.2g}",)

    def systematic(self) -> float:
        """The square of the relative variance; zero with one hidden layer, for which it is exact.

        For ReLU without biases the truth is :math:`(1 + 5/N)^L - 1`, which is within that.
        """
        return 0.0 if self.hidden <= 1 else self.value() ** 2

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A network that is wide for its depth, and one that is not."""
        return {"inside": [cls(width=100, hidden=3)], "outside": [cls(width=16, hidden=8)]}

    def _corrections(self) -> Corrections:
        network = FullyConnected(
            hidden=self.hidden,
            activation=self.activation,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
        )
        return corrections(network, self.mean_square)
