"""Accuracy: exact where predictions are independent, effective sample size where they are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.estimators import Budget
from gnomon.estimators.loss import Accuracy
from gnomon.measurement import Measurement, clopper_pearson
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Subject


def read(right: np.ndarray, clusters: np.ndarray | None = None) -> Measurement:
    data = ArrayData(np.tile([[1.0, 0.0]], (len(right), 1)), np.where(right, 0, 1), clusters=clusters)
    subject = Subject(nn.Identity(), loss=CrossEntropy())
    (found,) = Accuracy().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    return found


@pytest.mark.parametrize("hits", [0, 1, 17, 30])
def test_independent_examples_get_the_exact_interval(hits: int) -> None:
    found, exact = read(np.arange(30) < hits), clopper_pearson(hits, 30)
    assert found.value == pytest.approx(hits / 30)
    assert (found.uncertainty.low, found.uncertainty.high) == (exact.low, exact.high)


def test_no_hit_in_clusters_is_not_certainty() -> None:
    """Ten predictions in each of 30 clusters, all wrong: as much as 30 independent failures say, no more."""
    found = read(np.zeros(300, bool), np.repeat(np.arange(30), 10))
    assert found.uncertainty.low == 0.0
    assert found.uncertainty.high == clopper_pearson(0, 30).high


def test_copies_count_once() -> None:
    """Twelve copies of each of 100 examples give about the interval of the 100."""
    right = np.arange(100) % 3 > 0
    copied, single = read(np.repeat(right, 12), np.repeat(np.arange(100), 12)), read(right)
    assert copied.value == single.value
    assert copied.uncertainty.half_width == pytest.approx(single.uncertainty.half_width, rel=0.05)


def test_independent_predictions_in_clusters_lose_little() -> None:
    right = np.random.default_rng(0).random(4000) < 0.7
    grouped, single = read(right, np.repeat(np.arange(400), 10)), read(right)
    assert grouped.uncertainty.half_width == pytest.approx(single.uncertainty.half_width, rel=0.15)


@pytest.mark.parametrize("rate", [0.5, 0.97])
def test_coverage_with_unequal_dependent_clusters(rate: float) -> None:
    """Clusters of 1 to 20 predictions whose own rates vary widely about the mean."""
    covered, trials = 0, 400
    for seed in range(trials):
        generator = np.random.default_rng(seed)
        sizes = generator.integers(1, 21, size=80)
        rates = generator.beta(2 * rate, 2 * (1 - rate), size=80)
        right = np.concatenate([generator.random(m) < r for m, r in zip(sizes, rates, strict=True)])
        found = read(right, np.repeat(np.arange(80), sizes))
        covered += found.uncertainty.contains(found.value, rate)
    assert 0.92 <= covered / trials <= 0.995


def test_ties_go_to_the_first_class() -> None:
    data = ArrayData(torch.zeros(10, 2), torch.zeros(10, dtype=torch.long))
    (found,) = Accuracy().measure(
        Subject(nn.Identity(), loss=CrossEntropy()), data, sites=(), budget=Budget(), rng=Rng(0)
    )
    assert found.value == 1.0
