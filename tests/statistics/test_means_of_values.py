"""Intervals of means against enumeration and simulation, at every n and at all n at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, t

from gnomon.errors import GnomonError
from gnomon.statistics import betting_interval, mean

SHARES = np.concatenate([[1e-3, 0.01], np.linspace(0.03, 0.97, 48), [0.99, 0.999]])


def _of_hits(hits: int, n: int, **how: object) -> tuple[float, float]:
    return betting_interval(np.repeat([1.0, 0.0], [hits, n - hits]), np.ones(n), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 12, 40], ids=str)
def test_betting_intervals_cover_every_share_by_enumeration(n: int) -> None:
    ends = np.array([_of_hits(k, n) for k in range(n + 1)])
    chance = binom.pmf(np.arange(n + 1)[:, None], n, SHARES)
    covered = (ends[:, :1] <= SHARES) & (ends[:, 1:] >= SHARES)
    assert (chance * covered).sum(axis=0).min() >= 0.95


def test_confidence_sequences_hold_at_all_n_at_once_by_enumeration() -> None:
    """All paths of 40 outcomes: those on which some interval missed are counted by dynamic programming."""
    longest, share = 40, 0.2
    alive = np.array([1.0])  # chance of each number of hits, on paths whose intervals all held
    single = np.array([1.0])
    for n in range(1, longest + 1):
        alive = np.append(alive * (1 - share), 0) + np.append(0, alive * share)
        single = np.append(single * (1 - share), 0) + np.append(0, single * share)
        ends = [_of_hits(k, n, anytime=True, level=0.8) for k in range(n + 1)]
        alive *= [low <= share <= high for low, high in ends]
    assert alive.sum() >= 0.8
    assert alive.sum() < 1 - 1e-4  # and some miss: the sequence is not merely wide
    assert single.sum() == pytest.approx(1.0)


def test_betting_holds_where_student_does_not() -> None:
    """One in forty values is 1, the others 0: Student's interval misses far too often."""
    generator, misses = np.random.default_rng(0), {"betting": 0, "student": 0}
    for values in (generator.random((200, 40)) < 0.025).astype(np.float64):
        misses["betting"] += not mean(values, within=(0, 1))[1].contains(0.0, 0.025)
        spread = mean(values)[1]
        misses["student"] += spread.kind == "unknown" or not spread.contains(0.0, 0.025)
    assert misses["betting"] <= 10
    assert misses["student"] > 60


def test_bets_gain_from_small_variance() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, 1000).clip(0, 1)
    low, high = betting_interval(values, np.ones(1000))
    half = t.ppf(0.975, 999) * values.std(ddof=1) / np.sqrt(1000)
    assert half < (high - low) / 2 < 1.9 * half
    hoeffding = np.sqrt(np.log(2 / 0.05) / 2000)
    assert (high - low) / 2 < 0.3 * hoeffding
    assert low < 0.5 < high


def test_the_order_and_the_scale_do_not_matter() -> None:
    values = np.random.default_rng(2).random(50)
    ends = betting_interval(values, np.ones(50))
    assert betting_interval(np.sort(values), np.ones(50)) == pytest.approx(ends, abs=1e-12)
    scaled = betting_interval(10 * values - 3, np.ones(50), within=(-3, 7))
    assert np.array(scaled) == pytest.approx(10 * np.array(ends) - 3, abs=1e-10)


def test_bounded_means_of_clusters_cover() -> None:
    generator, covered, sizes = np.random.default_rng(3), 0, np.array([1, 2, 5, 9] * 6)
    owners = np.repeat(np.arange(24), sizes)
    for _ in range(150):
        own = generator.beta(0.4, 1.6, 24)
        values = generator.beta(2 * own[owners] + 1e-3, 2 * (1 - own[owners]) + 1e-3)
        covered += mean(values, owners.tolist(), within=(0, 1))[1].contains(0.0, 0.2)
    assert covered / 150 > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 150)


def test_student_over_clusters_covers_normal_values() -> None:
    generator, covered, owners = np.random.default_rng(4), 0, np.repeat(np.arange(12), 5)
    for _ in range(400):
        values = 3 + generator.normal(size=12)[owners] + generator.normal(size=60)
        covered += mean(values, owners.tolist())[1].contains(0.0, 3.0)
    assert abs(covered / 400 - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_values_that_are_all_alike_have_no_interval_without_bounds() -> None:
    assert mean([0.7] * 30)[1].kind == "unknown"
    assert mean([0.2, 0.7], ["a", "a"])[1].kind == "unknown"
    value, interval = mean([1.0] * 30, within=(0, 1))
    assert (value, interval.high) == (1.0, 1.0)
    assert 0.7 < interval.low < 0.9


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(GnomonError, match="no values"):
        mean([])
    with pytest.raises(GnomonError, match="NaN"):
        mean([0.1, float("nan")])
    with pytest.raises(GnomonError, match="not all between 0 and 1"):
        mean([0.1, 1.1], within=(0, 1))
    with pytest.raises(GnomonError, match="equal size"):
        betting_interval(np.ones(2), np.array([1.0, 2.0]), anytime=True)
