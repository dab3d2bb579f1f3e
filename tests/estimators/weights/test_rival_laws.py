"""Likelihood ratios: against brute-force maximum likelihood, and pointing the right way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import expon, truncnorm

from gnomon.estimators.weights.rival_laws import against_exponential, against_lognormal


def _power_law(excess: np.ndarray) -> np.ndarray:
    return expon.logpdf(excess, scale=excess.mean())


@pytest.mark.parametrize("seed", range(6))
def test_lognormal_ratio_is_that_of_the_best_truncated_normal(seed: int) -> None:
    generator = np.random.default_rng(seed)
    location = generator.uniform(-2, 2)
    excess = truncnorm.rvs(-location, np.inf, loc=location, size=300, random_state=generator)

    def objective(p: np.ndarray) -> float:
        width = np.exp(p[1])
        return -truncnorm.logpdf(excess, -p[0] / width, np.inf, loc=p[0], scale=width).sum()

    best = min(minimize(objective, [m, 0.0], method="Nelder-Mead").fun for m in (-2.0, 0.0, 1.0))
    found = against_lognormal(excess)
    assert found.total == pytest.approx(_power_law(excess).sum() + best, abs=2e-3)
    assert found.total <= 0


def test_exponential_ratio_is_that_of_the_best_exponential() -> None:
    eigenvalues = 3 * np.random.default_rng(0).random(200) ** -0.7
    x_min = 3.0
    excess = np.log(eigenvalues / x_min)
    beyond = eigenvalues - x_min
    # densities of the eigenvalue, not of its logarithm
    power = _power_law(excess) - np.log(eigenvalues)
    rival = expon.logpdf(beyond, scale=beyond.mean())
    differences = power - rival
    found = against_exponential(excess)
    assert found.total == pytest.approx(differences.sum(), rel=1e-9)
    assert found.normalised == pytest.approx(differences.sum() / (differences.std() * 200**0.5), rel=1e-9)


def test_each_law_is_preferred_on_its_own_draws() -> None:
    generator = np.random.default_rng(1)
    pareto = [generator.exponential(0.5, 300) for _ in range(50)]
    exponential = [np.log1p(generator.exponential(0.5, 300)) for _ in range(50)]
    lognormal = [x[x > 0] for x in (generator.normal(0.5, 1.0, 400) for _ in range(50))]
    assert np.mean([against_exponential(x).total > 0 for x in pareto]) >= 0.95
    assert np.mean([against_exponential(x).total < 0 for x in exponential]) >= 0.95
    assert np.mean([against_exponential(x).p_value < 0.05 for x in exponential]) >= 0.5
    assert np.mean([against_lognormal(x).p_value < 0.05 for x in lognormal]) >= 0.9
    assert np.mean([against_lognormal(x).p_value < 0.05 for x in pareto]) <= 0.1


def test_a_tail_more_convex_than_a_power_law_has_the_power_law_for_its_lognormal_limit() -> None:
    excess = np.random.default_rng(2).exponential(size=500) ** 2
    found = against_lognormal(excess)
    assert (found.total, found.normalised, found.p_value) == (0.0, 0.0, 1.0)


def test_a_tail_as_even_as_a_ruler_does_not_break_it() -> None:
    for excess in (np.linspace(0.01, 1, 100), np.full(100, 0.5), 1 + 1e-9 * np.arange(100)):
        found = against_lognormal(excess)
        assert np.isfinite([found.total, found.normalised, found.p_value]).all()
