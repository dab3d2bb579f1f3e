"""Diagnostics of convergence on chains whose behaviour is known."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.estimators.degeneracy.convergence import drift, effective_samples, split_r_hat


def autoregressive(rho: float, draws: int, chains: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    x = np.empty((draws, chains))
    x[0] = generator.normal(size=chains)
    for i in range(1, draws):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * generator.normal(size=chains)
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_samples_of_an_autoregression(rho: float) -> None:
    found = np.mean([effective_samples(autoregressive(rho, 2000, 4, seed)) for seed in range(5)])
    assert found == pytest.approx(8000 * (1 - rho) / (1 + rho), rel=0.15)


def test_r_hat_of_alike_and_of_different_chains() -> None:
    x = autoregressive(0.3, 500, 8)
    assert split_r_hat(x) < 1.02
    assert split_r_hat(x + np.linspace(0, 2, 8)) > 1.1  # different means
    assert split_r_hat(x * np.linspace(0.3, 3, 8)) > 1.1  # different widths
    assert split_r_hat(x + np.linspace(0, 3, 500)[:, None]) > 1.1  # a common drift
    assert split_r_hat(np.tile(np.arange(8.0), (100, 1))) == np.inf


def test_r_hat_is_unmoved_by_units() -> None:
    x = autoregressive(0.5, 200, 4)
    assert split_r_hat(3 * x + 1) == pytest.approx(split_r_hat(x), abs=1e-3)


def test_drift_of_a_trend_and_of_none() -> None:
    x = autoregressive(0.5, 1000, 8)
    moved, error = drift(x)
    assert abs(moved) < 4 * error
    moved, error = drift(x + np.linspace(0, 2, 1000)[:, None])
    assert moved == pytest.approx(1.0, abs=4 * error)
    assert moved > 6 * error
