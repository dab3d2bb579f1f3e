"""Mean energies under localised posteriors at finite temperature: what tends to a learning coefficient as it falls."""

from __future__ import annotations

import numpy as np


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
