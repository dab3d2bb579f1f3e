r"""Learning coefficients λ and multiplicities m that are known in closed form.

All are those of a loss K at a point where it vanishes: :math:`\int e^{-\tau K(w)} \varphi(w)\,dw \sim C \tau^{-\lambda}
(\log\tau)^{m-1}` for a smooth positive density φ around that point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import ClassVar, Literal, Self

from gnomon.errors import GnomonError
from gnomon.measurement import LEARNING_COEFFICIENT, Quantity
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory


def regular(parameters: int) -> tuple[float, int]:
    """A minimum with a positive definite Hessian: half the number of parameters."""
    return parameters / 2, 1


def normal_crossing(powers: Sequence[int], density_powers: Sequence[int] = ()) -> tuple[float, int]:
    r"""The loss :math:`\prod_i w_i^{2 k_i}` under a density :math:`\propto \prod_i |w_i|^{h_i}`, h = 0 if not given.

    λ is the smallest of :math:`(h_i + 1)/(2k_i)`, m how often it is taken: the integral over :math:`[-1, 1]^d` is a
    product of elementary ones in :math:`x_i = -\log |w_i|`. At least one k must be positive. By resolution of
    singularities every analytic loss is of this form, in coordinates whose Jacobian gives the h.

    >>> normal_crossing([1, 2]), normal_crossing([2, 2]), normal_crossing([2, 2], [0, 1])
    ((0.25, 1), (0.25, 2), (0.25, 1))
    """
    ratios = [Fraction(h + 1, 2 * k) for k, h in zip(powers, density_powers or [0] * len(powers), strict=True) if k]
    return float(min(ratios)), ratios.count(min(ratios))


def reduced_rank(inputs: int, hidden: int, outputs: int, rank: int = 0) -> tuple[float, int]:
    r"""The loss :math:`\|BA - B_0A_0\|^2` with A of shape ``(hidden, inputs)``, B of ``(outputs, hidden)``, rank r.

    *Rank 0.* Integrating over a Gaussian B leaves :math:`\mathbb{E}_A \det(1 + 2\tau AA^\top)^{-N/2}`. With the
    eigenvalues of :math:`AA^\top` (or :math:`A^\top A`, whichever is smaller, H' × H') written :math:`\tau^{-x_j}`,
    :math:`x_1 \ge x_2 \ge \dots`, and the density of a Wishart matrix, the exponent of τ is linear in each
    :math:`x_j \in [0, 1]`,

    .. math:: -\tfrac12 H'N - \sum_j x_j \left(\tfrac12(|M - H| + 1 - N) + j - 1\right),

    so that each is 0 or 1, whichever is less, and every coefficient that vanishes adds a logarithm.

    *Rank r.* Around a product of rank r, eliminating the invertible r × r block (a smooth change of variables) leaves
    :math:`r(M + N - r)` regular directions and the problem of rank 0 with all three widths less r.

    Source: Aoyagi & Watanabe, Neural Networks 18 (2005) 924, whose four cases the tests compare with.

    >>> reduced_rank(3, 2, 3), reduced_rank(1, 1, 1)
    ((2.5, 1), (0.5, 2))
    """
    m, h, n = inputs - rank, hidden - rank, outputs - rank
    size = min(m, h)
    slopes = [(abs(m - h) + 1 - n) / 2 + j for j in range(size)]
    singular = size * n / 2 + sum(min(0.0, s) for s in slopes)
    return rank * (inputs + outputs - rank) / 2 + singular, 1 + slopes.count(0.0)


def deep_linear(widths: Sequence[int], rank: int = 0) -> tuple[float, int]:
    r"""The loss :math:`\|A_L \cdots A_1 - W_0\|^2` of a linear network with these widths, W_0 of rank r.

    With :math:`M_i = H_i - r`, let :math:`\mathcal{M}` be the ℓ + 1 of them of which the largest is less than
    :math:`\frac1\ell\sum_{\mathcal{M}} M_i` and every other is at least that, s the sum over them,
    :math:`M = \lceil s/\ell \rceil` and :math:`a = s - (M - 1)\ell`. Then

    .. math::
        \lambda = \frac{r(H_0 + H_L - r)}{2} + \frac{a(\ell - a)}{4\ell} - \frac{\ell(\ell - 1)}{4}
        \left(\frac{s}{\ell}\right)^2 + \frac12 \sum_{i<j \in \mathcal{M}} M_i M_j, \qquad m = a(\ell - a) + 1.

    Source: Aoyagi, Neural Networks 172 (2024) 106132; arXiv:2501.12747. The tests compare it with `reduced_rank` and
    with networks of one output, whose integral is elementary.

    >>> deep_linear([3, 2, 3]), deep_linear([2, 4, 3, 1])
    ((2.5, 1), (1.0, 1))
    """
    reduced = sorted(width - rank for width in widths)
    regular_part = rank * (widths[0] + widths[-1] - rank) / 2
    for members in range(2, len(reduced) + 1):
        chosen, others, ell = reduced[:members], reduced[members:], members - 1
        total = sum(chosen)
        if total > ell * chosen[-1] and all(total <= ell * other for other in others):
            whole = -(-total // ell)
            a = total - (whole - 1) * ell
            pairs = sum(x * y for x, y in combinations(chosen, 2))
            singular = a * (ell - a) / (4 * ell) - (ell - 1) / (4 * ell) * total**2 + pairs / 2
            return regular_part + singular, a * (ell - a) + 1
    return regular_part, 1


class _Coefficient(Theory):
    r"""A learning coefficient; infinite where the loss has no zero, as :math:`e^{-\tau K}` then beats every power."""

    predicts: ClassVar[Quantity] = LEARNING_COEFFICIENT

    def systematic(self) -> float:
        """It is a limit, and exact."""
        return 0.0


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class RegularCoefficient(_Coefficient):
    r"""Of a regular model, :math:`\lambda = d/2`: half the number of parameters.

    Parameters
    ----------
    parameters : number of them, at least 1.
    null_directions : eigenvalues of the Hessian that are zero.

    Raises
    ------
    GnomonError : for numbers that are too small, or more null directions than parameters.

    >>> RegularCoefficient(parameters=7).predict().value
    3.5
    """

    name: ClassVar[str] = "regular_learning_coefficient"
    title: ClassVar[str] = "Learning coefficient of a regular model"
    domain: ClassVar[str] = "a zero of the loss with a positive definite Hessian; there it is exact"
    source: ClassVar[str] = "Schwarz, Annals of Statistics 6 (1978) 461; Watanabe (2009), theorem 6.7"
    parameters: int
    null_directions: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole("parameters", (self.parameters,), least=1)
        _whole("null_directions", (self.null_directions,), least=0)
        if self.null_directions > self.parameters:
            raise GnomonError(f"{self.null_directions} null directions of {self.parameters}", mend="give fewer")

    def value(self) -> float:
        """See `regular`. With null directions it is an upper bound."""
        return regular(self.parameters)[0]

    def outside(self) -> tuple[str, ...]:
        """The Hessian must be positive definite."""
        singular = self.null_directions > 0
        return (f"the Hessian has {self.null_directions} null directions: the minimum is singular",) * singular

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {"inside": [cls(parameters=7)], "outside": [cls(parameters=7, null_directions=2)]}


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class NormalCrossingCoefficient(_Coefficient):
    r"""Of a normal crossing at the origin, :math:`\lambda = \min_i (h_i + 1)/(2k_i)`, see `normal_crossing`.

    Parameters
    ----------
    powers : the k, whole numbers from 0; 0 is a direction that the loss does not feel.
    density_powers : the h, whole numbers from 0, as many; none: a positive density.

    Raises
    ------
    GnomonError : for other numbers, or not as many.

    >>> NormalCrossingCoefficient(powers=(1, 2)).predict().value
    0.25
    """

    name: ClassVar[str] = "normal_crossing_learning_coefficient"
    title: ClassVar[str] = "Learning coefficient of a normal crossing"
    domain: ClassVar[str] = "a loss that vanishes at the origin; there it is exact"
    source: ClassVar[str] = "Watanabe (2009), theorem 6.6"
    powers: tuple[int, ...]
    density_powers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole("powers", self.powers, least=0)
        _whole("density_powers", self.density_powers, least=0)
        if not self.powers or len(self.density_powers) not in (0, len(self.powers)):
            raise GnomonError(f"{len(self.powers)} powers, {len(self.density_powers)} of the density", mend="give both")

    def value(self) -> float:
        """See `normal_crossing`."""
        return math.inf if self.outside() else normal_crossing(self.powers, self.density_powers)[0]

    def outside(self) -> tuple[str, ...]:
        """There must be a zero."""
        return () if any(self.powers) else ("all powers are 0: the loss is 1 everywhere",)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {
            "inside": [cls(powers=(1, 2)), cls(powers=(2, 2), density_powers=(0, 1))],
            "outside": [cls(powers=(0, 0))],
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class ReducedRankCoefficient(_Coefficient):
    r"""Of reduced-rank regression :math:`\|BA - B_0A_0\|^2`, all zeros together, see `reduced_rank`.

    Parameters
    ----------
    features, hidden, outputs : widths of input, hidden layer and output, at least 1.
    rank : of the product that is to be learned, at most the number of inputs and outputs.

    Raises
    ------
    GnomonError : for other numbers.

    >>> ReducedRankCoefficient(features=3, hidden=2, outputs=3).predict().value
    2.5
    """

    name: ClassVar[str] = "reduced_rank_learning_coefficient"
    title: ClassVar[str] = "Learning coefficient of reduced-rank regression"
    domain: ClassVar[str] = "rank at most the hidden width, so that the loss has a zero; there it is exact"
    source: ClassVar[str] = "Aoyagi & Watanabe, Neural Networks 18 (2005) 924"
    features: int
    hidden: int
    outputs: int
    rank: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _possible((self.features, self.hidden, self.outputs), self.rank)

    def value(self) -> float:
        """See `reduced_rank`."""
        return math.inf if self.outside() else reduced_rank(self.features, self.hidden, self.outputs, self.rank)[0]

    def outside(self) -> tuple[str, ...]:
        """The product must be realisable."""
        return _unrealisable((self.features, self.hidden, self.outputs), self.rank)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        one = cls(features=3, hidden=2, outputs=3, rank=1)
        return {"inside": [one], "outside": [cls(features=3, hidden=2, outputs=3, rank=3)]}


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class DeepLinearCoefficient(_Coefficient):
    r"""Of a deep linear network :math:`\|A_L \cdots A_1 - W_0\|^2`, all zeros together, see `deep_linear`.

    Parameters
    ----------
    widths : of inputs, hidden layers and outputs; at least two, each at least 1.
    rank : of the product that is to be learned, at most the number of inputs and outputs.

    Raises
    ------
    GnomonError : for other numbers.

    >>> DeepLinearCoefficient(widths=(2, 4, 3, 1)).predict().value
    1.0
    """

    name: ClassVar[str] = "deep_linear_learning_coefficient"
    title: ClassVar[str] = "Learning coefficient of a deep linear network"
    domain: ClassVar[str] = "rank at most every width, so that the loss has a zero; there it is exact"
    source: ClassVar[str] = "Aoyagi, Neural Networks 172 (2024) 106132"
    widths: tuple[int, ...]
    rank: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _possible(self.widths, self.rank)

    def value(self) -> float:
        """See `deep_linear`."""
        return math.inf if self.outside() else deep_linear(self.widths, self.rank)[0]

    def outside(self) -> tuple[str, ...]:
        """The product must be realisable."""
        return _unrealisable(self.widths, self.rank)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {"inside": [cls(widths=(3, 2, 4, 3), rank=1)], "outside": [cls(widths=(3, 1, 4, 3), rank=2)]}


def _whole(name: str, numbers: Sequence[int], *, least: int) -> None:
    if any(n != int(n) or n < least for n in numbers):
        raise GnomonError(f"{name} = {numbers} are not all whole numbers from {least}", mend=f"mend {name}")


def _possible(widths: Sequence[int], rank: int) -> None:
    _whole("widths", widths, least=1)
    _whole("rank", (rank,), least=0)
    if len(widths) < 2:
        raise GnomonError(f"widths {tuple(widths)} make no matrix", mend="give two widths or more")
    if rank > min(widths[0], widths[-1]):
        raise GnomonError(f"no matrix of {widths[-1]} × {widths[0]} has rank {rank}", mend="give a smaller rank")


def _unrealisable(widths: Sequence[int], rank: int) -> tuple[str, ...]:
    least = min(widths)
    return () if rank <= least else (f"rank {rank} is out of reach of a width of {least}: the loss has no zero",)
