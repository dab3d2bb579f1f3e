"""Multiplicity against definitions by brute force, and error rates by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from gnomon.errors import GnomonError
from gnomon.statistics import (
    Family,
    benjamini_hochberg,
    benjamini_yekutieli,
    hochberg,
    holm,
    spent,
)
from gnomon.statistics.e_values import calibrated, merged, multiplied, p_value


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    p = np.array([0.011, 0.3, 0.02, 0.012, 0.9])
    for i, adjusted in enumerate(holm(p)):
        sets = [s for r in range(1, 6) for s in combinations(range(5), r) if i in s]
        assert adjusted == pytest.approx(min(1.0, max(len(s) * p[list(s)].min() for s in sets)))


def test_hochberg_steps_up() -> None:
    p = np.array([0.011, 0.3, 0.02, 0.012, 0.9, 0.02])
    order, m = np.sort(p), len(p)
    for alpha in np.linspace(0.005, 0.995, 199):
        # the largest i with p_(i) <= alpha / (m - i + 1), and all below it
        passing = [i for i in range(m) if order[i] <= alpha / (m - i)]
        rejected = p <= order[passing[-1]] if passing else np.zeros(m, dtype=bool)
        assert ((hochberg(p) <= alpha) == rejected).all()
    assert (hochberg(p) <= holm(p)).all()


def test_false_discovery_rates_are_those_of_scipy() -> None:
    p = np.random.default_rng(0).random(40) ** 3
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"))
    assert benjamini_yekutieli(p) == pytest.approx(false_discovery_control(p, method="by"))


def test_stated_errors_are_kept_in_simulation() -> None:
    generator, rounds, m, true = np.random.default_rng(1), 2000, 12, 8
    common = generator.normal(size=(rounds, 1))
    noise = np.sqrt(0.5) * (common + generator.normal(size=(rounds, m)))  # positively dependent
    shift = np.where(np.arange(m) < true, 0.0, 3.0)
    p = norm.sf(noise + shift)
    slack = 3 * np.sqrt(0.05 * 0.95 / rounds)
    for adjust in (holm, hochberg):
        rejected = np.array([adjust(row) for row in p]) <= 0.05
        assert rejected[:, :true].any(axis=1).mean() <= 0.05 + slack
        assert rejected[:, true:].mean() > 0.4
    for adjust in (benjamini_hochberg, benjamini_yekutieli):
        rejected = np.array([adjust(row) for row in p]) <= 0.05
        false = rejected[:, :true].sum(axis=1) / np.maximum(rejected.sum(axis=1), 1)
        assert false.mean() <= 0.05 * true / m + slack
    assert (p <= 0.05)[:, :true].any(axis=1).mean() > 0.15  # what is kept without adjustment


def test_intervals_of_selected_members_miss_as_often_as_stated() -> None:
    generator, m = np.random.default_rng(2), 20
    family = Family("effects", tuple(map(str, range(m))))
    adjusted, plain = [], []
    for _ in range(1000):
        found = generator.normal(size=m)  # nothing is there
        chosen = np.flatnonzero(np.abs(found) > 1.5)
        if len(chosen):
            level = family.selected([str(i) for i in chosen], 0.9)
            adjusted.append(np.mean(np.abs(found[chosen]) > norm.ppf(0.5 + level / 2)))
            plain.append(np.mean(np.abs(found[chosen]) > norm.ppf(0.95)))
        else:
            adjusted.append(0.0)
    assert np.mean(adjusted) <= 0.1 + 3 * 0.3 / np.sqrt(1000)
    assert np.mean(plain) > 0.5


def test_simultaneous_levels() -> None:
    family = Family("topics", tuple("abcdefghij"))
    assert family.simultaneous(0.95) == pytest.approx(0.995)
    assert family.simultaneous(0.95, independent=True) == pytest.approx(0.95**0.1)
    assert Family("one", ("a",)).simultaneous(0.95) == pytest.approx(0.95)


def test_a_family_is_what_was_declared() -> None:
    family = Family("topics", ("law", "chess"))
    with pytest.raises(GnomonError, match="not declared: maths; missing: chess"):
        family.holm({"law": 0.01, "maths": 0.2})
    with pytest.raises(GnomonError, match="missing: law"):
        family.benjamini_hochberg({"chess": 0.01})
    with pytest.raises(GnomonError, match="chosen"):
        family.selected(["maths"], 0.95)
    with pytest.raises(GnomonError, match="empty or names a member twice"):
        Family("topics", ("law", "law"))
    with pytest.raises(GnomonError, match="p-values"):
        holm([0.1, float("nan")])
    assert family.hochberg({"chess": 0.04, "law": 0.03}) == {"law": 0.04, "chess": 0.04}


def test_spending_never_exceeds_alpha() -> None:
    assert sum(spent(0.05, k, of=20) for k in range(1, 21)) == pytest.approx(0.05)
    assert sum(spent(0.05, k) for k in range(1, 10_000)) == pytest.approx(0.05, rel=1e-3)
    assert sum(spent(0.05, k) for k in range(1, 10_000)) < 0.05
    for wrong in ({"test": 0}, {"test": 4, "of": 3}):
        with pytest.raises(GnomonError):
            spent(0.05, **wrong)
    with pytest.raises(GnomonError, match="alpha"):
        spent(1.5, 1)


def test_e_values_merge() -> None:
    grid = (np.arange(200_000) + 0.5) / 200_000
    assert np.mean([calibrated(p) for p in grid[::20]]) == pytest.approx(1.0, abs=0.15)  # at most one in expectation
    assert calibrated(0.9999) == pytest.approx(calibrated(0.9989), abs=1e-3)  # the series meets the formula
    assert merged([4.0, 0.0]) == 2.0
    assert merged([4.0, 0.0], weights=[3, 1]) == 3.0
    assert multiplied([4.0, 0.5]) == 2.0
    assert p_value(merged([40.0, 0.0])) == 0.05
    # e-values of the same data: their average is an e-value still
    shifts = np.random.default_rng(3).normal(size=(20_000, 1))
    e = np.exp(shifts * np.array([0.5, 1.0, 2.0]) - np.array([0.125, 0.5, 2.0]))
    assert (e.mean(axis=1) >= 20).mean() <= 0.05
    with pytest.raises(GnomonError, match="not negative"):
        merged([-1.0])
    with pytest.raises(GnomonError, match="weights"):
        merged([1.0], weights=[0.0])
    with pytest.raises(GnomonError, match="p-value"):
        calibrated(0.0)
