"""Simultaneous differences: coverage, and scipy's own where there are no blocks to speak of."""

import numpy as np
import pytest
from scipy.stats import studentized_range

from gnomon.phenomena.pairwise import simultaneous_differences


def test_all_intervals_hold_at_once_as_often_as_stated():
    rng = np.random.default_rng(0)
    means = np.array([0.0, 0.5, 0.5, 3.0])
    runs, held = 600, 0
    for _ in range(runs):
        values = means[:, None] + 5 * rng.normal(size=5) + rng.normal(size=(4, 5))
        found = simultaneous_differences({str(i): row for i, row in enumerate(values)})
        held += all(d.low <= means[int(d.first)] - means[int(d.second)] <= d.high for d in found)
    assert abs(held / runs - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)


def test_two_treatments_are_the_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 8))
    (found,) = simultaneous_differences({"a": a, "b": b})
    from scipy.stats import ttest_rel

    interval = ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-4)
    assert found.survives == (interval.low > 0 or interval.high < 0)


def test_the_width_is_that_of_the_residual_mean_square():
    found = simultaneous_differences({"a": [0.0, 1.0], "b": [2.0, 1.0], "c": [0.0, 0.0]})
    table = np.array([[0, 1], [2, 1], [0, 0]], dtype=float)
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    half = studentized_range.ppf(0.95, 3, 2) * np.sqrt((left**2).sum() / 2 / 2)
    assert [(d.high - d.low) / 2 for d in found] == pytest.approx([half] * 3)


@pytest.mark.parametrize("values", [{}, {"a": [1.0, 2.0]}, {"a": [1.0], "b": [2.0]}, {"a": [1.0, np.nan], "b": [1, 2]}])
def test_nothing_is_said_of_too_little(values):
    assert simultaneous_differences(values) == []
