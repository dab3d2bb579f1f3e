"""Graded harm on average and with a probability, several monitors at once, and the betting test behind both."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from gnomon.control.monitors.calibration import Calibration, calibrate_harm
from gnomon.control.monitors.guarantee import ALL, Guarantee, TooFewTextsError
from gnomon.control.monitors.learn_then_test import learn_then_test
from gnomon.control.monitors.order_statistic import needed, order_statistic
from gnomon.control.monitors.rates import at_thresholds
from gnomon.control.monitors.risk_control import conformal_risk, risk_with_probability
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.statistics.betting import betting_p_value, least_units

Array = NDArray[np.float64]


def drawn(rng: np.random.Generator, n: int, worst: float = 1.0) -> tuple[Array, Array]:
    """Three in ten texts are harmful, by more the higher they score."""
    scores = rng.normal(size=n)
    harmful = rng.random(n) < 0.3
    grade = np.clip(rng.beta(2, 4, size=n) + 0.1 * scores, 0, 1)
    return scores + 1.5 * harmful, worst * harmful * grade


def passed(scores: Array, harms: Array, threshold: float) -> float:
    return float(np.where(scores <= threshold, harms, 0.0).mean())


@pytest.mark.parametrize("worst", [1.0, pytest.param(5.0, marks=pytest.mark.slow)], ids=["unit", "five"])
def test_harm_on_average_and_with_a_probability(worst: float) -> None:
    alpha, delta, draws = 0.02 * worst, 0.1, 500
    fresh = drawn(np.random.default_rng(10**6), 200_000, worst)
    order = np.argsort(fresh[0])
    ordered, total = fresh[0][order], np.append(0.0, np.cumsum(fresh[1][order])) / len(order)
    mean, sure = np.zeros(draws), np.zeros(draws)
    for draw in range(draws):
        given = drawn(np.random.default_rng(draw), 300, worst)
        on_average = conformal_risk(*given, alpha=alpha, worst=worst).value
        with_probability = risk_with_probability(*given, alpha=alpha, delta=delta, worst=worst, rng=Rng(draw)).value
        mean[draw], sure[draw] = total[np.searchsorted(ordered, (on_average, with_probability), side="right")]
    error = mean.std() / np.sqrt(draws)
    assert mean.mean() <= alpha + 3 * error
    assert mean.mean() >= alpha - 2 * worst / 301 - 3 * error
    over = binomtest(int((mean > alpha).sum()), draws).proportion_ci(0.95)
    assert over.low > delta  # which is no promise about a single draw
    assert binomtest(int((sure > alpha).sum()), draws).proportion_ci(0.95).low <= delta
    assert 0.3 * alpha < sure.mean() < mean.mean()


def test_the_threshold_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        n = int(rng.integers(10, 60))
        scores, harms = np.round(rng.normal(size=n), 1), rng.random(n).round(1)
        alpha = float(rng.uniform(1.01 / (n + 1), 0.6))
        cut = conformal_risk(scores, harms, alpha=alpha).value
        kept = [t for t in (scores.min() - 1, *scores) if (n * passed(scores, harms, t) + 1) / (n + 1) <= alpha]
        assert (scores <= cut).sum() == (scores <= max(kept)).sum()


def test_a_betting_p_value_is_one_and_falls_with_the_losses() -> None:
    rng = np.random.default_rng(0)
    alpha = 0.1
    for losses in (
        (rng.random((300, 1000)) < alpha).astype(float),
        rng.beta(0.5, 4.5, size=(300, 1000)),
        (rng.random((300, 1000)) < 2 * alpha) * 0.5,
    ):
        assert abs(losses.mean() - alpha) < 0.01
        p_values = betting_p_value(losses, alpha, 0.05)
        for level in (0.01, 0.05, 0.2):
            assert binomtest(int((p_values <= level).sum()), 1000).proportion_ci(0.95).low <= level
        assert (betting_p_value(losses * 0.9, alpha, 0.05) <= p_values).all()
        assert (betting_p_value(losses * 0.5, alpha, 0.05) < 0.05).mean() > 0.8  # and it has power


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3], ids=str)
def test_least_units_is_the_least(alpha: float) -> None:
    n = least_units(alpha, 0.05)
    assert betting_p_value(np.zeros(n), alpha, 0.05) <= 0.05 < betting_p_value(np.zeros(n - 1), alpha, 0.05)
    assert n >= needed(alpha, 0.05)  # nothing can do with fewer than the exact test


def test_several_monitors_at_once() -> None:
    """Ten monitors that just miss their rate: none is let through, but in δ of the draws."""
    draws, m, n, alpha, delta = 200, 10, 500, 0.05, 0.1
    wrong = {"bonferroni": 0, "fixed_sequence": 0, "each": 0}
    for draw in range(draws):
        losses = np.random.default_rng(draw).random((n, m)) < alpha
        for procedure in ("bonferroni", "fixed_sequence"):
            found = learn_then_test(losses, alpha=alpha, delta=delta, procedure=procedure)  # type: ignore[arg-type]
            wrong[procedure] += bool(found.kept.any())
        wrong["each"] += bool((found.p_values <= delta).any())
    for procedure in ("bonferroni", "fixed_sequence"):
        assert binomtest(wrong[procedure], draws).proportion_ci(0.95).low <= delta
    assert wrong["each"] > 0.5 * draws  # what testing each alone does


def test_a_fixed_sequence_of_thresholds_is_the_order_statistic() -> None:
    scores = np.random.default_rng(0).normal(size=800)
    thresholds = np.sort(scores)[::-1]
    found = learn_then_test(scores[:, None] > thresholds, alpha=0.05, delta=0.05)
    assert thresholds[found.kept][-1] == order_statistic(scores, alpha=0.05, delta=0.05).value


def test_graded_losses_that_happen_to_be_0_or_1_are_tested_as_graded() -> None:
    losses = np.random.default_rng(0).random((300, 1)) < 0.02
    found = learn_then_test(losses.astype(float), alpha=0.05, delta=0.05)
    assert found.p_values[0] == betting_p_value(losses[:, 0].astype(float), 0.05, 0.05)
    assert found.p_values[0] != learn_then_test(losses, alpha=0.05, delta=0.05).p_values[0]


def test_no_harm_among_a_few_texts_is_not_shown_to_be_none() -> None:
    found = conformal_risk(np.arange(99.0), np.zeros(99), alpha=0.01, worst=1.0)
    guarantee = Guarantee(rate="harm", alpha=0.01, delta=None, cuts={ALL: found})
    for n, harm in ((20, 0.0), (20, 3.0), (200, 0.0)):
        readings = at_thresholds(guarantee, np.zeros(n), None, on="test", harms=np.full(n, harm), worst=5.0)
        ends = readings[0].uncertainty
        # the ends are where n texts that are all alike have a probability of 2.5 %
        share = 1 - 0.025 ** (1 / n)
        assert (ends.low, ends.high) == pytest.approx((harm * (1 - share), harm + (5 - harm) * share))


def test_too_few_texts_and_bad_harms() -> None:
    scores = np.arange(20.0)
    with pytest.raises(TooFewTextsError, match="give at least 99,"):
        conformal_risk(scores, np.zeros(20), alpha=0.01)
    assert conformal_risk(np.arange(99.0), np.zeros(99), alpha=0.01).value == 98.0
    with pytest.raises(TooFewTextsError, match="of group 'b'"):
        calibrate_harm(Calibration(np.arange(400.0), ("a",) * 380 + ("b",) * 20), np.zeros(400), alpha=0.01, rng=Rng(0))
    with pytest.raises(GnomonError, match="outside 0 to 1; give the largest"):
        conformal_risk(scores, np.full(20, 2.0), alpha=0.5)
    with pytest.raises(GnomonError, match="independent texts"):
        calibrate_harm(Calibration(scores, clusters=np.arange(20)), np.zeros(20), alpha=0.5, rng=Rng(0))
    with pytest.raises(GnomonError, match="between 0 and 1"):
        betting_p_value(np.array([0.0, 1.5]), 0.05, 0.05)
