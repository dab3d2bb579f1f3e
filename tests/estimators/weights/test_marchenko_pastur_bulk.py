"""Noise and spikes: false alarms at their level, spikes found, the scale covered, and refusals where noise is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import binom

from gnomon.estimators import Budget
from gnomon.estimators.weights import MarchenkoPasturBulk
from gnomon.estimators.weights.known import initial, matrix_subject, spiked, with_singular_values
from gnomon.estimators.weights.noise_bulk import NoiseBulk, fit_noise_bulk
from gnomon.estimators.weights.spectrum import spectrum_of
from gnomon.measurement import Measurement
from gnomon.randomness import Rng

Entries = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

ENTRIES: dict[str, Entries] = {
    "gaussian": lambda g, shape: g.normal(size=shape),
    "uniform": lambda g, shape: g.uniform(-1, 1, size=shape) * 3**0.5,
    "laplace": lambda g, shape: g.laplace(size=shape) / 2**0.5,
}


def _fit(w: np.ndarray, false_alarm: float = 0.05) -> NoiseBulk:
    bulk = fit_noise_bulk(spectrum_of(torch.from_numpy(w)), false_alarm=false_alarm, hidden=0.04)
    assert bulk is not None
    return bulk


def _read(w: np.ndarray) -> tuple[Measurement, Measurement]:
    scale, spikes = MarchenkoPasturBulk().measure(matrix_subject(w), None, sites=(), budget=Budget(), rng=Rng(0))
    return scale, spikes


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (64, 64), (172, 64)])
@pytest.mark.parametrize("entries", ENTRIES)
def test_noise_raises_false_alarms_at_most_at_the_stated_level(entries: str, shape: tuple[int, int]) -> None:
    """Also the scale is covered, and no bulk of noise is taken for something else."""
    n, level = 300, 0.05
    generator = np.random.default_rng(7)
    found = [_fit(ENTRIES[entries](generator, shape), level) for _ in range(n)]
    alarms = sum(b.spikes > 0 for b in found)
    assert alarms <= binom.ppf(0.999, n, level)
    assert all(b.fits for b in found)
    covered = np.mean([abs(b.scale - 1) <= 1.96 * b.error for b in found])
    # the kurtosis of few heavy-tailed entries reads low, and with it the error
    assert covered >= (0.9 if entries != "laplace" or min(shape) > 16 else 0.86)
    squares = np.array([b.scale**2 for b in found])
    assert abs(squares.mean() - 1) < 4 * squares.std() / n**0.5


def test_level_is_used_up_where_the_law_is_accurate() -> None:
    """A test that never alarms would pass the one above: here about as many alarms come as are allowed."""
    generator = np.random.default_rng(8)
    alarms = sum(_fit(generator.normal(size=(150, 300)), 0.2).spikes > 0 for _ in range(200))
    assert 0.09 <= alarms / 200 <= 0.28


@pytest.mark.parametrize(("shape", "weakest"), [((64, 64), 2.2), ((172, 64), 2.0), ((300, 500), 1.6)])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_spikes_above_the_threshold_are_counted_exactly(shape: tuple[int, int], weakest: float, count: int) -> None:
    """Strengths are in units of the threshold of Baik, Ben Arous and Péché. The noise's scale does not feel them."""
    for seed in range(15):
        scale, spikes = _read(0.1 * spiked(Rng(seed), *shape, np.geomspace(6 * weakest, weakest, count)))
        assert spikes.value == count
        assert spikes.uncertainty.contains(spikes.value, float(count))
        assert scale.value == pytest.approx(0.1, rel=0.03)


def test_many_equal_spikes_do_not_hide_behind_their_own_variance() -> None:
    """They carry twenty times the variance of the noise; the mean square entry alone would see none of them."""
    for seed in range(10):
        scale, spikes = _read(spiked(Rng(seed), 64, 64, np.full(16, 9.0)))
        assert spikes.value == 16
        assert scale.value == pytest.approx(1.0, rel=0.06)
        assert np.sqrt(spectrum_of(torch.from_numpy(spiked(Rng(seed), 64, 64, np.full(16, 9.0)))).mean_square) > 4


def test_below_the_threshold_there_is_nothing_to_see() -> None:
    found = [_read(spiked(Rng(seed), 100, 150, np.array([0.7])))[1] for seed in range(40)]
    assert all(m.value == 0 for m in found)


def test_hidden_spikes_are_within_the_interval() -> None:
    """Just above the threshold a spike is often missed, and the interval says so."""
    found = [_read(spiked(Rng(seed), 64, 64, np.array([4.0, 1.2])))[1] for seed in range(60)]
    assert np.mean([m.value == 2 for m in found]) < 0.5
    assert np.mean([m.uncertainty.contains(m.value, 2.0) for m in found]) >= 0.95


def test_scale_intervals_cover_at_their_level() -> None:
    """Of the initialisation of a linear layer, alone and beneath spikes."""
    truth = 96**-0.5 / 3**0.5
    plain = [_read(initial(Rng(seed), 64, 96))[0] for seed in range(150)]
    assert np.mean([m.uncertainty.contains(m.value, truth) for m in plain]) >= 0.93
    beneath = [_read(spiked(Rng(seed), 64, 96, np.array([8.0, 3.0])))[0] for seed in range(150)]
    assert np.mean([m.uncertainty.contains(m.value, 1.0) for m in beneath]) >= 0.93
    assert all(m.uncertainty.covers == {"seed"} for m in plain)


def test_scale_is_unbiased_beneath_spikes() -> None:
    """Eight spikes take 0.7 % of the noise's variance with them, five standard errors of this mean."""
    squares = [_fit(spiked(Rng(seed), 100, 150, np.geomspace(4, 3, 8))).scale ** 2 for seed in range(60)]
    assert abs(np.mean(squares) - 1) < 3 * np.std(squares) / 60**0.5


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (np.zeros((40, 40)), "fewer than 16"),
        (np.ones((15, 500)), "fewer than 16"),
        (np.random.default_rng(0).normal(size=(1, 500)), "fewer than 16"),
        (np.outer(np.arange(1.0, 41), np.arange(1.0, 51)), "zero or spikes"),
        (np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0], "does not follow"),
        (np.random.default_rng(0).normal(size=(100, 90)) * np.geomspace(0.1, 10, 90), "does not follow"),
    ],
    ids=["zero", "few rows", "single row", "rank one", "orthogonal", "columns of unlike scale"],
)
def test_what_is_not_noise_and_spikes_is_declined(matrix: np.ndarray, reason: str) -> None:
    for m in _read(matrix):
        assert m.status == "insufficient"
        assert reason in m.reason
        assert m.site == "weight"


def test_a_power_law_spectrum_has_no_bulk() -> None:
    for seed in range(10):
        eigenvalues = Rng(seed).numpy().random(100) ** -0.5
        scale, spikes = _read(with_singular_values(np.sqrt(eigenvalues), 100, 120, Rng(seed)))
        assert (scale.status, spikes.status) == ("insufficient", "insufficient")
        assert scale.diagnostics["estimate"] > 0


def test_single_large_entries_are_not_spikes_of_structure() -> None:
    """Independent entries with two moments make singular values beyond any edge, of the size of single entries."""
    generator = np.random.default_rng(0)
    bulks = [_read(generator.standard_t(3, size=(64, 172)))[1] for _ in range(60)]
    assert np.mean([(m.value or m.diagnostics.get("estimate") or 0) > 0 for m in bulks]) > 0.4
    assert np.mean([m.status == "ok" and m.value > 0 for m in bulks]) <= 0.1


def test_a_column_of_large_entries_is_a_spike() -> None:
    """It is localised on one side only: no single entry makes it."""
    for seed in range(10):
        w = np.random.default_rng(seed).normal(size=(128, 200))
        w[:, 3] *= 6
        assert _read(w)[1].value == 1


def test_padding_rows_do_not_matter() -> None:
    w = spiked(Rng(3), 64, 80, np.array([4.0]))
    padded = np.vstack([np.zeros((1, 80)), w])
    for a, b in zip(_read(w), _read(padded), strict=True):
        assert (a.value, a.status) == (pytest.approx(b.value), b.status)
