"""n needed against exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from gnomon.errors import GnomonError
from gnomon.measurement import clopper_pearson
from gnomon.statistics import design_effect, mcnemar, needed, needed_each, needed_pairs, paired_power, power


@pytest.mark.parametrize(("n", "rate", "limit"), [(40, 0.02, 0.1), (90, 0.05, 0.12), (60, 0.9, 0.7)], ids=str)
def test_power_is_the_probability_that_the_exact_bound_clears(n: int, rate: float, limit: float) -> None:
    ends = [clopper_pearson(k, n, level=0.9) for k in range(n + 1)]
    clears = np.array([u.high < limit if rate < limit else u.low > limit for u in ends])  # type: ignore[operator]
    assert power(n, rate, limit) == pytest.approx(binom.pmf(np.arange(n + 1), n, rate)[clears].sum())


@pytest.mark.parametrize(("rate", "limit"), [(0.0, 0.05), (0.01, 0.05), (0.05, 0.1), (0.97, 0.9)], ids=str)
def test_from_needed_on_power_is_reached_and_before_it_is_not(rate: float, limit: float) -> None:
    n = needed(rate, limit)
    assert min(power(m, rate, limit) for m in range(n, 2 * n)) >= 0.8
    assert power(n - 1, rate, limit) < 0.8


def test_more_is_needed_in_clusters_and_at_the_other_side() -> None:
    assert needed(0.01, 0.05, design_effect=design_effect(5, 0.25)) == 2 * needed(0.01, 0.05)
    assert needed(0.99, 0.95) == needed(0.01, 0.05)
    assert needed(0.04, 0.05) > 20 * needed(0.0, 0.05)


def test_paired_power_by_enumeration() -> None:
    n, gap, changed = 40, 0.25, 0.4
    won, lost = (changed + gap) / 2, (changed - gap) / 2
    found = 0.0
    for w in range(n + 1):
        for k in range(min(w, n - w + 1)):
            if mcnemar(w, k) <= 0.05:
                logs = math.lgamma(n + 1) - math.lgamma(w + 1) - math.lgamma(k + 1) - math.lgamma(n - w - k + 1)
                logs += w * math.log(won) + k * math.log(lost) + (n - w - k) * math.log1p(-won - lost)
                found += math.exp(logs)
    assert paired_power(n, gap, changed) == pytest.approx(found, abs=1e-9)
    assert paired_power(n, -gap, changed) == pytest.approx(found, abs=1e-9)


def test_pairs_and_outcomes_needed() -> None:
    n = needed_pairs(0.1, 0.3)
    assert paired_power(n, 0.1, 0.3) >= 0.8 > paired_power(n - 1, 0.1, 0.3)
    assert min(paired_power(m, 0.1, 0.3) for m in range(n, n + 60)) > 0.785
    # two proportions: by simulation of the score test
    each, generator = needed_each(0.5, 0.7), np.random.default_rng(0)
    first, second = generator.binomial(each, 0.5, 20_000), generator.binomial(each, 0.7, 20_000)
    both = (first + second) / (2 * each)
    shown = (second - first) / each > 1.959964 * np.sqrt(2 * both * (1 - both) / each)
    assert shown.mean() == pytest.approx(0.8, abs=0.02)


def test_what_cannot_be_told_apart_is_refused() -> None:
    for wrong in (lambda: needed(0.05, 0.05), lambda: power(10, 0.1, 0.2, confidence=1.0), lambda: needed(-1, 0.1)):
        with pytest.raises(GnomonError):
            wrong()
    with pytest.raises(GnomonError, match="smaller buffer"):
        needed(0.4999, 0.5)
    with pytest.raises(GnomonError, match="as many have to change"):
        needed_pairs(0.2, 0.1)
    with pytest.raises(GnomonError, match="do not differ"):
        needed_each(0.2, 0.2)
    with pytest.raises(GnomonError, match="clusters of"):
        design_effect(0.5, 0.1)
