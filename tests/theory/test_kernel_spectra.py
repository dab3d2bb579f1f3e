"""Spectra of kernels on the hypercube and the sphere, against diagonalisation and Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import eval_legendre, iv

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory.hypercube import (
    corners,
    hypercube_spectrum,
    parity_eigenvalues,
    parity_multiplicities,
    parity_power,
)
from gnomon.theory.sphere import harmonic_eigenvalues, harmonic_multiplicities, sphere_spectrum, zonal_power

Profile = Callable[[np.ndarray], np.ndarray]


def _arc_cosine(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, -1, 1)
    return (np.sqrt(1 - t**2) + (math.pi - np.arccos(t)) * t) / math.pi


PROFILES: dict[str, Profile] = {
    "exponential": lambda t: np.exp(2 * (t - 1)),
    "arc-cosine": _arc_cosine,
    "quintic": lambda t: (t + 0.3) ** 5,
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("bits", [1, 2, 7, 10])
def test_hypercube_eigenvalues_are_those_of_all_corners(profile: str, bits: int) -> None:
    x = corners(bits)
    brute = np.linalg.eigvalsh(PROFILES[profile](x @ x.T / bits) / 2**bits)
    eigenvalues = parity_eigenvalues(PROFILES[profile], bits)
    ours = np.repeat(eigenvalues, parity_multiplicities(bits).astype(int))
    np.testing.assert_allclose(np.sort(ours), brute, atol=2e-15 * brute.max() * bits)


def test_each_level_has_its_own_eigenvalue() -> None:
    x = corners(6)
    kernel = np.exp(x @ x.T / 6) / 64
    eigenvalues = parity_eigenvalues(np.exp, 6)
    for level in range(7):
        parity = x[:, :level].prod(axis=1)
        np.testing.assert_allclose(kernel @ parity, eigenvalues[level] * parity, atol=1e-14)


def test_hypercube_spectrum_has_the_trace_of_the_kernel_at_any_size() -> None:
    for bits in (3, 30, 300):
        spectrum = hypercube_spectrum(lambda t: np.exp(t - 1), np.ones(bits + 1))
        assert spectrum.eigenvalues @ spectrum.counts + spectrum.tail == pytest.approx(1.0, rel=1e-9)
        assert spectrum.total == pytest.approx(bits + 1)
        # e^{t} of a sum of signs is a product: λ_k = e^{-1} cosh(1/d)^{d-k} sinh(1/d)^k
        level = np.arange(len(spectrum.eigenvalues))
        exact = np.exp(-1) * np.cosh(1 / bits) ** (bits - level) * np.sinh(1 / bits) ** level
        np.testing.assert_allclose(spectrum.eigenvalues, exact, atol=1e-14)


def test_power_of_a_function_is_by_projection() -> None:
    values = Rng(0).numpy().normal(size=(32, 2))
    x = corners(5)
    brute = np.zeros(6)
    for chosen in range(32):
        bits = [i for i in range(5) if chosen >> i & 1]
        brute[len(bits)] += ((x[:, bits].prod(axis=1) @ values / 32) ** 2).sum()
    np.testing.assert_allclose(parity_power(values), brute, rtol=1e-12)
    assert parity_power(values).sum() == pytest.approx((values**2).sum(axis=1).mean())
    with pytest.raises(GnomonError, match="2\\^d"):
        parity_power(np.ones(12))


@pytest.mark.parametrize("dimension", [2, 3, 5, 30])
def test_sphere_eigenvalues_of_the_exponential_are_bessel_functions(dimension: int) -> None:
    # ∫ e^{t} P_k w = Γ(ν + 1) (2/1)^ν I_{k+ν}(1), ν = d/2 − 1
    nu = dimension / 2 - 1
    exact = math.gamma(nu + 1) * 2**nu * iv(np.arange(8) + nu, 1.0)
    np.testing.assert_allclose(harmonic_eigenvalues(np.exp, dimension, 8, nodes=60), exact, rtol=1e-9, atol=2e-14)


def test_sphere_eigenvalues_of_the_arc_cosine_kernel_converge() -> None:
    # in three dimensions by Legendre polynomials and 200,000 midpoints in the angle
    angle = (np.arange(200_000) + 0.5) * math.pi / 200_000
    t = np.cos(angle)
    weight = np.sin(angle) / 2 * math.pi / 200_000
    brute = [weight @ (_arc_cosine(t) * eval_legendre(k, t)) for k in range(9)]
    np.testing.assert_allclose(harmonic_eigenvalues(_arc_cosine, 3, 9, nodes=500), brute, atol=1e-9)


@pytest.mark.parametrize("profile", PROFILES)
def test_sphere_eigenvalues_are_those_of_random_points(profile: str) -> None:
    """E k(x,z)² and E k(x,z) k(z,y) k(y,x) over random points are the sums of λ² and λ³."""
    dimension, points = 4, 1500
    x = Rng(1).numpy().normal(size=(points, dimension))
    kernel = PROFILES[profile](x @ x.T / np.outer(*[np.linalg.norm(x, axis=1)] * 2))
    np.fill_diagonal(kernel, 0)
    squared = kernel @ kernel
    second = (kernel**2).sum() / points / (points - 1)
    third = (squared * kernel).sum() / points / (points - 1) / (points - 2)
    eigenvalues, counts = harmonic_eigenvalues(PROFILES[profile], dimension, 30), harmonic_multiplicities(dimension, 30)
    assert counts @ eigenvalues**2 == pytest.approx(second, rel=0.02)
    assert counts @ eigenvalues**3 == pytest.approx(third, rel=0.04)


def test_multiplicities_and_trace() -> None:
    np.testing.assert_array_equal(harmonic_multiplicities(4, 6), (np.arange(6) + 1.0) ** 2)
    for dimension in (2, 3, 8):
        spectrum = sphere_spectrum(PROFILES["exponential"], dimension, np.ones(25), nodes=100)
        assert spectrum.eigenvalues @ spectrum.counts + spectrum.tail == pytest.approx(1.0)
        assert spectrum.tail < 1e-9
        assert spectrum.total == pytest.approx(25)
    rough = sphere_spectrum(_arc_cosine, 8, np.ones(12))
    assert 1e-5 < rough.tail < 1e-2
    assert (rough.eigenvalues > 0).all()  # the odd degrees above 1 of a ReLU have none


def test_power_of_a_function_of_one_direction() -> None:
    x = Rng(2).numpy().normal(size=(400_000, 5))
    values = np.exp(x[:, 0] / np.linalg.norm(x, axis=1))
    power = zonal_power(np.exp, 5, 12, nodes=50)
    assert power.sum() == pytest.approx((values**2).mean(), rel=0.01)
    assert power[0] == pytest.approx(values.mean() ** 2, rel=0.01)


def test_sizes_without_meaning_are_refused() -> None:
    with pytest.raises(GnomonError, match="corners"):
        parity_eigenvalues(np.exp, 0)
    for wrong in ((1, 3, 10), (3, 0, 10), (3, 20, 10)):
        with pytest.raises(GnomonError, match="nodes"):
            harmonic_eigenvalues(np.exp, wrong[0], wrong[1], nodes=wrong[2])
