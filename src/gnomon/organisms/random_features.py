"""Random features: a network with one hidden layer of which only the last is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gnomon.randomness import Rng

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ReluFeatures:
    r"""Features :math:`\phi_j(x) = \sqrt{2/N}\,\max(0, w_j\cdot(x-\bar x)/\rho)` with :math:`w_j \sim N(0, I)`.

    The inputs are centred and scaled, by the mean and the root mean square distance from it of the inputs given to
    `drawn`. Without centring, non-negative inputs leave some features at zero everywhere, and fewer than N count. The
    first N features of a wider draw from the same ``rng`` are those of a narrower one, up to the factor.

    Source: Rahimi & Recht, NeurIPS 2007; with ReLU, Mei & Montanari, arXiv:1908.05355.
    """

    weights: Matrix
    centre: Matrix
    scale: float

    @classmethod
    def drawn(cls, inputs: Matrix, width: int, rng: Rng) -> Self:
        """``width`` features for inputs like ``inputs``, shape ``(n, d)``."""
        centre = inputs.mean(axis=0)
        scale = float(np.sqrt(((inputs - centre) ** 2).sum(axis=1).mean()))
        return cls(rng.numpy().standard_normal((width, inputs.shape[1])), centre, scale)

    def __call__(self, inputs: Matrix) -> Matrix:
        """Features of ``inputs``, shape ``(n, N)``."""
        hidden = ((inputs - self.centre) / self.scale) @ self.weights.T
        features: Matrix = np.maximum(hidden, 0.0) * np.sqrt(2 / len(self.weights))
        return features
