r"""Learning coefficients λ and multiplicities m that are known in closed form.

All are those of a loss K at a point where it vanishes: :math:`\int e^{-\tau K(w)} \varphi(w)\,dw \sim C \tau^{-\lambda}
(\log\tau)^{m-1}` for a smooth positive density φ around that point.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np


def regular(parameters: int) -> tuple[float, int]:
    """A minimum with a positive definite Hessian: half the number of parameters."""
    return parameters / 2, 1


def normal_crossing(powers: Sequence[int]) -> tuple[float, int]:
    r"""The loss :math:`\prod_i w_i^{2 k_i}`: λ is the smallest of :math:`1/(2k_i)`, m how often it is taken.

    The integral over :math:`[-1, 1]^d` is a product of elementary ones in :math:`x_i = -\log |w_i|`.

    >>> normal_crossing([1, 2]), normal_crossing([2, 2])
    ((0.25, 1), (0.25, 2))
    """
    largest = max(powers)
    return 1 / (2 * largest), list(powers).count(largest)


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
