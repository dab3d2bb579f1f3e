"""Normal crossings: the potentials in which every singularity can be written, and what they are worth."""

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
