"""The null of shuffled entries: what the same numbers would show in any order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.estimators.weights.spectrum import Spectrum, singular_values
from gnomon.randomness import Rng

Array = NDArray[np.float64]

_SHUFFLES = 3


def displaced_by_order(matrix: Tensor, spectrum: Spectrum, rng: Rng) -> tuple[float, float]:
    r"""How many eigenvalues the order of the entries displaces, and how many a shuffle of shuffled entries does.

    The number is :math:`n \min_t \sup_x |F(x) - F_0(tx)|`, F the counting function of the matrix over n and
    :math:`F_0` that of its entries in random order, pooled over three shuffles. A change of rank r moves a counting
    function by at most r eigenvalues (Weyl), so the matrix is not within a rank below the first number, less the
    second, of shuffled entries at any scale; neither heavy-tailed entries nor a few directions explain it away.
    Cost: three decompositions.
    """
    entries = matrix.detach().cpu().flatten()
    n = len(spectrum.values)
    shuffled = []
    for i in range(_SHUFFLES):
        order = rng.child("shuffle", i).numpy().permutation(len(entries))
        values = singular_values(entries[torch.from_numpy(order)].reshape(matrix.shape))
        shuffled.append(_logarithms(values[:n], spectrum.noise))
    own = _logarithms(spectrum.values, spectrum.noise)
    among = max(_distance(s, np.concatenate([o for o in shuffled if o is not s])) for s in shuffled)
    return n * _distance(own, np.concatenate(shuffled)), n * among


def _logarithms(values: Array, noise: float) -> Array:
    return np.sort(np.log(np.maximum(values, noise)))


def _distance(points: Array, law: Array) -> float:
    """Smallest Kolmogorov–Smirnov distance between two samples over all relative scales; both are ascending."""
    law = np.sort(law)
    quantiles = np.linspace(0.02, 0.98, 49)
    # the best shift aligns some pair of quantiles, nearly
    shifts = np.quantile(points, quantiles) - np.quantile(law, quantiles)
    shifts = np.linspace(shifts.min(), shifts.max(), 129)
    share = np.searchsorted(law, points[None, :] - shifts[:, None]) / len(law)
    rank = np.arange(len(points)) / len(points)
    distances = np.maximum((share - rank).max(axis=1), (rank + 1 / len(points) - share).max(axis=1))
    return float(distances.min())
