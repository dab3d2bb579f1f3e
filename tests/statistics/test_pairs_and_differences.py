"""Comparisons against enumeration, and against likelihoods maximised by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, multinomial

from gnomon.errors import GnomonError
from gnomon.statistics import difference, mcnemar, miettinen_nurminen, paired_difference, tango
from gnomon.statistics.differences import _most_likely


def test_mcnemar_is_the_exact_sign_test() -> None:
    for won, lost in ((0, 0), (8, 1), (1, 8), (5, 5), (40, 21)):
        expected = 1.0 if won + lost == 0 else binomtest(won, won + lost).pvalue
        assert mcnemar(won, lost) == pytest.approx(expected)
    # the size, whatever the share of pairs that change
    for changed in range(1, 60):
        k = np.arange(changed + 1)
        p = np.array([mcnemar(int(i), int(changed - i)) for i in k])
        assert binom.pmf(k, changed, 0.5)[p <= 0.05].sum() <= 0.05


def _tangos(n: int) -> dict[tuple[int, int], tuple[float, float]]:
    return {(w, lost): tango(w, lost, n) for w in range(n + 1) for lost in range(n + 1 - w)}


def test_tango_covers_nearly_its_level_by_enumeration() -> None:
    n = 25
    ends = _tangos(n)
    counts = np.array([(w, lost, n - w - lost) for w, lost in ends])
    low, high = np.array(list(ends.values())).T
    coverage = []
    for changed in np.linspace(0.02, 0.98, 25):
        for part in np.linspace(0.5, 1.0, 11):
            won, lost = changed * part, changed * (1 - part)
            chance = multinomial.pmf(counts, n, [won, lost, 1 - changed])
            coverage.append(chance[(low <= won - lost) & (won - lost <= high)].sum())
    assert 0.91 < min(coverage) < 0.95  # near the level and not above it, as published and as the docs say
    assert 0.955 < np.mean(coverage) < 0.965


@pytest.mark.parametrize(("won", "lost", "n"), [(9, 2, 40), (0, 5, 20), (3, 3, 10)], ids=str)
def test_tango_inverts_the_score_at_the_most_likely_loss(won: int, lost: int, n: int) -> None:
    for end in tango(won, lost, n):
        floor, roof = max(0.0, -end) + 1e-12, (1 - end) / 2 - 1e-12

        def against(p: float, end: float = end) -> float:
            return -(won * math.log(p + end) + lost * math.log(p) + (n - won - lost) * math.log1p(-2 * p - end))

        likely = minimize_scalar(against, bounds=(floor, roof), method="bounded", options={"xatol": 1e-12}).x
        score = (won - lost - n * end) / math.sqrt(n * (2 * likely + end - end**2))
        assert abs(score) == pytest.approx(1.959964, abs=2e-3)


def test_nothing_won_or_lost_is_no_proof_that_nothing_differs() -> None:
    gap, interval = paired_difference([True] * 30, [True] * 30)
    z2 = 1.959964**2
    assert gap == 0.0
    assert interval.high == pytest.approx(z2 / (30 + z2), abs=1e-5)
    assert interval.low == -interval.high  # type: ignore[operator]
    # ten questions asked thrice are worth ten
    alike = paired_difference([True] * 30, [True] * 30, [i // 3 for i in range(30)])[1]
    assert alike.high == pytest.approx(z2 / (10 + z2), abs=1e-5)
    # all won
    gap, interval = paired_difference([0] * 20, [1] * 20)
    assert (gap, interval.high) == (1.0, 1.0)
    assert 0.6 < interval.low < 0.95  # type: ignore[operator]


def test_paired_differences_of_clusters_cover() -> None:
    generator, covered, owners = np.random.default_rng(0), 0, np.repeat(np.arange(30), 4)
    for _ in range(300):
        # of each cluster, the chance to be won and lost: 0.15 and 0.05 in the mean, alike inside
        which = generator.dirichlet([0.3, 0.1, 1.6], size=30)[owners]
        draw = generator.random(120)
        won, lost = draw < which[:, 0], draw > 1 - which[:, 1]
        first = np.where(won, 0, np.where(lost, 1, generator.integers(0, 2, 120)))
        second = np.where(won, 1, np.where(lost, 0, first))
        covered += paired_difference(first, second, owners.tolist())[1].contains(0.0, 0.1)
    assert covered / 300 > 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300)


def test_with_bounds_paired_differences_hold_by_enumeration() -> None:
    n, won, lost = 12, 0.3, 0.1
    missed = 0.0
    for w in range(n + 1):
        for k in range(n + 1 - w):
            first = [0] * w + [1] * k + [1] * (n - w - k)
            second = [1] * w + [0] * k + [1] * (n - w - k)
            found = paired_difference(first, second, within=(0, 1))[1]
            missed += multinomial.pmf([w, k, n - w - k], n, [won, lost, 0.6]) * (not found.contains(0.0, 0.2))
    assert missed <= 0.05


def test_miettinen_and_nurminen_cover_nearly_their_level_by_enumeration() -> None:
    n, m = 20, 14
    low, high = np.array([[miettinen_nurminen(k, n, j, m) for j in range(m + 1)] for k in range(n + 1)]).transpose(
        2, 0, 1
    )
    coverage = []
    for p in np.linspace(0.01, 0.99, 30):
        for q in np.linspace(0.01, 0.99, 30):
            chance = np.outer(binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(m + 1), m, q))
            coverage.append(chance[(low <= p - q) & (p - q <= high)].sum())
    assert 0.93 < min(coverage) < 0.95
    assert 0.95 < np.mean(coverage) < 0.96


@pytest.mark.parametrize(
    ("n", "m", "least"), [pytest.param(10, 10, 0.987, id="10 and 10"), pytest.param(5, 50, 0.953, id="5 and 50")]
)
def test_in_the_tails_the_interval_of_a_difference_misses_by_more(n: int, m: int, least: float) -> None:
    """At 99.75 %, by enumeration, as the documentation says; no better is claimed."""
    ends = [[miettinen_nurminen(k, n, j, m, level=0.9975) for j in range(m + 1)] for k in range(n + 1)]
    low, high = np.array(ends).transpose(2, 0, 1)
    shares, coverage = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9), []
    for p in shares:
        for q in shares:
            chance = np.outer(binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(m + 1), m, q))
            coverage.append(chance[(low <= p - q) & (p - q <= high)].sum())
    assert min(coverage) == pytest.approx(least, abs=5e-4)


@pytest.mark.parametrize("delta", [-0.4, -0.05, 0.0, 0.2, 0.7], ids=str)
def test_the_root_of_the_cubic_is_the_most_likely_proportion(delta: float) -> None:
    for hits, trials, other, others in ((5, 9, 1, 12), (0, 9, 0, 12), (9, 9, 12, 12), (3.5, 7.2, 8.1, 11.3)):

        def against(
            p: float, hits: float = hits, trials: float = trials, other: float = other, others: float = others
        ) -> float:
            q = p + delta
            pairs = ((hits, q), (trials - hits, 1 - q), (other, p), (others - other, 1 - p))
            return -sum(count * math.log(max(share, 1e-300)) for count, share in pairs if count)

        grid = np.linspace(max(0, -delta), min(1, 1 - delta), 4001)
        best = min(against(float(p)) for p in grid)
        assert against(_most_likely(hits, trials, other, others, delta)) <= best + 1e-6


def test_differences_heed_clusters() -> None:
    first, second = [True, False] * 30, [True] * 60
    alone = difference(first, second)[1]
    alike = difference(sorted(first), second, [i // 10 for i in range(60)], [i // 10 for i in range(60)])[1]
    assert alike.half_width > 2 * alone.half_width  # type: ignore[operator]
    assert alone.effective_samples == 120


def test_what_are_no_pairs_is_refused() -> None:
    with pytest.raises(GnomonError, match="not pairs"):
        paired_difference([True], [True, False])
    with pytest.raises(GnomonError, match="no proportions"):
        miettinen_nurminen(3, 2, 1, 4)
