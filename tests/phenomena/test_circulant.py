"""The circulant share against its Fourier form, and where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.phenomena.circulant import circulant_share


def test_a_circulant_matrix_is_explained_wholly_and_its_mirror_image_is_not() -> None:
    first = np.random.default_rng(0).normal(size=11)
    circulant = np.stack([np.roll(first, a) for a in range(11)])
    assert circulant_share(circulant) == pytest.approx(1.0)
    assert circulant_share(3 * circulant - 2) == pytest.approx(1.0)
    # constant along a + b instead of b - a: no variance is common but that of the mean, which does not count
    assert circulant_share(circulant[::-1]) == pytest.approx(0.0, abs=1e-12)


def test_independent_entries_are_explained_by_chance_only() -> None:
    rng, p = np.random.default_rng(1), 13
    shares = [circulant_share(rng.normal(size=(p, p))) for _ in range(4000)]
    assert np.mean(shares) == pytest.approx(1 / (p + 1), abs=4 * np.std(shares) / np.sqrt(4000))


def test_it_is_the_power_at_opposite_frequencies() -> None:
    block = np.random.default_rng(2).normal(size=(7, 7)) + 3 * np.cos(np.subtract.outer(np.arange(7), np.arange(7)))
    power = np.abs(np.fft.fft2(block)) ** 2
    power[0, 0] = 0
    opposite = power[np.arange(7), -np.arange(7)]
    assert circulant_share(block) == pytest.approx(opposite.sum() / power.sum())


@pytest.mark.parametrize("block", [np.ones((3, 4)), np.ones(4), np.ones((3, 3))])
def test_bad_matrices_are_refused(block: np.ndarray) -> None:
    with pytest.raises(GnomonError, match=r"not square|no variance"):
        circulant_share(block)
