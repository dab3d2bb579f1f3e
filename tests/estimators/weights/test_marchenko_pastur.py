"""The Marchenko–Pastur law against its density and against matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from gnomon.estimators.weights.marchenko_pastur import marchenko_pastur_cdf, marchenko_pastur_quantile


def _density(x: float, c: float) -> float:
    low, high = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    return float(np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * c * x))


@pytest.mark.parametrize("aspect", [1.0, 0.999, 0.5, 0.1, 0.002])
def test_cdf_is_the_integral_of_the_density(aspect: float) -> None:
    low, high = (1 - np.sqrt(aspect)) ** 2, (1 + np.sqrt(aspect)) ** 2
    for share in (0.001, 0.2, 0.5, 0.9, 1.0):
        x = low + share * (high - low)
        # in the square root of the distance to the lower edge the integrand is smooth
        integral = quad(lambda u: 2 * u * _density(low + u * u, aspect), 0, np.sqrt(x - low), limit=400)[0]
        assert marchenko_pastur_cdf(np.array([x]), aspect)[0] == pytest.approx(integral, abs=1e-7)


def test_no_mass_outside_the_edges() -> None:
    found = marchenko_pastur_cdf(np.array([-1.0, 0.0, 0.08, 3.0, 100.0]), 0.5)
    assert np.allclose(found, [0, 0, 0, 1, 1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("aspect", [1.0, 0.3, 0.01])
def test_quantile_inverts_the_cdf(aspect: float) -> None:
    for p in (0.01, 0.5, 0.99):
        x = marchenko_pastur_quantile(p, aspect)
        assert marchenko_pastur_cdf(np.array([x]), aspect)[0] == pytest.approx(p, abs=1e-12)


def test_eigenvalues_of_a_large_matrix_follow_it() -> None:
    w = np.random.default_rng(0).normal(size=(400, 1000))
    eigenvalues = np.sort(np.linalg.svd(w, compute_uv=False) ** 2) / 1000
    rank = np.arange(400) / 400
    assert np.abs(marchenko_pastur_cdf(eigenvalues, 0.4) - rank).max() < 0.015
