"""Arrangements of five features in a plane, and the least loss of each: what training is compared with."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from gnomon.organisms.superposition import expected_loss

PENTAGON = "pentagon"
ARRANGEMENTS: Mapping[str, tuple[float, ...]] = {
    "two at right angles": (0.0, 90.0),
    "triangle": (0.0, 120.0, 240.0),
    "two antipodal pairs": (0.0, 90.0, 180.0, 270.0),
    PENTAGON: (0.0, 72.0, 144.0, 216.0, 288.0),
}
_FEATURES = 5


@functools.cache
def least_loss(arrangement: str, density: float) -> float:
    r"""The least expected loss among networks whose features are arranged so.

    Those of the arrangement have one norm r and one bias b; the others are dropped: no weight, and their mean,
    :math:`d / 2`, as the bias. Minimised over r and b, by quadrature (see `expected_loss`).

    Source: Elhage et al., arXiv:2209.10652; the arrangements are those of the equilibrium points of their section 3.
    """
    angles = np.radians(ARRANGEMENTS[arrangement])

    def loss(at: NDArray[np.float64]) -> float:
        return expected_loss(*_network(angles, float(at[0]), float(at[1]), density), density)

    found = minimize(loss, [1.0, -0.1], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    return float(found.fun)


def _network(
    angles: NDArray[np.float64], norm: float, bias: float, density: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weight, biases = np.zeros((2, _FEATURES)), np.full(_FEATURES, density / 2)
    weight[:, : len(angles)] = norm * np.stack([np.cos(angles), np.sin(angles)])
    biases[: len(angles)] = bias
    return weight, biases
