"""Excess risk of ridge regression over draws of the inputs, exact in noise and test examples, to hold theories to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def simulated_risk(
    eigenvalues: Array,
    coefficients: Array,
    *,
    samples: int,
    draws: int,
    seed: int,
    penalty: float = 0.0,
    noise: float = 0.0,
    features: int | None = None,
) -> Array:
    """Bias and variance, shape ``(2, draws)``, on Gaussian inputs, or on Gaussian projections of them to features."""
    generator = np.random.default_rng(seed)
    p, parts = len(eigenvalues), []
    for first in range(0, draws, 20):
        many = min(20, draws - first)
        inputs = generator.standard_normal((many, samples, p)) * np.sqrt(eigenvalues)
        design = inputs
        if features is not None:
            projection = generator.standard_normal((many, p, features)) / math.sqrt(features)
            design = inputs @ projection
        u, s, v = np.linalg.svd(design, full_matrices=False)
        kept = s > 1e-10 * s[:, :1]
        shrunk = np.where(kept, s / np.where(kept, s**2 + penalty, 1.0), 0.0)
        back = np.swapaxes(v, 1, 2) * shrunk[:, None, :]
        if features is not None:
            back = projection @ back
        labels = np.einsum("bni,bn->bi", u, inputs @ coefficients)
        missed = np.einsum("bpi,bi->bp", back, labels) - coefficients
        parts.append(np.stack([missed**2 @ eigenvalues, noise * np.einsum("bpi,p->b", back**2, eigenvalues)]))
    return np.concatenate(parts, axis=1)


def z_score(drawn: Array, truth: float) -> float:
    """How many standard errors the mean of draws is off."""
    return float((drawn.mean() - truth) / (drawn.std(ddof=1) / math.sqrt(len(drawn))))
