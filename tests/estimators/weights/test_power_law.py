"""Power-law fits: against a plain loop, unbiased, free of the exponent, and resampled as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from gnomon.estimators.weights.power_law import fit_power_laws, resampled_power_laws, tail_sizes


def _by_hand(eigenvalues: np.ndarray) -> tuple[int, float, float]:
    """Clauset, Shalizi and Newman, one candidate at a time, with SciPy's distance."""
    best = (0, 0.0, np.inf)
    for k in tail_sizes(len(eigenvalues)):
        x_min, tail = eigenvalues[k], eigenvalues[:k]
        shape = (k - 1) / np.log(tail / x_min).sum()
        distance = kstest(tail, lambda x, a=shape, m=x_min: 1 - (x / m) ** -a).statistic
        if distance < best[2]:
            best = (int(k), float(shape), float(distance))
    return best


@pytest.mark.parametrize("n", [26, 60, 300])
def test_fit_is_the_plain_loop(n: int) -> None:
    generator = np.random.default_rng(n)
    spectra = -np.sort(-np.concatenate([generator.pareto(2, (5, n)) + 1, generator.gamma(2, size=(5, n))]), axis=1)
    fits = fit_power_laws(np.log(spectra))
    for i, spectrum in enumerate(spectra):
        points, shape, distance = _by_hand(spectrum)
        excess = np.log(spectrum[:points] / spectrum[points])
        assert fits.points[i] == points
        assert fits.shape[i] == pytest.approx(shape, rel=1e-10)
        assert fits.distance[i] == pytest.approx(distance, rel=1e-9)
        assert fits.curvature[i] == pytest.approx((excess**2).mean() / (2 * excess.mean() ** 2), rel=1e-8)


def test_too_few_eigenvalues_have_no_candidate() -> None:
    assert len(tail_sizes(25)) == 0
    assert tail_sizes(26).tolist() == [25]
    assert tail_sizes(1000)[-1] == 999


def test_fit_does_not_depend_on_scale_or_exponent() -> None:
    """In logarithms a power law is a stretched exponential law: α − 1 is a factor, and everything else stays."""
    logs = -np.sort(-np.random.default_rng(0).exponential(size=(20, 200)), axis=1)
    one, other = fit_power_laws(logs), fit_power_laws(logs / 3 + 7)
    assert (one.points == other.points).all()
    assert np.allclose(other.shape, 3 * one.shape)
    assert np.allclose(other.distance, one.distance)


def test_shape_is_unbiased_where_x_min_is_given() -> None:
    """Of 26 eigenvalues there is one candidate only."""
    logs = -np.sort(-np.random.default_rng(0).exponential(size=(20000, 26)), axis=1)
    shapes = fit_power_laws(logs).shape
    assert abs(shapes.mean() - 1) < 4 * shapes.std() / 20000**0.5


def test_x_min_is_found_above_a_body() -> None:
    """Half of the eigenvalues follow the power law, the others crowd below: the tail found is about that half."""
    generator = np.random.default_rng(1)
    eigenvalues = np.where(
        generator.random((200, 600)) < 0.5,
        generator.random((200, 600)) ** (-1 / 2),
        0.2 + 0.8 * generator.random((200, 600)),
    )
    fits = fit_power_laws(np.log(-np.sort(-eigenvalues, axis=1)))
    assert 220 < np.median(fits.points) <= 320
    assert np.median(fits.shape) == pytest.approx(2.0, abs=0.1)


def test_resampling_follows_the_fitted_law() -> None:
    generator = np.random.default_rng(2)
    eigenvalues = np.concatenate([generator.random(200) ** (-1 / 1.5), generator.random(200)])
    logs = np.log(-np.sort(-eigenvalues))
    fit = fit_power_laws(logs[None])
    again = resampled_power_laws(logs, fit, 600, np.random.default_rng(3))
    assert len(again.shape) == len(again.points) == len(again.distance) == len(again.curvature) == 600
    assert np.median(again.shape) == pytest.approx(fit.shape[0], rel=0.06)
    same = resampled_power_laws(logs, fit, 600, np.random.default_rng(3))
    assert (same.shape == again.shape).all()


def test_goodness_of_fit_is_uniform_under_the_law() -> None:
    """The share of replicates that fit worse than the spectrum itself, over power-law spectra."""
    generator = np.random.default_rng(4)
    shares = []
    for _ in range(150):
        logs = -np.sort(-generator.exponential(size=120))
        fit = fit_power_laws(logs[None])
        shares.append((resampled_power_laws(logs, fit, 100, generator).distance >= fit.distance[0]).mean())
    assert np.mean(np.array(shares) < 0.1) < 0.17
    assert 0.4 < np.mean(shares) < 0.62


def test_goodness_of_fit_refutes_what_is_no_power_law() -> None:
    logs = -np.sort(-np.linspace(0, 3, 200))  # uniform in logarithms, with a sharp end
    fit = fit_power_laws(logs[None])
    again = resampled_power_laws(logs, fit, 300, np.random.default_rng(5))
    assert (again.distance >= fit.distance[0]).mean() < 0.01
