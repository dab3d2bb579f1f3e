"""Statistics over seeds: coverage against distributions whose median, mean and share are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnomon.measurement import Quantity
from gnomon.phenomena.evidence import (
    geometric_mean_over_seeds,
    mean_over_seeds,
    median_over_seeds,
    share_of_seeds,
)

Q = Quantity(name="thing", symbol="x", definition="x", source="here")
DRAWS = 4000


def coverage(estimate, draws: np.ndarray, truth: float) -> float:  # type: ignore[no-untyped-def]
    held = 0
    for row in draws:
        u = estimate(Q, row.tolist()).uncertainty
        held += u.low <= truth <= u.high
    return held / len(draws)


@pytest.mark.parametrize(("n", "level"), [(5, 1 - 2 / 32), (6, 1 - 2 / 64), (8, 1 - 2 / 256), (9, 1 - 20 / 512)])
def test_the_median_covers_at_exactly_its_level(n: int, level: float) -> None:
    rng = np.random.default_rng(n)
    heavy = rng.standard_cauchy((DRAWS, n)) + 3.0
    assert median_over_seeds(Q, heavy[0].tolist()).uncertainty.level == pytest.approx(level)
    assert abs(coverage(median_over_seeds, heavy, 3.0) - level) < 4 * math.sqrt(level * (1 - level) / DRAWS)


def test_the_median_of_few_or_unbounded_seeds_is_declined() -> None:
    assert median_over_seeds(Q, [1.0] * 4).status == "insufficient"
    assert median_over_seeds(Q, []).status == "insufficient"
    never = median_over_seeds(Q, [1.0, 2.0, 3.0, 4.0, None])
    assert never.status == "insufficient"
    assert "never reached in 1 of 5" in never.reason
    late = median_over_seeds(Q, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, None])
    assert late.value == 5.0
    assert late.uncertainty.high == 8.0


def test_a_lost_seed_may_have_been_anything() -> None:
    """The interval holds that of every value which the lost seeds could have had."""
    known = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3, 5.8, 9.7, 9.3, 2.4, 8.5, 7.9]
    lost = median_over_seeds(Q, [*known, math.nan, math.nan]).uncertainty
    assert lost.level == pytest.approx(median_over_seeds(Q, [0.0] * 15).uncertainty.level)
    ends = [median_over_seeds(Q, [*known, a, b]).uncertainty for a in (-1e9, 5.0, 1e9) for b in (-1e9, 5.0, 1e9)]
    assert lost.low == min(e.low for e in ends)
    assert lost.high == max(e.high for e in ends)
    one = median_over_seeds(Q, [1.0, 2.0, 3.0, 4.0, 5.0, math.nan])
    assert (one.status, one.reason) == ("insufficient", "1 of 6 seeds lost")
    assert mean_over_seeds(Q, [1.0, 2.0, 3.0, 4.0, math.nan]).status == "insufficient"


def test_a_lost_seed_widens_a_share_both_ways() -> None:
    found = share_of_seeds(Q, [True] * 7 + [False] * 2 + [None])
    assert found.uncertainty.low == share_of_seeds(Q, [True] * 7 + [False] * 3).uncertainty.low
    assert found.uncertainty.high == share_of_seeds(Q, [True] * 8 + [False] * 2).uncertainty.high
    assert share_of_seeds(Q, [None] * 5).status == "insufficient"


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_mean_covers_at_its_level_for_normal_seeds(n: int) -> None:
    draws = np.random.default_rng(n).normal(2.0, 0.5, (DRAWS, n))
    assert abs(coverage(mean_over_seeds, draws, 2.0) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / DRAWS)


def test_the_geometric_mean_covers_for_lognormal_seeds() -> None:
    draws = np.exp(np.random.default_rng(0).normal(1.0, 0.7, (DRAWS, 6)))
    assert abs(coverage(geometric_mean_over_seeds, draws, math.e) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / DRAWS)


def test_means_of_what_is_not_finite_or_too_few_are_declined() -> None:
    assert mean_over_seeds(Q, [1.0, 2.0]).status == "insufficient"
    assert mean_over_seeds(Q, [1.0, 2.0, math.inf]).status == "insufficient"
    assert geometric_mean_over_seeds(Q, [1.0, 2.0, 0.0]).status == "insufficient"


def test_the_share_is_exact_at_the_ends() -> None:
    every = share_of_seeds(Q, [True] * 8).uncertainty
    assert every.high == 1.0
    assert every.low == pytest.approx(0.025 ** (1 / 8))
    assert share_of_seeds(Q, []).status == "insufficient"
