"""Deterministic equivalents of regression on inputs of any covariance, against simulation and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from linear_designs import simulated_risk, z_score

from gnomon.errors import GnomonError
from gnomon.theory import OutOfDomainError
from gnomon.theory.ridge_equivalent import risk
from gnomon.theory.ridge_isotropic import isotropic_risk
from gnomon.theory.ridge_regression import RidgeRegression
from gnomon.theory.ridge_spectra import PopulationSpectrum

SHAPES = ("flat", "decaying", "spiked", "power_law")


def _design(shape: str, p: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    place = np.arange(p) / n
    eigenvalues = {
        "flat": np.ones(p),
        "decaying": 1 / (0.05 + place),
        "spiked": np.where(place < 0.1, 5.0, 0.2),
        "power_law": (1 + np.arange(float(p))) ** -1.5,
    }[shape]
    eigenvalues = eigenvalues / eigenvalues.sum()
    coefficients = np.random.default_rng(p).standard_normal(p)
    return eigenvalues, coefficients / math.sqrt(eigenvalues @ coefficients**2)


@pytest.mark.parametrize("p", [90, 300])
@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_the_isotropic_case_is_that_of_the_closed_form(p: int, penalty: float) -> None:
    theta = np.zeros(p)
    theta[0] = 1.5
    samples = np.array([30, 80, 100, 250, 299, 301, 2_000])
    samples = samples[(samples != p) | (penalty > 0)]
    found = risk(PopulationSpectrum(np.ones(p), theta**2), samples, penalty=penalty, noise=0.4)
    closed = isotropic_risk(samples, p, penalty, signal=1.5**2, noise=0.4)
    assert np.allclose(found.bias, closed.bias, rtol=1e-8, atol=1e-12)
    assert np.allclose(found.variance, closed.variance, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bound_holds_and_is_no_idle_one(shape: str) -> None:
    """At n = 48: the mean over 120 draws is as near as stated; in some case it is a fifth of that away, or more."""
    n, shares = 48, []
    for p in (20, 90, 240):
        eigenvalues, coefficients = _design(shape, p, n)
        for penalty in (0.0, 0.02, 0.5):
            theory = RidgeRegression(
                eigenvalues=eigenvalues, coefficients=coefficients, samples=n, penalty=penalty, noise=0.3
            )
            assert theory.outside() == ()
            drawn = simulated_risk(
                eigenvalues, coefficients, samples=n, draws=120, seed=p, penalty=penalty, noise=0.3
            ).sum(axis=0)
            error = drawn.std(ddof=1) / math.sqrt(len(drawn))
            assert abs(drawn.mean() - theory.value()) < theory.systematic() + 3 * error, (p, penalty)
            shares.append(abs(drawn.mean() - theory.value()) / theory.systematic())
    assert max(shares) > 0.2


@pytest.mark.parametrize("shape", ["decaying", "spiked"])
def test_it_is_approached_as_one_over_n(shape: str) -> None:
    """At a fixed p/n, four times n, the bound is a quarter, and simulation keeps within it."""
    bounds = []
    for n in (50, 200):
        eigenvalues, coefficients = _design(shape, 3 * n, n)
        coefficients = np.full(3 * n, 1 / math.sqrt(eigenvalues.sum()))
        theory = RidgeRegression(eigenvalues=eigenvalues, coefficients=coefficients, samples=n, noise=0.5)
        drawn = simulated_risk(eigenvalues, coefficients, samples=n, draws=2_000 // n, seed=0, noise=0.5).sum(axis=0)
        bounds.append(theory.systematic() / theory.value())
        error = drawn.std(ddof=1) / math.sqrt(len(drawn))
        assert abs(drawn.mean() - theory.value()) < theory.systematic() + 3 * error
    assert bounds[1] == pytest.approx(bounds[0] / 4, rel=0.1)


def test_at_two_hundred_examples_z_scores_are_small_with_the_bound_taken_off() -> None:
    scores = []
    for seed, ratio in enumerate((0.2, 0.6, 1.0, 2.0)):
        n, p = 200, round(200 * ratio)
        eigenvalues, coefficients = _design("decaying", p, n)
        penalty = 0.05
        theory = RidgeRegression(
            eigenvalues=eigenvalues, coefficients=coefficients, samples=n, penalty=penalty, noise=0.3
        )
        drawn = simulated_risk(
            eigenvalues, coefficients, samples=n, draws=20, seed=seed, penalty=penalty, noise=0.3
        ).sum(axis=0)
        z = z_score(drawn, theory.value())
        scores.append(abs(z) - theory.systematic() / (drawn.std(ddof=1) / math.sqrt(len(drawn))))
    assert max(scores) < 3


def test_directions_without_variance_in_the_target_and_unlearned_power_act_as_stated() -> None:
    """Power outside all directions is noise to the fit, and cannot be predicted: p < n gives u/(1 − p/n)."""
    found = risk(PopulationSpectrum(np.ones(30), np.ones(30), unlearned=0.7), 90, noise=0.0)
    assert found.bias[0] == pytest.approx(0.7 / (1 - 30 / 90), rel=1e-9)
    # a tail is a penalty of its size: with eigenvalues too small to learn, K gains a multiple of 1
    tail = risk(PopulationSpectrum(np.ones(30), np.ones(30), tail=2.0), 90, noise=0.3)
    penalised = risk(PopulationSpectrum(np.ones(30), np.ones(30)), 90, penalty=2.0, noise=0.3)
    assert tail.total[0] == pytest.approx(penalised.total[0], rel=1e-9)


def test_ratios_are_solved_at_once() -> None:
    eigenvalues, coefficients = _design("power_law", 200, 100)
    spectrum = PopulationSpectrum(eigenvalues, eigenvalues * coefficients**2)
    samples = np.array([20.0, 100.0, 199.0, 400.0])
    together = risk(spectrum, samples, penalty=[0.0, 0.1, 0.0, 0.0], noise=0.2).total
    alone = [risk(spectrum, n, penalty=d, noise=0.2).total[0] for n, d in zip(samples, (0, 0.1, 0, 0), strict=True)]
    assert np.allclose(together, alone, rtol=1e-10)


def test_next_to_the_peak_it_refuses() -> None:
    eigenvalues, coefficients = _design("decaying", 100, 100)
    given = {"eigenvalues": eigenvalues, "coefficients": coefficients, "noise": 0.3}
    with pytest.raises(OutOfDomainError, match="interpolation peak"):
        RidgeRegression(samples=100, **given).predict()
    assert RidgeRegression(samples=100, **given).value() == math.inf
    assert RidgeRegression(samples=103, **given).outside() != ()
    assert RidgeRegression(samples=150, **given).outside() == ()


def test_bad_input_is_refused() -> None:
    with pytest.raises(GnomonError, match="do not fit"):
        RidgeRegression(eigenvalues=np.ones(3), coefficients=np.ones(4), samples=20)
    with pytest.raises(GnomonError, match="not positive"):
        RidgeRegression(eigenvalues=np.zeros(3), coefficients=np.ones(3), samples=20)
    with pytest.raises(GnomonError, match="no negative penalty"):
        RidgeRegression(eigenvalues=np.ones(3), coefficients=np.ones(3), samples=20, penalty=-1.0)
    with pytest.raises(GnomonError, match=r"noise -1\.0 is negative"):
        risk(PopulationSpectrum(np.ones(3), np.ones(3)), 20, noise=-1.0)
    with pytest.raises(GnomonError, match="1 or more"):
        risk(PopulationSpectrum(np.ones(3), np.ones(3)), 0)
