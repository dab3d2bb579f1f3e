"""Means over rows clustered in two ways: against closed forms, and the coverage of their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.assurance.fairness.crossed import crossed_proportion, crossed_spread, student
from gnomon.measurement import cluster_mean
from gnomon.statistics import proportion

ITEMS, TEMPLATES = 16, 5
ROWS = tuple(np.repeat(np.arange(ITEMS), TEMPLATES).tolist())
COLUMNS = tuple(np.tile(np.arange(TEMPLATES), ITEMS).tolist())


def draw(rng: np.random.Generator, sd: tuple[float, float, float]) -> np.ndarray:
    """Item, template and cell effects with these standard deviations; the mean is 0 in truth."""
    return (
        sd[0] * rng.normal(size=(ITEMS, 1))
        + sd[1] * rng.normal(size=(1, TEMPLATES))
        + sd[2] * rng.normal(size=(ITEMS, TEMPLATES))
    ).ravel()


def test_one_clustering_is_the_cluster_mean() -> None:
    x = np.random.default_rng(0).normal(size=60)
    clusters = tuple((np.arange(60) // 4).tolist())
    spread = crossed_spread((x - x.mean()) / 60, (clusters,), 0.9)
    assert spread is not None
    mean, known = cluster_mean(x.reshape(15, 4).sum(axis=1), np.full(15, 4.0), level=0.9)
    found = student(mean, spread, 0.9, (-10, 10))
    assert [found.low, found.high] == pytest.approx([known.low, known.high])


def test_variance_in_expectation() -> None:
    """Expected sums of squares: Scheffé, The Analysis of Variance (1959), section 7.4."""
    rng, (a, b, e) = np.random.default_rng(1), (1.0, 0.7, 0.5)
    cells = ITEMS * TEMPLATES
    total = (TEMPLATES * (ITEMS - 1) * a**2 + ITEMS * (TEMPLATES - 1) * b**2 + (cells - 1) * e**2) / (cells - 1)
    truth = a**2 / ITEMS + b**2 / TEMPLATES + 2 * e**2 / cells - total / cells
    seen = []
    for _ in range(600):
        x = draw(rng, (a, b, e))
        spread = crossed_spread((x - x.mean()) / len(x), (ROWS, COLUMNS), 0.95)
        assert spread is not None
        seen.append(spread.variance)
    assert abs(np.mean(seen) - truth) < 3 * np.std(seen) / len(seen) ** 0.5


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("sd", [(1.0, 0.1, 0.3), (1.0, 1.0, 1.0), (0.2, 1.0, 0.2)], ids=["items", "both", "templates"])
def test_intervals_cover(level: float, sd: tuple[float, float, float]) -> None:
    rng, draws, hits, short = np.random.default_rng(2), 400, 0, 0
    for _ in range(draws):
        x = draw(rng, sd)
        influence = (x - x.mean()) / len(x)
        for ways in ((ROWS, COLUMNS), (ROWS,)):
            spread = crossed_spread(influence, ways, level)
            assert spread is not None
            found = student(float(x.mean()), spread, level, (-9, 9))
            if len(ways) == 2:
                hits += found.low <= 0 <= found.high
            else:
                short += found.low <= 0 <= found.high
    slack = 3 * (level * (1 - level) / draws) ** 0.5
    assert abs(hits / draws - level) < slack + 0.02
    if sd[1] >= 1:
        assert short / draws < level - 0.1, "clusters of items alone should not cover where templates differ"


def test_one_cluster_shows_nothing() -> None:
    assert crossed_spread(np.array([0.1, -0.1]), (("a", "a"), ("b", "c")), 0.95) is None


def test_proportion_with_a_second_way_that_adds_nothing() -> None:
    """Rows that are each their own in the second way: the variance is that of the first alone."""
    rng = np.random.default_rng(3)
    hits = (rng.random(200) < np.repeat(rng.beta(2, 2, size=20), 10)).astype(float)
    clusters, own = tuple(np.repeat(np.arange(20), 10).tolist()), tuple(range(200))
    spread = crossed_spread((hits - hits.mean()) / 200, (clusters, own), 0.95)
    assert spread is not None
    found = crossed_proportion(hits, spread, (clusters, own), 0.95)
    _, known = proportion(hits, clusters, level=0.95)
    assert [found.low, found.high] == pytest.approx([known.low, known.high], abs=0.01)


def test_a_rare_outcome_is_known_by_the_clusters_that_have_it() -> None:
    """Three of twenty clusters have all misses: the variance has three degrees of freedom, not nineteen."""
    clusters, own = tuple(np.repeat(np.arange(20), 10).tolist()), tuple(range(200))
    for rare in (0.0, 1.0):
        hits = np.full(200, 1 - rare)
        hits[[3, 4, 51, 52, 53, 120]] = rare
        spread = crossed_spread((hits - hits.mean()) / 200, (clusters, own), 0.95)
        assert spread is not None
        found = crossed_proportion(hits, spread, (clusters, own), 0.95)
        _, known = proportion(hits, clusters, level=0.95)
        assert [found.low, found.high] == pytest.approx([known.low, known.high], abs=1e-9)


def test_no_hits_are_not_surely_none() -> None:
    ways = (ROWS, COLUMNS)
    spread = crossed_spread(np.zeros(len(ROWS)), ways, 0.95)
    assert spread is not None
    found = crossed_proportion(np.zeros(len(ROWS)), spread, ways, 0.95)
    _, five = proportion(np.zeros(TEMPLATES), level=0.95)
    assert (found.low, found.high) == (five.low, five.high)


@pytest.mark.slow
def test_proportions_of_crossed_clusters_cover() -> None:
    """Beta effects of items and of templates on the log-odds; at least the level but for 2 %."""
    rng, draws = np.random.default_rng(4), 2000
    items, templates = 40, 20
    rows, columns = (
        tuple(np.repeat(np.arange(items), templates).tolist()),
        tuple(np.tile(np.arange(templates), items).tolist()),
    )
    for centre, sd in ((0.0, 0.5), (2.0, 0.5), (0.0, 1.5)):
        grid = np.random.default_rng(5).normal(size=(100_000, 2)) * sd
        truth = float((1 / (1 + np.exp(-(centre + grid.sum(axis=1))))).mean())
        hits = 0
        for _ in range(draws):
            odds = centre + sd * rng.normal(size=(items, 1)) + sd * rng.normal(size=(1, templates))
            x = (rng.random((items, templates)) < 1 / (1 + np.exp(-odds))).astype(float).ravel()
            spread = crossed_spread((x - x.mean()) / len(x), (rows, columns), 0.95)
            assert spread is not None
            found = crossed_proportion(x, spread, (rows, columns), 0.95)
            hits += found.low <= truth <= found.high
        print(centre, sd, truth, hits / draws)
        assert hits / draws > 0.93
