"""Stacking weights against brute force, and what they do where forms are not told apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gnomon.laws.stacking import stack
from gnomon.randomness import Rng


def test_weights_are_those_of_a_grid_search() -> None:
    y = Rng(0).numpy().normal(size=30)
    log_densities = np.stack([stats.norm(m, s).logpdf(y) for m, s in ((-0.6, 0.9), (0.7, 0.8), (0.0, 3.0))], axis=-1)
    prior = np.array([0.6, 0.3, 0.1])
    steps = np.arange(1, 200) / 200
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b < 1 - 1e-9])
    objective = np.log(np.exp(log_densities) @ grid.T).sum(axis=0) + np.log(grid) @ prior
    assert stack(log_densities, prior) == pytest.approx(grid[objective.argmax()], abs=0.006)


def test_a_mixture_is_recovered_from_many_rows() -> None:
    draw = Rng(1).numpy()
    y = np.where(draw.random(20_000) < 0.3, -2.0, 2.0) + draw.normal(size=20_000)
    log_densities = np.stack([stats.norm(-2, 1).logpdf(y), stats.norm(2, 1).logpdf(y)], axis=-1)
    assert stack(log_densities, np.full(2, 0.5))[0] == pytest.approx(0.3, abs=4 * 0.0035)


def test_forms_that_say_the_same_share_and_a_worse_one_does_not() -> None:
    same = Rng(2).numpy().normal(size=(50, 1))
    weights = stack(np.hstack([same, same, same - 1.0]), np.array([0.2, 0.4, 0.4]))
    assert weights[1] == pytest.approx(2 * weights[0])
    assert weights[2] < 0.02
    assert weights.sum() == pytest.approx(1)


def test_a_row_that_one_form_excludes_is_not_fatal() -> None:
    log_densities = np.zeros((20, 2))
    log_densities[3, 0] = -1e4
    weights = stack(log_densities, np.full(2, 0.5))
    assert np.isfinite(weights).all()
    assert weights[1] > weights[0] > 0
