"""The null of shuffled entries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.estimators.weights.known import spiked, with_singular_values
from gnomon.estimators.weights.shuffled import displaced_by_order
from gnomon.estimators.weights.spectrum import spectrum_of
from gnomon.randomness import Rng


def _beyond_chance(w: np.ndarray, seed: int = 0) -> float:
    matrix = torch.from_numpy(w)
    displaced, among = displaced_by_order(matrix, spectrum_of(matrix), Rng(seed))
    return displaced - among


@pytest.mark.parametrize("draw", ["normal", "uniform", "standard_cauchy", "laplace"])
def test_independent_entries_of_any_law_show_nothing(draw: str) -> None:
    for seed in range(10):
        w = getattr(np.random.default_rng(seed), draw)(size=(120, 150))
        assert _beyond_chance(w) < 10


def test_few_directions_displace_few_eigenvalues_however_strong() -> None:
    assert _beyond_chance(spiked(Rng(0), 120, 150, np.array([50.0, 20.0, 10.0, 5.0]))) < 10


def test_a_power_law_spectrum_is_made_by_the_order() -> None:
    for seed in range(10):
        eigenvalues = Rng(seed).numpy().random(120) ** -0.5
        assert _beyond_chance(with_singular_values(np.sqrt(eigenvalues), 120, 150, Rng(seed))) > 15


def test_scale_alone_is_no_difference() -> None:
    """Shuffling a diagonal matrix spreads its entries out; the comparison is of shapes."""
    assert _beyond_chance(np.random.default_rng(0).normal(size=(100, 100)) * 1e-3) < 10


def test_same_stream_same_answer_and_the_matrix_is_left_alone() -> None:
    matrix = torch.randn(60, 70, generator=torch.Generator().manual_seed(0))
    before = matrix.clone()
    one, other = (displaced_by_order(matrix, spectrum_of(matrix), Rng(4)) for _ in range(2))
    assert one == other
    assert torch.equal(matrix, before)
