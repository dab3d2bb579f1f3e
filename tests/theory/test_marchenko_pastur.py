"""The Marchenko–Pastur law against its density, its moments and matrices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad

from gnomon.errors import GnomonError
from gnomon.theory.marchenko_pastur import (
    MarchenkoPastur,
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_edges,
    marchenko_pastur_moment,
    marchenko_pastur_quantile,
    marchenko_pastur_stieltjes,
    marchenko_pastur_stieltjes_slope,
)


def _density(x: float, c: float) -> float:
    low, high = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    return float(np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * c * x))


def _mean(f: Callable[[float], float], c: float, share: float = 1.0) -> float:
    """Integral of f over the law, up to a share of the support."""
    low, high = marchenko_pastur_edges(c)
    # in the square root of the distance to the lower edge the integrand is smooth
    end = math.sqrt(share * (high - low))
    return float(quad(lambda u: 2 * u * _density(low + u * u, c) * f(low + u * u), 0, end, limit=400, epsabs=0)[0])


@pytest.mark.parametrize("aspect", [1.0, 0.999, 0.5, 0.1, 0.002], ids=str)
def test_cdf_is_the_integral_of_the_density(aspect: float) -> None:
    low, high = (1 - np.sqrt(aspect)) ** 2, (1 + np.sqrt(aspect)) ** 2
    for share in (0.001, 0.2, 0.5, 0.9, 1.0):
        x = low + share * (high - low)
        found = marchenko_pastur_cdf(np.array([x]), aspect)[0]
        assert found == pytest.approx(_mean(lambda _: 1.0, aspect, share), abs=1e-7)


def test_no_mass_outside_the_edges() -> None:
    x = np.array([-1.0, 0.0, 0.08, 3.0, 100.0])
    assert np.allclose(marchenko_pastur_cdf(x, 0.5), [0, 0, 0, 1, 1], rtol=0, atol=1e-14)
    assert (marchenko_pastur_density(x, 0.5) == 0).all()
    assert marchenko_pastur_density(np.array([1.1]), 0.5)[0] == pytest.approx(_density(1.1, 0.5))


@pytest.mark.parametrize("aspect", [1.0, 0.3, 0.01], ids=str)
def test_quantile_inverts_the_cdf(aspect: float) -> None:
    p = np.array([1e-4, 0.01, 0.5, 0.99, 1 - 1e-6])
    assert np.allclose(marchenko_pastur_cdf(marchenko_pastur_quantile(p, aspect), aspect), p, rtol=0, atol=1e-12)


@pytest.mark.parametrize("aspect", [1.0, 0.4, 0.05], ids=str)
def test_the_stieltjes_transform_is_its_integral_and_solves_its_equation(aspect: float) -> None:
    low, high = marchenko_pastur_edges(aspect)
    outside = np.array([-1e6, -3.0, -0.2, high + 0.3, 50.0, 1e8])
    found, slope = marchenko_pastur_stieltjes(outside, aspect), marchenko_pastur_stieltjes_slope(outside, aspect)
    for z, m, m1 in zip(outside, found, slope, strict=True):
        assert m == pytest.approx(_mean(lambda x, z=z: 1 / (x - z), aspect), rel=1e-7)
        assert m1 == pytest.approx(_mean(lambda x, z=z: 1 / (x - z) ** 2, aspect), rel=1e-6)
    z = np.array([0.5 + 0.1j, 2 - 0.3j, -1 + 1e-3j, 30 + 0j])
    m = marchenko_pastur_stieltjes(z, aspect)
    assert np.allclose(aspect * z * m**2 + (z + aspect - 1) * m + 1, 0, atol=1e-10)
    # Stieltjes inversion: the density is its imaginary part over π on the support
    x = np.linspace(low + 0.1, high - 0.1, 7)
    inverted = marchenko_pastur_stieltjes(x + 1e-9j, aspect).imag / np.pi
    assert np.allclose(inverted, marchenko_pastur_density(x, aspect), atol=1e-6)
    with pytest.raises(GnomonError, match="inside the spectrum"):
        marchenko_pastur_stieltjes(np.array([1.0]), aspect)


def test_moments_are_integrals_and_catalan_numbers() -> None:
    catalan = [math.comb(2 * k, k) // (k + 1) for k in range(9)]
    assert [marchenko_pastur_moment(k, 1.0) for k in range(9)] == catalan
    for k in range(5):
        assert marchenko_pastur_moment(k, 0.3) == pytest.approx(_mean(lambda x, k=k: x**k, 0.3), rel=1e-7)


def test_moments_of_matrices() -> None:
    """E tr S^k/n over 400 matrices; normal entries add to the second moment exactly c/n, so its mean is 1 + c + 1/M."""
    n, long = 40, 100
    w = np.random.default_rng(0).standard_normal((400, n, long))
    eigenvalues = np.linalg.eigvalsh(w @ np.swapaxes(w, 1, 2) / long)
    for order, beyond in ((1, 0.0), (2, 1 / long), (3, 3 * (1 + n / long) / long + 4 / long**2)):
        drawn = (eigenvalues**order).mean(axis=1)
        truth = marchenko_pastur_moment(order, n / long) + beyond
        assert abs(drawn.mean() - truth) < 3 * drawn.std(ddof=1) / math.sqrt(len(drawn)), order


@pytest.mark.parametrize(
    ("rows", "columns", "entries"),
    [(30, 60, "normal"), (60, 30, "sign"), (40, 40, "normal"), (10, 200, "normal"), (50, 80, "laplace")],
    ids=lambda value: str(value),
)
def test_each_eigenvalue_is_within_the_bound(rows: int, columns: int, entries: str) -> None:
    """Means over 300 matrices; the bound is not idle: one eigenvalue is a tenth of it off, or more."""
    generator, shape = np.random.default_rng(rows), (300, rows, columns)
    w = {
        "normal": lambda: generator.standard_normal(shape),
        "sign": lambda: generator.choice([-1.0, 1.0], shape),
        "laplace": lambda: generator.laplace(size=shape) / math.sqrt(2),
    }[entries]()
    theory = MarchenkoPastur(
        rows=rows, columns=columns, variance=2.25, kurtosis={"normal": 3.0, "sign": 1.0, "laplace": 6.0}[entries]
    )
    assert theory.outside() == ()
    values = 2.25 * np.linalg.svd(w, compute_uv=False) ** 2 / max(rows, columns)
    off = np.abs(values.mean(axis=0) - theory.value())
    error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    assert (off < theory.systematic() + 3 * error).all()
    assert off.max() > 0.1 * theory.systematic()


def test_eigenvalues_of_a_large_matrix_follow_it() -> None:
    w = np.random.default_rng(0).normal(size=(400, 1000))
    eigenvalues = np.sort(np.linalg.svd(w, compute_uv=False) ** 2) / 1000
    rank = np.arange(400) / 400
    assert np.abs(marchenko_pastur_cdf(eigenvalues, 0.4) - rank).max() < 0.015


def test_heavy_tails_are_outside_and_break_the_bound() -> None:
    w = np.random.default_rng(0).standard_t(2.5, size=(100, 40, 80))
    w /= np.sqrt((w**2).mean())
    largest = np.linalg.svd(w, compute_uv=False)[:, 0] ** 2 / 80
    light = MarchenkoPastur(rows=40, columns=80, variance=1.0)
    assert largest.mean() > light.value()[0] + light.systematic()
    kurtosis = float((w**4).mean())
    assert MarchenkoPastur(rows=40, columns=80, variance=1.0, kurtosis=kurtosis).outside() != ()
    with pytest.raises(GnomonError, match="positive variance"):
        MarchenkoPastur(rows=40, columns=80, variance=0.0)
