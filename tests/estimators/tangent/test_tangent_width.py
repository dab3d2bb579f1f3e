"""The kernel of a wide ReLU network tends to the infinite-width limit as width^(−1/2)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from arc_cosine import NormalisedReLU, limit
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.estimators.tangent import tangent_kernel
from gnomon.subjects import ArrayData, Subject

_WIDTHS = (32, 64, 128, 256, 512)
_SEEDS = 12


def _inputs() -> NDArray[np.float64]:
    x = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
    return x.astype(np.float64)


def _kernel(width: int, hidden: int, seed: int) -> NDArray[np.float64]:
    generator = torch.Generator().manual_seed(1000 * seed + width)
    return tangent_kernel(Subject(NormalisedReLU(5, width, hidden, generator)), ArrayData(_inputs()))


def _slopes(hidden: int) -> NDArray[np.float64]:
    """Exponent of the distance to the limit with width, one a seed."""
    truth = limit(_inputs(), hidden)
    distances = [
        [np.linalg.norm(_kernel(width, hidden, seed) - truth) / np.linalg.norm(truth) for width in _WIDTHS]
        for seed in range(_SEEDS)
    ]
    return np.polyfit(np.log(_WIDTHS), np.log(distances).T, 1)[0]


@pytest.mark.parametrize("hidden", [1, 2])
def test_distance_to_the_limit_falls_as_the_root_of_the_width(hidden: int) -> None:
    slopes = _slopes(hidden)
    half = t.ppf(0.975, _SEEDS - 1) * slopes.std(ddof=1) / np.sqrt(_SEEDS)
    assert half < 0.12, "the exponent is not known well enough to say anything"
    assert abs(slopes.mean() + 0.5) <= half


def test_the_limit_is_the_mean_over_many_networks() -> None:
    truth = limit(_inputs(), 1)
    kernels = np.array([_kernel(64, 1, seed) for seed in range(400)])
    error = kernels.std(axis=0, ddof=1) / np.sqrt(len(kernels))
    assert (np.abs(kernels.mean(axis=0) - truth) <= 4.5 * error).all()
