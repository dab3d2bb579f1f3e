r"""Addition modulo p by a network with a quadratic layer: weights in closed form, and how often they are right.

The network is :math:`f(a, b) = W_2 (W_1 [e_a; e_b])^{\odot 2}`, with N hidden units. Unit j has the frequency
:math:`\omega_j = 2\pi k_j/p`, where k runs through 1, …, (p − 1)/2 over and over, and two random phases:

.. math:: W_1 = A\,\bigl[\cos(\omega_j a + \phi_j),\ \cos(\omega_j b + \psi_j)\bigr], \qquad
    W_2 = A \cos(\omega_j q + \phi_j + \psi_j).

With :math:`S = \omega(a + b) + \phi + \psi` and :math:`D = \omega(a - b) + \phi - \psi`, independent and uniform, the
logit of the answer that is off by r is, exactly,

.. math:: f_r = A^3 \sum_j (1 + \cos S_j)(1 + \cos D_j) \cos(S_j - \omega_j r) = A^3\,\mathrm{Re} \sum_k Z_k
    e^{-2\pi i k r/p}.

The right one has mean :math:`A^3 N/2` and the others, for odd p and each frequency equally often, less by
:math:`A^3 Np/(2(p-1))`, which A makes 1. What phases add to :math:`f_0` is a sum of independent terms, whose law
follows from their characteristic function. The p values sum to 0 and their squares, by Parseval, to
:math:`\frac p2 \sum_k |Z_k|^2`; so that, given :math:`f_0`, the wrong ones have the mean :math:`-f_0/(p-1)` and a
variance V whose expectation follows from the same function. As if they were Gaussian,

.. math:: \mathrm{acc} = \mathbb{E}_{f_0} H\!\left(\frac{p f_0}{(p-1)\sqrt V}\right), \qquad
    H = \Phi^n - \frac{(\Phi^n)''}{2n}, \quad n = p - 1,

where the last term is what fixing their sum takes off. All pairs (a, b) are alike.

Source: Gromov, arXiv:2301.02679 (the weights). The law of the accuracy is derived here, and tested on the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from gnomon.errors import GnomonError
from gnomon.measurement import ACCURACY, Quantity
from gnomon.randomness import Rng
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

_FEWEST = 10
_SMALLEST = 5
_NODES = 48  # over half a period of S and of D
_SURE = 30.0  # standard deviations beyond which nothing is left
_WIDEST = 9.0  # standard deviations of the right logit that are integrated over


def solution(p: int, width: int, rng: Rng) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights ``(width, 2 p)`` into and ``(p, width)`` out of the hidden layer, phases drawn from ``rng``.

    All entries have one amplitude, with which the right logit is on average 1 above each wrong one. For any p ≥ 3.

    >>> embed, unembed = solution(11, 400, Rng(0))
    >>> a, b = 7, 9
    >>> int((unembed @ (embed[:, a] + embed[:, 11 + b]) ** 2).argmax()), (a + b) % 11
    (5, 5)
    """
    if p < 3 or width < 1:
        raise GnomonError(f"p = {p}, width = {width} make no network", mend="give p of at least 3 and a width")
    k = 1 + np.arange(width) % (p // 2)
    first, second = rng.child("phases").numpy().uniform(0, 2 * np.pi, size=(2, width, 1))
    angles = 2 * np.pi * (np.outer(k, np.arange(p)) % p) / p
    amplitude = (2 * (p - 1) / (width * p)) ** (1 / 3)
    embed = amplitude * np.hstack([np.cos(angles + first), np.cos(angles + second)])
    return embed, amplitude * np.cos(angles + first + second).T


def error_rate(p: int, width: int) -> float:
    """The share of pairs that are answered wrongly, in expectation over the phases, for odd p.

    Where the cycles are not whole, as if each frequency had the mean number of units. Cost: some million complex
    exponentials.
    """
    n, sd = p - 1, np.sqrt(17 / 16 * width)
    step = 2 * np.pi / (24 * sd)
    t = step * np.arange(int(min(15.0, 24 / np.sqrt(width)) / step) + 1)
    density_at, power_at = _characteristic(t, p, width)
    f = width / 2 + np.linspace(-_WIDEST, _WIDEST, 601) * sd
    weights = np.full(len(t), step / np.pi)
    weights[0] /= 2
    waves = np.exp(-1j * np.outer(f, t)) * weights
    density, power = (waves @ density_at).real, (waves @ power_at).real
    likely = density > 1e-10 * density.max()
    f, density, power = f[likely], density[likely], power[likely]
    # of the n wrong logits; the second factor as their mean is fixed
    variance = (p * power / density / 2 - f**2 * p / n) / n * n / (n - 1)
    x = np.clip(f * p / n / np.sqrt(np.maximum(variance, 1e-6)), -_SURE, _SURE)
    below, bell = norm.cdf(x), norm.pdf(x)
    curvature = n * (n - 1) * below ** (n - 2) * bell**2 - n * x * below ** (n - 1) * bell
    missed = -np.expm1(n * norm.logcdf(x)) + curvature / (2 * n)
    return float((density * missed).sum() / density.sum())


def sufficient_width(p: int, wrong: float = 1.0) -> int:
    """The smallest width of whole cycles at which fewer than ``wrong`` of the p² pairs are expected wrong, for odd p.

    >>> sufficient_width(23)
    88
    """
    cycles = 1
    while cycles * (p - 1) // 2 < _FEWEST or error_rate(p, cycles * (p - 1) // 2) * p**2 >= wrong:
        cycles += 1
    return cycles * (p - 1) // 2


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class AnalyticAddition(Theory):
    r"""The expected accuracy of the analytic solution, :math:`\mathbb{E}\,H(p f_0/((p-1)\sqrt V))`, see `error_rate`.

    Over all pairs (a, b) and over the phases. The systematic bound is empirical: twice what was seen against
    simulations of :math:`10^5` draws at p from 5 to 97 and 3/4 to 6 cycles, in the form
    :math:`(0.02/c + 0.15/N) \cdot 2\sqrt{\mathrm{acc}(1 - \mathrm{acc})}` for c cycles of frequencies.

    Parameters
    ----------
    p : modulus, at least 3.
    width : number N of hidden units.

    Raises
    ------
    GnomonError : for smaller numbers.

    >>> found = AnalyticAddition(p=23, width=44).predict()
    >>> f"{found.value:.3f} ± {found.uncertainty.systematic:.3f}"
    '0.941 ± 0.004'
    """

    name: ClassVar[str] = "analytic_addition_accuracy"
    title: ClassVar[str] = "Accuracy of the analytic solution of modular addition"
    domain: ClassVar[str] = (
        "odd p from 5, at least 10 hidden units and three quarters of the (p − 1)/2 frequencies, random phases; "
        "expectation over phases, within 0.013 where there are two units a frequency"
    )
    source: ClassVar[str] = "Gromov, arXiv:2301.02679 (weights)"
    predicts: ClassVar[Quantity] = ACCURACY
    p: int
    width: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.p < 3 or self.width < 1:
            raise GnomonError(f"p = {self.p}, width = {self.width} make no network", mend="give p ≥ 3 and a width")

    def value(self) -> float:
        """See `error_rate`."""
        return min(1.0, max(0.0, 1.0 - error_rate(self.p, self.width)))

    def systematic(self) -> float:
        """See the class."""
        accuracy, cycles = self.value(), 2 * self.width / (self.p - 1)
        return float((0.02 / cycles + 0.15 / self.width) * 2 * np.sqrt(accuracy * (1 - accuracy)))

    def outside(self) -> tuple[str, ...]:
        """Modulus, width and whole cycles."""
        reasons = []
        if self.p % 2 == 0 or self.p < _SMALLEST:
            reasons.append(f"p = {self.p} is not odd and at least {_SMALLEST}")
        if self.width < _FEWEST:
            reasons.append(f"{self.width} hidden units are fewer than {_FEWEST}")
        if 8 * self.width < 3 * (self.p - 1):
            reasons.append(f"{self.width} hidden units have too few of the {(self.p - 1) // 2} frequencies")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {"inside": [cls(p=11, width=20)], "outside": [cls(p=10, width=20), cls(p=197, width=50)]}


def _characteristic(
    t: NDArray[np.float64], p: int, width: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    r"""Of the right logit with A = 1: :math:`\mathbb{E}e^{itf_0}`, :math:`\mathbb{E}\sum_k |Z_k|^2 e^{itf_0}`."""
    angle = np.pi * np.arange(_NODES + 1) / _NODES
    share = np.full(_NODES + 1, 1 / _NODES)
    share[[0, -1]] /= 2
    size = ((1 + np.cos(angle))[:, None] * (1 + np.cos(angle))).ravel()
    term = size * np.repeat(np.cos(angle), _NODES + 1)
    waves = np.exp(1j * np.outer(t, term)) * np.outer(share, share).ravel()
    one, mean, square = waves.sum(axis=1), waves @ term, waves @ size**2
    frequencies = (p - 1) // 2
    cycles = width / frequencies
    # |Z|² of one frequency: the squares of its units, and the products of pairs
    power = width * (square * one ** (width - 1) + (cycles - 1) * mean**2 * one ** (width - 2))
    return one**width, power
