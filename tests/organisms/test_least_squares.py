"""Least squares and its shrunken forms against closed forms, scikit-learn and explicit gradient descent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from gnomon.errors import GnomonError
from gnomon.organisms.digits import digits
from gnomon.organisms.least_squares import LeastSquares, gradient_flow, minimum_norm, ridge
from gnomon.organisms.random_features import ReluFeatures
from gnomon.randomness import Rng


@pytest.mark.parametrize(("n", "p"), [(120, 20), (120, 60), (120, 100), (60, 80), (60, 120), (60, 600)])
def test_the_risk_of_minimum_norm_is_its_closed_form(n: int, p: int) -> None:
    """Isotropic Gaussian inputs, θ of length r: below the threshold V = σ² p/(n − p − 1) and no bias, beyond it
    V = σ² n/(p − n − 1) and B = r²(1 − n/p), exactly at finite n and p (Hastie et al., arXiv:1903.08560)."""
    noise, length = 0.5, 1.3
    theta = np.full((p, 1), length / np.sqrt(p))
    risks = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        x = generator.standard_normal((n, p))
        y = x @ theta + np.sqrt(noise) * generator.standard_normal((n, 1))
        tests = generator.standard_normal((200, p))
        risks.append(float(((tests @ (LeastSquares(x, y).weights(minimum_norm) - theta)) ** 2).mean()))
    truth = noise * p / (n - p - 1) if p < n else noise * n / (p - n - 1) + length**2 * (1 - n / p)
    z = (np.mean(risks) - truth) / (np.std(risks, ddof=1) / np.sqrt(len(risks)))
    assert abs(z) < 3, (z, np.mean(risks), truth)


def test_the_flow_of_two_groups_of_features_descends_twice_as_theory_says() -> None:
    r"""Orthogonal features of two scales: R(t) = Σ θ²λ e^(−2s²t) + (σ²/n) Σ (1 − e^(−s²t))², in expectation over noise.

    Each group alone gives a U; together, with a fast and a slow group, epoch-wise double descent (Heckel & Yilmaz,
    arXiv:2007.10099). Without noise both terms only fall.
    """
    n, scales = 200, np.r_[np.full(40, 1.0), np.full(40, 0.03)]
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 80)))
    features = q * scales * np.sqrt(n)
    # the slow group carries more of the signal
    signal = np.r_[np.full(40, 0.05), np.full(40, 0.12)]
    theta, noise = (signal / scales)[:, None], 2.0
    times = np.geomspace(1e-5, 30, 60)

    def errors(level: float, draws: int) -> np.ndarray:
        found = np.empty((draws, len(times)))
        for i in range(draws):
            y = features @ theta + np.sqrt(level) * np.random.default_rng(i + 1).standard_normal((n, 1))
            fit = LeastSquares(features, y)
            for j, time in enumerate(times):
                found[i, j] = (scales[:, None] ** 2 * (fit.weights(gradient_flow(time)) - theta) ** 2).sum()
        return found

    def theory(level: float) -> np.ndarray:
        left = np.exp(-np.outer(times, n * scales**2))
        return (signal**2 * left**2).sum(axis=1) + level / n * ((1 - left) ** 2).sum(axis=1)

    drawn = errors(noise, 300)
    z = (drawn.mean(axis=0) - theory(noise)) / (drawn.std(axis=0, ddof=1) / np.sqrt(300) + 1e-12)
    late = times > 1e-3
    assert np.abs(z[late]).max() < 4  # the largest of some 40 correlated ones
    curve = theory(noise)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(curve))))
    assert len(turns) >= 3, "falls, rises, falls, rises"
    np.testing.assert_allclose(errors(0.0, 1)[0], theory(0.0), rtol=1e-8)
    assert (np.diff(theory(0.0)) < 0).all()


@settings(max_examples=15, deadline=None)
@given(n=st.integers(3, 30), p=st.integers(1, 40), penalty=st.floats(1e-3, 10), seed=st.integers(0, 100))
def test_ridge_is_that_of_scikit_learn(n: int, p: int, penalty: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((n, p)), generator.standard_normal((n, 3))
    theirs = Ridge(alpha=penalty, fit_intercept=False, solver="cholesky").fit(x, y).coef_.T
    np.testing.assert_allclose(LeastSquares(x, y).weights(ridge(penalty)), theirs, rtol=1e-6, atol=1e-9)


def test_the_flow_is_gradient_descent_with_small_steps() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((10, 15)) / 4, generator.standard_normal((10, 2))
    step, weights = 1e-3, np.zeros((15, 2))
    for _ in range(2_000):
        weights -= step * x.T @ (x @ weights - y)
    np.testing.assert_allclose(LeastSquares(x, y).weights(gradient_flow(2.0)), weights, atol=2e-3)


def test_the_flow_ends_at_the_minimum_norm_fit_as_does_a_vanishing_penalty() -> None:
    generator = np.random.default_rng(0)
    fit = LeastSquares(generator.standard_normal((10, 25)), generator.standard_normal((10, 2)))
    end = fit.weights(minimum_norm)
    np.testing.assert_allclose(fit.weights(gradient_flow(1e6)), end, rtol=1e-9)
    np.testing.assert_allclose(fit.weights(ridge(1e-12)), end, rtol=1e-9)


def test_singular_values_of_rounding_size_count_as_zero() -> None:
    x = np.random.default_rng(0).standard_normal((20, 4))
    twice = np.hstack([x, x])
    y = np.random.default_rng(1).standard_normal((20, 1))
    fit = LeastSquares(twice, y)
    assert len(fit.singular_values) == 4
    np.testing.assert_allclose(fit.weights(minimum_norm), np.linalg.pinv(twice) @ y, atol=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(GnomonError, match="rows of features"):
        LeastSquares(np.ones((3, 2)), np.ones((4, 1)))
    with pytest.raises(GnomonError, match="not finite"):
        LeastSquares(np.full((3, 2), np.nan), np.ones((3, 1)))


def test_random_features_have_the_arc_cosine_kernel() -> None:
    """E φ(x)·φ(z) = |x||z| (sin α + (π − α) cos α)/π, α the angle between them (Cho & Saul, 2009)."""
    images = digits().images[:30]
    features = ReluFeatures.drawn(images, 400_000, Rng(0))
    found = features(images[:6])
    x = (images[:6] - features.centre) / features.scale
    length = np.linalg.norm(x, axis=1)
    angle = np.arccos(np.clip(x @ x.T / np.outer(length, length), -1, 1))
    kernel = np.outer(length, length) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
    # the standard error of an entry is below 2.5 |x||z|/√N
    assert (np.abs(found @ found.T - kernel) < 4 * 2.5 * np.outer(length, length) / np.sqrt(400_000)).all()


def test_as_many_features_count_as_are_drawn() -> None:
    images = digits().images[:300]
    for width in (50, 100, 200):
        fit = LeastSquares(ReluFeatures.drawn(images, width, Rng(1))(images), np.ones((300, 1)))
        assert len(fit.singular_values) == width
