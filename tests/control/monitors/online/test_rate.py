"""The rate test against brute force over all errors, and over streams; its confidence sequence."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from scipy.integrate import quad

from gnomon.control.monitors.online.rate import RateMonitor, RateTest
from gnomon.errors import GnomonError
from gnomon.measurement.intervals import clopper_pearson
from gnomon.statistics import rate_interval


@pytest.mark.parametrize("bound", [0.05, 0.4], ids=["5", "40"])
def test_over_all_errors_at_the_bound_the_e_value_has_mean_1(bound):
    errors = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
    probability = np.prod(np.where(errors == 1, bound, 1 - bound), axis=1)
    test = RateTest(bound, len(errors))
    for column in errors.T:
        test.observe(column)
        assert probability @ np.exp(test.mixture.log_e_value) == pytest.approx(1, rel=1e-12)


def test_a_bet_is_the_likelihood_ratio():
    bound, test = 0.1, RateTest(0.1)
    for bet, odds in zip(test.bets, (1.25, 1.6, 2.0, 3.0, 5.0, 9.0, 20.0, 60.0), strict=True):
        rate = odds / 9 / (1 + odds / 9)
        assert 1 + bet * (1 - bound) == pytest.approx(rate / bound)
        assert 1 - bet * bound == pytest.approx((1 - rate) / (1 - bound))


@pytest.mark.parametrize("kind", ["yes or no", "graded", "dependent"])
def test_false_alarms_over_2000_streams_are_within_the_level(kind):
    rng = np.random.default_rng(0)
    streams, bound = 2000, 0.1
    test, highest = RateTest(bound, streams), np.full(streams, -np.inf)
    last = np.zeros(streams)
    for _ in range(150):
        if kind == "graded":
            last = rng.beta(1, 9, streams)
        else:  # after an error the next is rarer, after none it is at the bound
            last = (rng.random(streams) < np.where((kind == "dependent") & (last == 1), 0.02, bound)).astype(float)
        test.observe(last)
        highest = np.maximum(highest, test.mixture.log_e_value)
    assert clopper_pearson(int((highest >= math.log(20)).sum()), streams).high <= 0.05


def test_an_excess_after_long_quiet_is_found_soon():
    rng = np.random.default_rng(1)
    streams, bound, rate = 300, 0.05, 0.3
    test, first = RateTest(bound, streams), np.full(streams, np.inf)
    for time in range(1, 561):
        chance = 0.01 if time <= 500 else rate
        test.observe((rng.random(streams) < chance).astype(float))
        first = np.minimum(first, np.where(test.mixture.log_e_value >= math.log(20), time, np.inf))
    divergence = rate * math.log(rate / bound) + (1 - rate) * math.log((1 - rate) / (1 - bound))
    known = (math.log(20) + math.log(500) + 2 * math.log(math.log(500))) / divergence  # time unknown, rate known
    assert (first <= 500).mean() <= 0.05
    assert np.median(first - 500) <= 1.5 * known


def test_ends_are_where_the_mixture_of_likelihoods_is_one_over_delta():
    for errors, observed in ((3, 40), (37, 40), (12.5, 40)):
        for end in rate_interval(errors, observed, delta=0.05):

            def ratio(q, p=end, k=errors, n=observed):
                prior = 1 / (math.pi * math.sqrt(q * (1 - q)))
                return prior * (q / p) ** k * ((1 - q) / (1 - p)) ** (n - k)

            assert quad(ratio, 0, 1, limit=200)[0] == pytest.approx(20, rel=1e-4)


def test_ends_when_there_are_only_errors_or_none():
    low, high = rate_interval(0, 30, delta=0.05)
    assert (low, 1.0) == (0.0, rate_interval(30, 30, delta=0.05)[1])
    assert rate_interval(30, 30, delta=0.05)[0] == pytest.approx(1 - high)
    assert rate_interval(0, 0, delta=0.05) == (0.0, 1.0)
    assert rate_interval(1e-4, 30, delta=0.05)[0] == 0.0


def test_the_interval_holds_at_all_times_together():
    rng = np.random.default_rng(2)
    streams, length, delta = 1000, 150, 0.1
    for rate in (0.02, 0.3):
        errors = (rng.random((streams, length)) < rate).cumsum(axis=1)
        inside = np.ones(streams, dtype=bool)
        for n in range(1, length + 1):
            table = np.full((n + 1, 2), np.nan)
            for k in np.unique(errors[:, n - 1]):
                table[k] = rate_interval(float(k), n, delta=delta)
            now = table[errors[:, n - 1]]
            inside &= (now[:, 0] <= rate) & (rate <= now[:, 1])
        assert clopper_pearson(int((~inside).sum()), streams).low <= delta


def test_resumed_it_goes_on_to_the_bit():
    rng = np.random.default_rng(3)
    errors = (rng.random(80) < 0.2).astype(float)
    whole, part = RateMonitor(0.1, delta=0.05), RateMonitor(0.1, delta=0.05)
    for error in errors:
        whole.observe(error)
    for error in errors[:33]:
        part.observe(error)
    part = RateMonitor.from_json(json.loads(json.dumps(part.to_json(), allow_nan=False)))
    for error in errors[33:]:
        part.observe(error)
    assert part.to_json() == whole.to_json()
    assert part.interval() == whole.interval()


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(GnomonError, match="bound of 1"):
        RateMonitor(1.0, delta=0.05)
    with pytest.raises(GnomonError, match="delta of 0"):
        RateMonitor(0.1, delta=0.0)
    with pytest.raises(GnomonError, match="error of 2"):
        RateMonitor(0.1, delta=0.05).observe(2.0)
    with pytest.raises(GnomonError, match="no state"):
        RateMonitor.from_json({"kind": "drift monitor"})
    with pytest.raises(GnomonError, match="not whole"):
        RateMonitor.from_json({"kind": "rate monitor", "bound": 0.1, "delta": 0.1})
