"""Regression on isotropic inputs: the limit, the term in 1/n, the peak and the best penalty, against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from linear_designs import z_score
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from gnomon.errors import GnomonError
from gnomon.theory import OutOfDomainError
from gnomon.theory.ridge_isotropic import IsotropicRidge, isotropic_correction, isotropic_risk, optimal_penalty

N = 200
RATIOS = np.geomspace(0.1, 10, 13)
SIGNAL, NOISE = 1.0, 0.5


def _drawn(samples: int, p: int, penalties: tuple[float, ...], draws: int, seed: int) -> np.ndarray:
    """Bias and variance, exact in noise and test examples, for each penalty: shape ``(penalties, 2, draws)``."""
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((draws, samples, p))
    wide = p > samples
    gram = inputs @ np.swapaxes(inputs, 1, 2) if wide else np.swapaxes(inputs, 1, 2) @ inputs
    squares, vectors = np.linalg.eigh(gram)
    # power of θ, the first direction, along the right singular vectors
    along = SIGNAL * (np.einsum("bn,bni->bi", inputs[:, :, 0], vectors) ** 2 / squares if wide else vectors[:, 0] ** 2)
    parts = []
    for penalty in penalties:
        bias = (along * (penalty / (squares + penalty)) ** 2).sum(axis=1) + SIGNAL - along.sum(axis=1)
        parts.append([bias, NOISE * (squares / (squares + penalty) ** 2).sum(axis=1)])
    return np.array(parts)


def _at(p: int, penalty: float, samples: int = N) -> IsotropicRidge:
    return IsotropicRidge(samples=samples, dimensions=p, signal=SIGNAL, noise=NOISE, penalty=penalty)


@pytest.mark.parametrize("place", range(13), ids=[f"ratio{r:.3g}" for r in RATIOS])
def test_simulation_at_thirteen_ratios_is_within_three_standard_errors(place: int) -> None:
    """n = 200, 40 draws, ridgeless and with the best penalty; at ratio 1 the ridgeless risk is infinite."""
    p = round(N * RATIOS[place])
    penalties = (0.0, optimal_penalty(p, signal=SIGNAL, noise=NOISE))
    for penalty, drawn in zip(penalties, _drawn(N, p, penalties, 40, place).sum(axis=1), strict=True):
        theory = _at(p, penalty)
        if p == N and penalty == 0:
            assert theory.value() == math.inf
            with pytest.raises(OutOfDomainError, match="interpolation peak"):
                theory.predict()
            continue
        assert theory.outside() == ()
        assert abs(z_score(drawn, theory.value())) < 3, (p, penalty, drawn.mean(), theory.value())


def test_at_ratio_one_draws_have_no_mean() -> None:
    """The smallest singular value has a density at zero: the largest draw outgrows the median as there are more."""
    drawn = _drawn(40, 40, (0.0,), 400, 0)[0, 1]
    assert drawn.max() > 50 * np.median(drawn)


@pytest.mark.parametrize("p", [20, 150, 260, 900])
def test_without_a_penalty_the_bound_holds_against_the_exact_mean(p: int) -> None:
    """The trace of an inverse Wishart matrix: V = σ² p/(n − p − 1), or σ² n/(p − n − 1); B = 0, or (1 − n/p)|θ|²."""
    exact = NOISE * min(p, N) / (abs(N - p) - 1) + SIGNAL * max(0.0, 1 - N / p)
    theory = _at(p, 0.0)
    limit = float(isotropic_risk(N, p, 0.0, signal=SIGNAL, noise=NOISE).total[0])
    assert abs(theory.value() - exact) <= theory.systematic()
    assert theory.systematic() < abs(limit - exact), "the term in 1/n is gained"


@pytest.mark.parametrize(("p", "penalty"), [(15, 4.0), (30, 10.0), (60, 5.0), (90, 1.0)])
def test_the_term_in_one_over_n_is_seen_at_small_n(p: int, penalty: float) -> None:
    n = 30
    drawn = _drawn(n, p, (penalty,), 3_000, p)[0]
    limit = isotropic_risk(n, p, penalty, signal=SIGNAL, noise=NOISE)
    further = isotropic_correction(n, p, penalty, signal=SIGNAL, noise=NOISE)
    parts = ((drawn[0], limit.bias[0], further.bias[0]), (drawn[1], limit.variance[0], further.variance[0]))
    for values, at_infinity, term in parts:
        error = values.std(ddof=1) / math.sqrt(len(values))
        assert abs(values.mean() - at_infinity - term) < 3 * error + 2 * term**2 / at_infinity
    total = drawn.sum(axis=0)
    theory = _at(p, penalty, n)
    assert abs(total.mean() - theory.value()) < theory.systematic() + 3 * total.std(ddof=1) / math.sqrt(len(total))


def test_the_limit_is_the_integral_over_the_marchenko_pastur_law() -> None:
    """Bias and variance are ∫ℓ²/(x+ℓ)² and (p/n)∫x/(x+ℓ)² over the spectrum of the sample covariance."""
    n, p, penalty = 300, 120, 45.0
    c, level = p / n, penalty / n
    low, high = (1 - math.sqrt(c)) ** 2, (1 + math.sqrt(c)) ** 2

    def mean(f: object) -> float:
        return float(
            quad(lambda x: f(x) * math.sqrt((high - x) * (x - low)) / (2 * math.pi * c * x), low, high, limit=400)[0]
        )

    found = isotropic_risk(n, p, penalty, signal=SIGNAL, noise=NOISE)
    assert found.bias[0] == pytest.approx(SIGNAL * mean(lambda x: (level / (x + level)) ** 2), rel=1e-7)
    assert found.variance[0] == pytest.approx(NOISE * c * mean(lambda x: x / (x + level) ** 2), rel=1e-7)


@pytest.mark.parametrize("p", [60, 200, 700])
def test_the_best_penalty_has_the_least_risk_and_no_peak(p: int) -> None:
    def risk(log_penalty: float) -> float:
        return float(isotropic_risk(N, p, math.exp(log_penalty), signal=SIGNAL, noise=NOISE).total[0])

    found = minimize_scalar(risk, bounds=(-4, 12), method="bounded", options={"xatol": 1e-8})
    best = optimal_penalty(p, signal=SIGNAL, noise=NOISE)
    assert math.log(best) == pytest.approx(found.x, abs=1e-3)
    ratios = np.geomspace(0.1, 10, 200) * N
    tuned = isotropic_risk(N, ratios, ratios * NOISE / SIGNAL, signal=SIGNAL, noise=NOISE).total
    assert (np.diff(tuned) > 0).all()


@pytest.mark.parametrize(
    ("p", "penalty", "inside"),
    [(190, 0.0, True), (191, 0.0, False), (209, 0.0, False), (210, 0.0, True), (200, 0.02, False), (200, 0.5, True)],
)
def test_the_domain_ends_ten_from_the_peak(p: int, penalty: float, inside: bool) -> None:
    """A penalty below the smallest squared singular values, about 1/n at p = n, does not help."""
    assert (_at(p, penalty).outside() == ()) is inside


def test_the_bound_is_no_bound_outside_the_domain() -> None:
    """Two from the peak the exact risk is twice the limit, and further off than the bound that would be stated."""
    p = 198
    exact = NOISE * p / (N - p - 1)
    assert _at(p, 0.0).outside() != ()
    assert _at(p, 0.0).value() < 0.8 * exact


def test_bad_input_is_refused_in_one_line() -> None:
    for changes in ({"samples": 0}, {"signal": 0.0}, {"noise": -1.0}, {"penalty": math.nan}):
        given = {"samples": 20, "dimensions": 5, "signal": 1.0, "noise": 0.1, "penalty": 0.0}
        with pytest.raises(GnomonError, match="take"):
            IsotropicRidge(**{**given, **changes})
