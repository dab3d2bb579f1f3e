"""The Tracy–Widom law against its published moments and quantiles, and against the matrices it speaks of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson

from gnomon.estimators.weights.tracy_widom import largest_noise_eigenvalue, tracy_widom_cdf, tracy_widom_quantile


def test_moments_are_those_published() -> None:
    # Bornemann, Markov Processes Relat. Fields 16 (2010) 803, table 10
    s = np.linspace(-10, 8, 181)
    cdf = np.array([tracy_widom_cdf(x) for x in s])
    assert (np.diff(cdf) >= -1e-12).all()
    first, second, third = (8**n - simpson(n * s ** (n - 1) * cdf, s) for n in (1, 2, 3))
    variance = second - first**2
    assert first == pytest.approx(-1.2065335745820, abs=1e-6)
    assert variance == pytest.approx(1.6077810345810, abs=1e-5)
    assert (third - 3 * first * variance - first**3) / variance**1.5 == pytest.approx(0.2934645240, abs=1e-4)


@pytest.mark.parametrize(("p", "s"), [(0.90, 0.4501), (0.95, 0.9793), (0.99, 2.0234)])
def test_quantiles_are_those_published(p: float, s: float) -> None:
    # Johnstone, Ann. Statist. 37 (2009) 2616, section 1
    assert tracy_widom_quantile(p) == pytest.approx(s, abs=6e-5)


def test_quantile_inverts_far_into_the_tail() -> None:
    for p in (1e-6, 0.04, 0.5, 1 - 1e-4, 1 - 1e-8):
        assert tracy_widom_cdf(tracy_widom_quantile(p)) == pytest.approx(p, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize(("rows", "columns"), [(100, 100), (64, 200)])
def test_largest_eigenvalue_of_wishart_matrices(rows: int, columns: int) -> None:
    """The share beyond each quantile of a thousand matrices is the stated one, chance and second order allowed for."""
    generator = np.random.default_rng(5)
    largest = np.array([np.linalg.norm(generator.normal(size=(rows, columns)), ord=2) ** 2 for _ in range(1000)])
    for p in (0.04, 0.5, 0.9, 0.99):
        beyond = (largest > largest_noise_eigenvalue(rows, columns, p)).mean()
        assert abs(beyond - (1 - p)) <= 3.5 * np.sqrt(p * (1 - p) / 1000) + 0.01


def test_heavier_entries_shift_the_edge_outwards() -> None:
    """Laplace entries, kurtosis 6: the Gaussian edge would raise a false alarm far too often, the shifted one not."""
    generator = np.random.default_rng(6)
    largest = [np.linalg.norm(generator.laplace(size=(64, 128)) / np.sqrt(2), ord=2) ** 2 for _ in range(600)]
    plain = (largest > np.float64(largest_noise_eigenvalue(64, 128, 0.95))).mean()
    shifted = (largest > np.float64(largest_noise_eigenvalue(64, 128, 0.95, kurtosis=6.0))).mean()
    assert plain > 0.12
    assert shifted < 0.09
