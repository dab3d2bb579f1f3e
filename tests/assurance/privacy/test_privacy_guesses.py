"""Lower bounds on epsilon from guesses: against enumeration, and against mechanisms whose epsilon is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from privacy_mechanisms import best_mechanism
from scipy.stats import binom, binomtest

from gnomon.assurance.privacy.guesses import epsilon_bound, guess_p_value, ordered_hits
from gnomon.assurance.privacy.privacy_audit import _by_coin
from gnomon.errors import GnomonError
from gnomon.randomness import Rng


def _chance(epsilon: float) -> float:
    """Of a right guess under randomised response."""
    return 1 / (1 + math.exp(-epsilon))


@pytest.mark.parametrize("right", [0, 7, 20])
def test_without_delta_it_is_the_binomial_test(right: int) -> None:
    expected = binomtest(right, 20, _chance(0.7), alternative="greater").pvalue
    assert guess_p_value(right, 20, 25, 0.7) == pytest.approx(expected)


def test_delta_is_added_as_the_theorem_says() -> None:
    v, r, m, epsilon, delta = 6, 9, 12, 0.4, 1e-3
    tail = [binom.sf(v - i - 1, r, _chance(epsilon)) for i in range(v + 1)]
    expected = tail[0] + 2 * m * delta * max((tail[i] - tail[0]) / i for i in range(1, v + 1))
    assert guess_p_value(v, r, m, epsilon, delta) == pytest.approx(expected)


@pytest.mark.parametrize(("epsilon", "secrets"), list(itertools.product((0.0, 0.5, 2.0, 4.0), (20, 200))), ids=str)
def test_bound_holds_under_randomised_response(epsilon: float, secrets: int) -> None:
    """Every secret is told truthfully with the largest chance that epsilon allows: the coverage, enumerated."""
    hits = np.arange(secrets + 1)
    held = [epsilon_bound([h], [secrets], secrets) <= epsilon for h in hits.tolist()]
    assert binom.pmf(hits, secrets, _chance(epsilon)) @ held >= 0.95


def test_bound_comes_near_with_more_secrets() -> None:
    gaps = []
    for secrets in (100, 1000, 10_000):
        middle = int(binom.median(secrets, _chance(2.0)))
        gaps.append(2.0 - epsilon_bound([middle], [secrets], secrets))
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < 0.06


def test_bound_holds_where_delta_reveals_all() -> None:
    """With probability delta every secret is told, else each by randomised response: (epsilon, delta)-private."""
    epsilon, delta, secrets = 0.5, 0.02, 20
    hits = np.arange(secrets + 1)
    chances = (1 - delta) * binom.pmf(hits, secrets, _chance(epsilon))
    chances[-1] += delta
    held = [epsilon_bound([h], [secrets], secrets, delta=delta, confidence=0.95) <= epsilon for h in hits.tolist()]
    assert chances @ held >= 0.95
    # what is told is not charged to epsilon, as it would be with no delta
    assert epsilon_bound([secrets], [secrets], secrets, delta=delta) < epsilon_bound([secrets], [secrets], secrets)


def test_choosing_the_best_of_many_numbers_of_guesses_is_paid_for() -> None:
    generator = np.random.default_rng(3)
    counts = list(range(5, 201, 5))
    peeked, paid = 0, 0
    for run in range(500):
        right = generator.random(200) < 0.5
        hits = ordered_hits(generator.random(200), right, counts, Rng(run))
        # at epsilon 0: whether any number of guesses rejects
        p = min(guess_p_value(h, c, 200, 0.0) for h, c in zip(hits, counts, strict=True))
        peeked += p <= 0.05
        paid += p <= 0.05 / len(counts)
        if p <= 0.05 / len(counts):
            assert epsilon_bound(hits, counts, 200) > 0
    assert peeked / 500 > 0.1
    assert paid / 500 <= 0.05


def test_guesses_are_those_of_largest_margin() -> None:
    assert ordered_hits(np.array([0.1, 3.0, 2.0]), np.array([True, True, False]), [1, 2, 3], Rng(0)) == [1, 1, 2]
    with pytest.raises(GnomonError, match="4 guesses at 3 secrets"):
        ordered_hits(np.arange(3.0), np.ones(3, dtype=bool), [4], Rng(0))


def test_among_equal_margins_position_tells_nothing() -> None:
    """Members stand first, and a score that knows nothing takes two values: by position all guesses would be right."""
    generator, members = np.random.default_rng(0), np.arange(300) < 150
    above = 0
    for run in range(200):
        values = (generator.random(300) < 0.4).astype(float)
        hits = ordered_hits(*_by_coin(values, members), [60], Rng(run))
        above += epsilon_bound(hits, [60], 300) > 0
    assert above / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("secrets", "guesses", "right", "epsilon", "delta"),
    [(3, 3, 2, 0.5, 0.05), (3, 2, 2, 0.5, 0.05), (3, 3, 3, 0.9, 0.0), (2, 2, 1, 0.5, 0.1)],
    ids=str,
)
def test_no_mechanism_guesses_better(secrets: int, guesses: int, right: int, epsilon: float, delta: float) -> None:
    """The best of all (epsilon, delta)-private mechanisms that make so many guesses, by linear programming."""
    coins = list(itertools.product((-1, 1), repeat=secrets))
    said = [g for g in itertools.product((-1, 0, 1), repeat=secrets) if sum(map(abs, g)) == guesses]
    won = np.array([[sum(np.multiply(c, g) > 0) >= right for g in said] for c in coins], dtype=float)
    apart = [(i, j) for i, c in enumerate(coins) for j, d in enumerate(coins) if sum(np.not_equal(c, d)) == 1]
    found = best_mechanism(won, [(i, j, epsilon) for i, j in apart], delta)
    bound = guess_p_value(right, guesses, secrets, epsilon, delta)
    assert found <= bound + 1e-9
    assert delta > 0 or found == pytest.approx(bound)


def test_a_delta_that_allows_everything_is_refused() -> None:
    with pytest.raises(GnomonError, match=r"too large for 100 secrets; at most 0\.005"):
        epsilon_bound([90], [100], 100, delta=0.01)
