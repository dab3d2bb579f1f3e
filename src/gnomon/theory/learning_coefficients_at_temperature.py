r"""Local learning coefficients at a finite temperature, where they are known exactly: what chains sample.

With inverse temperature τ and localisation γ, :math:`\hat\lambda = \tau\,\mathbb{E}K` under
:math:`p \propto e^{-\tau K - \frac\gamma2 |w|^2}`. It rises to the learning coefficient as τ grows, by
:math:`(m - 1)/\log\tau` and powers of :math:`\gamma/\tau`: two models for which the integral can be done show how late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import LOCAL_LEARNING_COEFFICIENT, Quantity
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

_STRONGEST = 1e16  # beyond it the grids of logarithms are too short
_GRID = 1e-5  # bound on the relative error of their sums


def crossing_energy(strength: float, a: int, b: int) -> float:
    r"""Mean of :math:`E = s\,w_1^{2a} w_2^{2b}` under the density :math:`\propto e^{-E - (w_1^2 + w_2^2)/2}`.

    It is :math:`-\partial \log Z / \partial \log s`, integrated on a grid of :math:`\log w`, on which the integrand is
    smooth and decays at both ends, so that the sum is exact to rounding (trapezoidal rule).

    >>> round(crossing_energy(10.0, 0, 1), 6), round(0.5 * 20 / 21, 6)  # a single quadratic direction
    (0.47619, 0.47619)
    """
    log_w = np.linspace(-45.0, np.log(9.0), 3001)
    weight = np.exp(log_w - np.exp(2 * log_w) / 2)
    first, second = (p * log_w for p in (2 * a, 2 * b))
    energy = strength * np.exp(first[:, None] + second[None, :])
    density = weight[:, None] * weight[None, :] * np.exp(-energy)
    return float((energy * density).sum() / density.sum())


def two_layer_energy(strength: float, inputs: int, outputs: int) -> float:
    r"""Mean of :math:`E = s\|BA\|^2` with two hidden units under :math:`\propto e^{-E - (|A|^2 + |B|^2)/2}`.

    B is integrated out, and A but for the two eigenvalues of :math:`AA^\top`, on a grid of their logarithms. It tends
    to the λ of `reduced_rank` as s grows. Needs ``inputs`` ≥ 2.
    """
    grid = np.linspace(-60.0, np.log(80.0), 2501)
    eigenvalues = np.exp(grid)
    single = grid * (inputs - 1) / 2 - eigenvalues / 2  # Wishart density of 2 × 2, and the step of the logarithm
    bend = np.log1p(2 * strength * eigenvalues)
    density = np.abs(eigenvalues[:, None] - eigenvalues[None, :])
    density *= np.exp(single - outputs / 2 * bend)[:, None] * np.exp(single - outputs / 2 * bend)[None, :]
    share = strength * eigenvalues / (1 + 2 * strength * eigenvalues)
    return float((density * outputs * (share[:, None] + share[None, :])).sum() / density.sum())


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class TwoLayerCoefficient(Theory):
    r"""Of a linear network of two layers with two hidden units at zero: :math:`\mathbb{E}\,s\|BA\|^2`.

    With white inputs of variance v, a mean squared error over the N outputs, inverse temperature τ and localisation γ,
    :math:`s = \tau v/(N\gamma^2)`.

    Parameters
    ----------
    features, outputs : widths of input and output.
    strength : s.

    Raises
    ------
    GnomonError : for widths below 1 or a strength that is not positive.

    >>> found = [TwoLayerCoefficient(features=3, outputs=3, strength=s).value() for s in (10.0, 1e4, 1e8)]
    >>> [round(value, 3) for value in found]  # the limit is 5/2
    [2.121, 2.475, 2.5]
    """

    name: ClassVar[str] = "two_layer_local_coefficient"
    title: ClassVar[str] = "Local learning coefficient of a linear network of two layers, at a temperature"
    domain: ClassVar[str] = "two hidden units, two inputs or outputs at least, s up to 1e16; exact to 1e-5"
    source: ClassVar[str] = "Aoyagi & Watanabe, Neural Networks 18 (2005) 924 (limit); the integral is done here"
    predicts: ClassVar[Quantity] = LOCAL_LEARNING_COEFFICIENT
    features: int
    outputs: int
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.features, self.outputs) < 1 or not self.strength > 0:
            raise GnomonError("a width or the strength is not positive", mend="give positive numbers")

    def value(self) -> float:
        """See `two_layer_energy`; transposed where there is but one input."""
        most, least = max(self.features, self.outputs), min(self.features, self.outputs)
        return two_layer_energy(self.strength, most, least)

    def systematic(self) -> float:
        """Of the grid."""
        return _GRID * self.value()

    def outside(self) -> tuple[str, ...]:
        """Widths and strength that the integral is done for."""
        reasons = []
        if max(self.features, self.outputs) < 2:
            reasons.append("one input and one output: the eigenvalues of a 2 × 2 matrix of rank 1 have no density")
        if self.strength > _STRONGEST:
            reasons.append(f"s = {self.strength:.3g} is more than {_STRONGEST:.0e}")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {
            "inside": [cls(features=3, outputs=3, strength=30.0)],
            "outside": [cls(features=1, outputs=1, strength=30.0), cls(features=3, outputs=3, strength=1e30)],
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class CrossingCoefficient(Theory):
    r"""Of a normal crossing at the origin: :math:`\mathbb{E}\,s\,w_1^{2a} w_2^{2b}`, see `crossing_energy`.

    For :math:`K = k\,w_1^{2a} w_2^{2b}` at τ and γ, :math:`s = \tau k\,\gamma^{-a-b}`.

    Parameters
    ----------
    powers : a and b, whole numbers from 0.
    strength : s.

    Raises
    ------
    GnomonError : for negative powers or a strength that is not positive.

    >>> round(CrossingCoefficient(powers=(1, 1), strength=1e6).value(), 3)  # the limit is 1/2
    0.438
    """

    name: ClassVar[str] = "crossing_local_coefficient"
    title: ClassVar[str] = "Local learning coefficient of a normal crossing, at a temperature"
    domain: ClassVar[str] = "two parameters, powers not both 0, s up to 1e16; exact to 1e-5"
    source: ClassVar[str] = "Watanabe (2009), theorem 6.6 (limit); the integral is done here"
    predicts: ClassVar[Quantity] = LOCAL_LEARNING_COEFFICIENT
    powers: tuple[int, int]
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.powers) != 2 or min(self.powers) < 0 or not self.strength > 0:
            raise GnomonError("there are not two powers from 0, or the strength is not positive", mend="mend it")

    def value(self) -> float:
        """See `crossing_energy`."""
        return crossing_energy(self.strength, *self.powers)

    def systematic(self) -> float:
        """Of the grid."""
        return _GRID * self.value()

    def outside(self) -> tuple[str, ...]:
        """There must be a zero, and a strength that the grid holds."""
        reasons = []
        if not any(self.powers):
            reasons.append("both powers are 0: the loss is constant, and no minimum")
        if self.strength > _STRONGEST:
            reasons.append(f"s = {self.strength:.3g} is more than {_STRONGEST:.0e}")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        inside = [cls(powers=(1, 1), strength=30.0)]
        return {"inside": inside, "outside": [cls(powers=(0, 0), strength=1.0), cls(powers=(1, 2), strength=1e30)]}
