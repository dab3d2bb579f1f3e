"""The likelihood of distance ratios: its maximum against a general optimiser, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import betaln

from gnomon.estimators.geometry.ratios import maximum_likelihood_dimension


def log_likelihood(dimension, ratios, m):
    power = ratios**dimension
    terms = np.log(dimension) + (m - 1) * np.log(power - 1) - ((2 * m - 1) * dimension + 1) * np.log(ratios)
    return terms.sum() - len(ratios) * betaln(m, m)


def ratios_of(dimension, m, n, seed):
    """Volumes within the m-th and 2m-th neighbour of a Poisson process are sums of unit exponentials."""
    steps = np.random.default_rng(seed).exponential(size=(n, 2 * m)).cumsum(axis=1)
    return (steps[:, -1] / steps[:, m - 1]) ** (1 / dimension)


@pytest.mark.parametrize("m", [1, 2, 8, 32])
@pytest.mark.parametrize("dimension", [0.5, 3, 40])
def test_maximum_of_the_likelihood(dimension, m):
    ratios = ratios_of(dimension, m, 400, seed=m)
    best = minimize_scalar(
        lambda d: -log_likelihood(d, ratios, m),
        bounds=(dimension / 3, 3 * dimension),
        method="bounded",
        options={"xatol": 1e-9 * dimension},
    ).x
    if m == 1:
        best *= (len(ratios) - 1) / len(ratios)
    assert maximum_likelihood_dimension(np.ones(400), ratios, m) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("m", [1, 4, 32])
def test_reads_the_dimension_of_a_poisson_process(m):
    found = [maximum_likelihood_dimension(np.ones(500), ratios_of(7, m, 500, seed), m) for seed in range(60)]
    error = np.std(found, ddof=1) / np.sqrt(60)
    assert abs(np.mean(found) - 7) < 4 * error + 7 / (500 * m) * (m > 1)


def test_ties_are_allowed():
    near, far = np.ones(100), np.ones(100)
    far[:60] = ratios_of(4, 2, 60, seed=0)
    assert np.isfinite(maximum_likelihood_dimension(near, far, 2))
    assert maximum_likelihood_dimension(near, near, 2) == np.inf
