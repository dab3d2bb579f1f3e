"""Compute-optimal allocation: against brute force, and against the published re-analysis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from chinchilla_runs import chinchilla_runs
from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.laws import form
from gnomon.laws.fit import Fit
from gnomon.laws.fitting import fit
from gnomon.laws.planning import plan
from gnomon.laws.table import Table
from gnomon.randomness import Rng

PUBLISHED = np.array([1.8172, 482.01, 2085.43, 0.3478, 0.3658])
"""Besiroglu et al. (2024), table 1."""


def runs(n: int = 60, spread: float = 0.01) -> Table:
    draw = Rng(0).numpy()
    x = np.exp(np.column_stack([draw.uniform(17, 24, n), draw.uniform(20, 26, n)]))
    law = form("chinchilla")
    y = law.value(x, law.coordinates(PUBLISHED)) * np.exp(spread * draw.normal(size=n))
    return Table(x=x, y=y, columns=("N", "D"), target="loss")


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(runs(), form("chinchilla"), noise="log_normal", draws=200, rng=Rng(0))


def published(one: Fit) -> Fit:
    theta = one.form.coordinates(PUBLISHED)
    return replace(one, theta=theta, draws=np.tile(theta, (2, 1)))


@pytest.mark.parametrize("budget", [1e18, 5.76e23, 1e27], ids=["small", "chinchilla", "large"])
@pytest.mark.parametrize("flop_per", [6.0, 2.0], ids=["six", "two"])
def test_the_closed_form_is_the_minimum(fitted: Fit, budget: float, flop_per: float) -> None:
    found = plan(published(fitted), budget, flop_per=flop_per)
    e, a, b, alpha, beta = PUBLISHED

    def loss(log_size: float) -> float:
        tokens = np.log(budget / flop_per) - log_size
        return float(e + a * np.exp(-alpha * log_size) + b * np.exp(-beta * tokens))

    brute = minimize_scalar(loss, bounds=(5, 50), method="bounded", options={"xatol": 1e-10})
    assert np.log(found.size.value) == pytest.approx(brute.x, abs=1e-5)
    assert found.loss.value == pytest.approx(brute.fun, rel=1e-12)
    assert flop_per * found.size.value * found.tokens.value == pytest.approx(budget)
    assert found.tokens_per_parameter.value == pytest.approx(found.tokens.value / found.size.value)
    assert found.size.low == pytest.approx(found.size.high)


def test_exponents_are_the_slopes_of_the_optimum(fitted: Fit) -> None:
    near, far = (plan(published(fitted), budget) for budget in (1e22, 1e23))
    assert np.log10(far.size.value / near.size.value) == pytest.approx(near.size_exponent.value)
    assert np.log10(far.tokens.value / near.tokens.value) == pytest.approx(near.tokens_exponent.value)
    assert near.size_exponent.value == pytest.approx(0.5126, abs=5e-5)  # as published, standard error 0.02


def test_intervals_hold_the_truth_and_narrow_with_the_level(fitted: Fit) -> None:
    truth = plan(published(fitted), 5.76e23)
    wide, narrow = (plan(fitted, 5.76e23, level=level) for level in (0.99, 0.5))
    for name in ("size", "tokens", "loss", "size_exponent", "tokens_exponent", "tokens_per_parameter"):
        outer, inner = getattr(wide, name), getattr(narrow, name)
        assert outer.low < getattr(truth, name).value < outer.high
        assert outer.low < inner.low < inner.high < outer.high
    assert wide.decades_beyond == pytest.approx(np.log10(5.76e23 / (6 * fitted.table.x.prod(axis=1).max())))
    assert wide.to_json()["size"]["value"] == wide.size.value


def test_refusals(fitted: Fit) -> None:
    with pytest.raises(GnomonError, match="no allocation follows from form 'constant'"):
        plan(replace(fitted, form=form("constant")), 1e20)
    with pytest.raises(InsufficientEvidenceError, match="does not determine the law: beta"):
        plan(replace(fitted, unidentified=("beta: D reduces the loss too little",)), 1e20)
    with pytest.raises(GnomonError, match="positive numbers"):
        plan(fitted, -1.0)
    with pytest.raises(GnomonError, match="no draws"):
        plan(replace(fitted, draws=np.empty((0, 5))), 1e20)


@pytest.mark.shared
def test_the_plan_of_chinchillas_runs_is_the_published_one(shared_data: Path) -> None:
    """The exponent 0.5126 ± 0.02 and about 18 tokens per parameter at Chinchilla's compute, 20 within the interval."""
    table = chinchilla_runs(shared_data)
    found = plan(fit(table, form("chinchilla"), noise="log_laplace", draws=400, rng=Rng(0)), 5.76e23)
    assert found.size_exponent.value == pytest.approx(0.5126, abs=0.005)
    assert (found.size_exponent.high - found.size_exponent.low) / 2 == pytest.approx(1.96 * 0.02, rel=0.35)
    assert found.tokens_per_parameter.value == pytest.approx(18, abs=1.5)
    assert found.tokens_per_parameter.low < 20 < found.tokens_per_parameter.high
