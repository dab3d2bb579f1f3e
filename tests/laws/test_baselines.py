"""Baselines: exact on the tables that they are made for, and as wide as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gnomon.errors import GnomonError
from gnomon.laws.baselines import baselines, nearest_point
from gnomon.laws.table import Table
from gnomon.randomness import Rng


def table(x: np.ndarray, y: np.ndarray) -> Table:
    x = x if x.ndim == 2 else x[:, None]
    return Table(x=x, y=y, columns=("N", "D")[: x.shape[1]], target="loss")


def test_log_linear_is_least_squares_in_logarithms() -> None:
    draw = Rng(0).numpy()
    x = np.exp(draw.uniform(0, 5, 40))
    y = 3 * x**-0.4 * np.exp(0.05 * draw.normal(size=40))
    line = stats.linregress(np.log(x), np.log(y))
    found = baselines(table(x, y), {"N": 1000.0})["log_linear"]
    assert np.log(found.median) == pytest.approx(line.intercept + line.slope * np.log(1000.0), rel=1e-9)
    residual = np.log(y) - line.intercept - line.slope * np.log(x)
    s = np.sqrt((residual**2).sum() / 38)
    centred = np.log(x) - np.log(x).mean()
    leverage = 1 / 40 + (np.log(1000.0) - np.log(x).mean()) ** 2 / (centred**2).sum()
    half = stats.t.ppf(0.95, 38) * s * np.sqrt(1 + leverage)  # the exact prediction interval
    low, high = found.interval(0.9)
    assert np.log(high / low) / 2 == pytest.approx(half, rel=0.04)


def test_log_linear_covers_one_decade_out() -> None:
    x = np.tile(np.geomspace(1, 100, 5), 2)
    held = 0
    for seed in range(200):
        draw = Rng(1).child(seed).numpy()
        y = np.exp(1 - 0.3 * np.log(x) + 0.1 * draw.normal(size=10))
        low, high = baselines(table(x, y), {"N": 1000.0})["log_linear"].interval(0.9)
        held += low <= np.exp(1 - 0.3 * np.log(1000.0) + 0.1 * draw.normal()) <= high
    assert 0.85 < held / 200 < 0.97


def test_nearest_point() -> None:
    x = np.array([1.0, 10.0, 10.0, 1000.0])
    found = nearest_point(table(x, np.array([4.0, 2.0, 2.0, 1.0])), np.array([600.0]))
    assert found.median == pytest.approx(1.0)
    assert found.spreads[0] == pytest.approx(np.log(2))  # each row is predicted half or twice of what it is
    two = table(np.array([[1.0, 1.0], [10.0, 1.0]]), np.array([-1.0, 3.0]))  # not positive, and D never changes
    found = nearest_point(two, np.array([9.0, 5.0]))
    assert (found.scale, found.median) == ("linear", pytest.approx(3.0))


def test_refusals() -> None:
    with pytest.raises(GnomonError, match="one input only"):
        baselines(table(np.array([2.0, 2.0]), np.array([1.0, 2.0])), {"N": 3.0})
    with pytest.raises(GnomonError, match="'D' is missing"):
        baselines(table(np.ones((3, 2)), np.ones(3)), {"N": 3.0})
    with pytest.raises(GnomonError, match="give 3 or more"):
        baselines(table(np.array([1.0, 2.0]), np.array([1.0, 2.0])), {"N": 3.0})
