"""Lower bounds on epsilon from ranks: against enumeration, and against mechanisms whose epsilon is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from privacy_mechanisms import best_mechanism
from scipy.stats import binom

from gnomon.assurance.privacy.guessed_ranks import rank_epsilon_bound, rank_p_value
from gnomon.assurance.privacy.guesses import epsilon_bound
from gnomon.errors import GnomonError

Ranks = NDArray[np.int64]


def _responses(epsilons: NDArray[np.float64], candidates: int, generator: np.random.Generator) -> Ranks:
    """Randomised response among candidates: the told one is first, the others in any order."""
    kept = np.exp(epsilons) / (np.exp(epsilons) + candidates - 1)
    told = generator.random(len(epsilons)) < kept
    return np.where(told, 1, generator.integers(2, candidates + 1, size=len(epsilons)))


def test_tail_is_that_of_unequal_coins() -> None:
    shown, epsilon, top = np.array([1.0, 1.0, 2.0, 3.0]), 0.8, 2
    candidates = np.array([5, 5, 5, 9])
    e = np.exp(shown * epsilon)
    q = top * e / (top * e + candidates - top)
    tail = sum(
        float(np.prod(np.where(coins, q, 1 - q)))
        for coins in itertools.product([True, False], repeat=4)
        if sum(coins) >= 3
    )
    assert rank_p_value(np.array([1, 2, 5, 2]), candidates, shown, top, epsilon) == pytest.approx(tail)


@pytest.mark.parametrize(
    ("candidates", "shown", "top", "hits", "epsilon"),
    [(3, (1, 2), 1, 1, 0.7), (3, (1, 2), 1, 2, 0.7), (3, (1, 3), 2, 2, 0.5)],
    ids=str,
)
def test_no_mechanism_ranks_better(
    candidates: int, shown: tuple[int, int], top: int, hits: int, epsilon: float
) -> None:
    """The best mechanism under group privacy, by linear programming: the p-value is its chance, and no looser."""
    secrets = list(itertools.product(range(candidates), repeat=2))
    firsts = list(itertools.product(itertools.combinations(range(candidates), top), repeat=2))
    won = np.array([[sum(s in f for s, f in zip(c, y, strict=True)) >= hits for y in firsts] for c in secrets])
    apart = [
        (i, j, shown[0] * epsilon if c[1] == d[1] else shown[1] * epsilon)
        for i, c in enumerate(secrets)
        for j, d in enumerate(secrets)
        if (c[0] == d[0]) != (c[1] == d[1])
    ]
    ranks = np.where(np.arange(2) < hits, 1, candidates)
    found = rank_p_value(ranks, np.full(2, candidates), np.array(shown, dtype=float), top, epsilon)
    assert found == pytest.approx(best_mechanism(won.astype(float), apart), abs=1e-7)


def test_with_two_candidates_it_is_the_bound_of_guesses() -> None:
    ranks = np.repeat([1, 2], [90, 10])
    two = np.full(100, 2)
    assert rank_epsilon_bound(ranks, two, np.ones(100)) == pytest.approx(epsilon_bound([90], [100], 100), abs=1e-9)


@pytest.mark.parametrize("epsilon", [3.0, 10.0], ids=str)
def test_bound_holds_exactly_at_the_first_rank(epsilon: float) -> None:
    count, candidates = 20, 10_000
    chance = np.exp(epsilon) / (np.exp(epsilon) + candidates - 1)
    many, held = np.full(count, candidates), []
    for hits in range(count + 1):
        ranks = np.where(np.arange(count) < hits, 1, candidates)
        held.append(rank_epsilon_bound(ranks, many, np.ones(count), tops=(1,)) <= epsilon)
    assert binom.pmf(np.arange(count + 1), count, chance) @ held >= 0.95


@pytest.mark.parametrize("epsilon", [2.0, 6.0], ids=str)
def test_bound_holds_over_runs_with_documents_shown_more_than_once(epsilon: float) -> None:
    """250 runs: a canary shown k times is told with k times the epsilon of a document."""
    generator = np.random.default_rng(1)
    shown = np.repeat([1.0, 2.0, 4.0], 16)
    candidates = np.full(48, 1000)
    above = 0
    for _ in range(250):
        ranks = _responses(epsilon * shown, 1000, generator)
        # the bound lies above epsilon exactly where one of the three tops rejects it
        p_values = [rank_p_value(ranks, candidates, shown, top, epsilon) for top in (1, 10, 100)]
        above += min(p_values) <= 0.05 / 3
    assert above / 250 <= 0.05


def test_bound_holds_for_a_mechanism_that_tells_where_about() -> None:
    """The secret plus Laplace-like noise on a circle: what epsilon allows at every rank, none of it at the first."""
    generator = np.random.default_rng(2)
    candidates, epsilon = 1000, 4.0
    distance = np.minimum(np.arange(candidates), candidates - np.arange(candidates))
    chance = np.exp(-epsilon * distance / distance.max())
    bounds = []
    for _ in range(12):
        moved = generator.choice(candidates, size=200, p=chance / chance.sum())
        ranks = np.minimum(2 * distance[moved] + 1, candidates)
        bounds.append(rank_epsilon_bound(ranks, np.full(200, candidates), np.ones(200)))
    assert max(bounds) <= epsilon
    assert np.median(bounds) > 0.5


def test_bound_comes_near_with_more_secrets() -> None:
    generator = np.random.default_rng(0)
    gaps = []
    for count in (50, 500, 5000):
        bounds = [
            rank_epsilon_bound(
                _responses(np.full(count, 9.0), 10_000, generator), np.full(count, 10_000), np.ones(count)
            )
            for _ in range(1)
        ]
        gaps.append(9.0 - float(np.median(bounds)))
    assert gaps[0] > gaps[1] > gaps[2]
    assert -0.05 < gaps[2] < 0.15


def test_secrets_that_were_not_shown_say_nothing() -> None:
    ranks, candidates = np.array([1, 1, 1, 1]), np.full(4, 100)
    some = rank_epsilon_bound(ranks, candidates, np.array([1.0, 1.0, 0.0, 0.0]))
    assert some == pytest.approx(rank_epsilon_bound(ranks[:2], candidates[:2], np.ones(2)))


def test_ranks_beyond_the_candidates_are_refused() -> None:
    with pytest.raises(GnomonError, match="ranks are not from 1"):
        rank_p_value(np.array([11]), np.array([10]), np.ones(1), 1, 1.0)
