"""The band holds all leading eigenvalues at once, whatever the spectrum; the sample's own eigenvalues do not."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.estimators.features.eigenvalues import spectrum
from gnomon.estimators.features.outer_products import OuterProducts
from gnomon.randomness import Rng

EQUAL, HARMONIC, STEEP = np.ones(24), 1 / np.arange(1, 25), 0.5 ** np.arange(12)


def sample(eigenvalues: np.ndarray, n: int, seed: int, *, copies: int = 1, heavy: bool = False) -> OuterProducts:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, len(eigenvalues))) * np.sqrt(eigenvalues)
    if heavy:
        rows *= np.sqrt(generator.exponential(size=(n, 1)))
    return OuterProducts(np.repeat(rows, copies, axis=0), np.repeat(np.arange(n), copies), np.full(n, float(copies)))


@pytest.mark.parametrize(
    ("eigenvalues", "n", "heavy"),
    [
        (EQUAL, 60, False),
        (EQUAL, 400, True),
        (HARMONIC, 60, True),
        (HARMONIC, 400, False),
        (STEEP, 100, True),
        (STEEP, 400, False),
    ],
)
def test_band_covers_all_at_once(eigenvalues: np.ndarray, n: int, heavy: bool) -> None:
    held, trials = 0, 100
    for seed in range(trials):
        found = spectrum(sample(eigenvalues, n, seed, heavy=heavy), 12, Rng(seed))
        truth = eigenvalues[:12]
        held += bool(((found.low <= truth) & (truth <= found.high)).all())
        assert (np.diff(found.values) <= 0).all()
        assert ((found.low <= found.values) & (found.values <= found.high)).all()
    assert held >= 92


def test_bracket_holds_the_truth_on_average() -> None:
    """Below the smallest eigenvalue bound and above the largest: in the mean, also where all are equal."""
    for eigenvalues in (EQUAL, HARMONIC):
        found = [spectrum(sample(eigenvalues, 100, seed), 6, Rng(seed)) for seed in range(150)]
        below, above = np.mean([f.below for f in found], axis=0), np.mean([f.above for f in found], axis=0)
        error = np.std([f.above for f in found], axis=0) / np.sqrt(150)
        assert (below <= eigenvalues[:6] + 3 * error).all()
        assert (above >= eigenvalues[:6] - 3 * error).all()


def test_band_is_sharp_with_many_examples() -> None:
    found = spectrum(sample(STEEP, 20000, 0), 8, Rng(0))
    assert (found.high / found.low < 1.12).all()
    np.testing.assert_allclose(found.values, STEEP[:8], rtol=0.05)


def test_copies_do_not_sharpen_it() -> None:
    once, copied = (spectrum(sample(HARMONIC, 200, 0, copies=c), 4, Rng(0)) for c in (1, 10))
    np.testing.assert_allclose(copied.high, once.high, rtol=1e-9)
    np.testing.assert_allclose(copied.low, once.low, rtol=1e-9)


def test_wider_than_the_sample() -> None:
    """300 coordinates, 60 gradients: the bounds are those found in the span of the gradients."""
    eigenvalues = np.concatenate([[50.0, 20.0], np.full(298, 0.01)])
    found = spectrum(sample(eigenvalues, 60, 1), 4, Rng(0))
    assert ((found.low <= eigenvalues[:4]) & (eigenvalues[:4] <= found.high)).all()
    assert found.low[1] > found.high[2]


def test_rank_one_without_noise_is_exact() -> None:
    rows = np.tile([[3.0, 4.0]], (50, 1))
    found = spectrum(OuterProducts(rows, np.arange(50), np.ones(50)), 5, Rng(0))
    np.testing.assert_allclose(found.values, [25.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.high - found.low, 0.0, atol=1e-6)
