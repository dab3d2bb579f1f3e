"""Which form holds: the right one wins, is covered one decade out, and what is not told apart is said to be open."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.laws import form
from gnomon.laws.baselines import baselines
from gnomon.laws.comparison import Comparison, compare, weigh
from gnomon.laws.forecast import forecast, forecasts
from gnomon.laws.table import Table
from gnomon.randomness import Rng
from synthetic_laws import DESIGNS, FORMS, Design, fits

FEW = ("constant", "pure_power_law", "power_law", "saturating_exponential")


def compared(design: Design, forms: tuple[str, ...] = FEW, seed: int = 0, draws: int = 60) -> Comparison:
    table = design.table(design.values(design.x, 1, Rng(21).child(seed))[0])
    return compare(table, [form(name) for name in forms], noise=design.noise, draws=draws, rng=Rng(seed))


def won_and_covered(name: str, tables: int, draws: int, rng: Rng) -> tuple[float, float]:
    """How often the law has the smallest BIC of all forms, and its 90 % interval holds a measurement a decade out."""
    design = DESIGNS[name]
    y = design.values(design.x, tables, rng.child("table"))
    beyond = design.values(design.beyond, tables, rng.child("beyond"))[:, 0]
    bic = np.array([[one.bic for one in fits(design, other, y, rng)] for other in FORMS])
    right = fits(design, name, y, rng.child("draws"), draws=draws)
    ends = [forecasts(one, design.beyond)[0].interval(0.9) for one in right]
    covered = np.mean([low <= v <= high for (low, high), v in zip(ends, beyond, strict=True)])
    return float(np.mean(np.array(FORMS)[bic.argmin(axis=0)] == name)), float(covered)


def covered_by_all(name: str, tables: int, draws: int, rng: Rng) -> float:
    """How often the 90 % interval of all forms together, weighed, holds a measurement a decade out."""
    design = DESIGNS[name]
    y = design.values(design.x, tables, rng.child("table"))
    beyond = design.values(design.beyond, tables, rng.child("beyond"))[:, 0]
    every = [fits(design, other, y, rng.child(other), draws=draws) for other in FORMS]
    held = 0
    for k, each in enumerate(zip(*every, strict=True)):
        found = weigh(design.table(y[k]), each, rng=rng.child(k))
        low, high = forecasts(found, design.beyond)[0].interval(0.9)
        held += low <= beyond[k] <= high
    return held / tables


def test_a_right_law_wins_and_is_covered_a_decade_out() -> None:
    """Eight tables of each of the nine forms: 9 in 10 are found and covered; under 8 in 10 has a probability of 1 %."""
    found = np.array([won_and_covered(name, 8, 50, Rng(5).child(name)) for name in FORMS])
    assert (found.mean(axis=0) > 0.8).all()
    assert (found >= 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason="its 90 % forecasts are too wide: they hold 97.5 of 100"))
        if name == "broken_power_law"
        else name
        for name in FORMS
    ],
)
def test_each_right_law_wins_and_is_covered_a_decade_out(name: str) -> None:
    won, covered = won_and_covered(name, 200, 100, Rng(3).child(name))
    print(f"{name}: best in {won:.3f}, covered in {covered:.3f} of 200")
    assert won >= 0.8
    assert 0.85 <= covered <= 0.95  # 2.4 standard errors


@pytest.mark.slow
def test_all_forms_together_are_covered_a_decade_out() -> None:
    """Forecasts of the comparison, 12 tables of each law: weights of wrong forms make them wider, not wrong."""
    covered = {name: covered_by_all(name, 12, 60, Rng(9).child(name)) for name in FORMS}
    print(covered)
    assert 0.84 < np.mean(list(covered.values())) < 0.99  # of 108: two standard errors below 0.9
    assert min(covered.values()) >= 0.66


def test_a_comparison() -> None:
    found = compared(DESIGNS["power_law"])
    assert found.best == "power_law"
    assert found.weights["power_law"] > 0.9
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.rivals == ()
    assert found["power_law"].bic == min(one.bic for one in found.fits)
    scores = {one.form.name: one.heldout for one in found.fits}
    assert min(scores, key=lambda name: scores[name]) == "power_law"
    assert len({(one.noise.kind, one.noise.scale) for one in found.fits}) == 1


def test_what_is_not_told_apart_is_said_to_be_open() -> None:
    """An offset of a hundredth of the smallest value is within the noise: both powers go on, with shared weights."""
    hidden = Design("power_law", (0.0005, 4.0, 0.35), 1, 1e3, "log_normal", 0.03)
    shares, kept = [], 0
    for seed in range(8):
        found = compared(hidden, ("pure_power_law", "power_law"), seed, draws=30)
        shares.append(found.weights["power_law"])
        kept += {"pure_power_law", "power_law"} == {found.best, *found.rivals}
    assert kept >= 7
    assert 0.03 < np.median(shares) < 0.5  # neither is hidden, and the simpler leads


def test_forms_that_part_beyond_the_table_widen_the_forecast() -> None:
    """A logistic seen below its midpoint could as well be a power that goes on growing."""
    below = Design("logistic", (0.0, 1.0, 1000.0, 1.0), 1, 100, "normal", 0.004)
    found = compared(below, ("logistic", "growing_power_law"))
    assert {found.best, *found.rivals} == {"logistic", "growing_power_law"}
    whole = forecast(found, {"x": 5e3})
    each = [forecast(one, {"x": 5e3}).distribution.median for one in found.fits]
    assert whole.variances["form"] > 0
    low, high = whole.distribution.interval(0.99)
    assert low < min(each) < max(each) < high


def test_noise_is_chosen_for_all_together() -> None:
    design = DESIGNS["pure_power_law"]
    table = design.table(design.values(design.x, 1, Rng(2))[0])
    found = compare(table, [form("constant"), form("pure_power_law")], draws=20)
    assert found["constant"].noise.scale == found["pure_power_law"].noise.scale == "log"


@pytest.mark.parametrize("noise", ["normal", "log_laplace"])
def test_an_exact_table_is_forecast_exactly(noise: str) -> None:
    x = np.geomspace(1, 100, 12)[:, None]
    table = Table(x=x, y=3 * x[:, 0] ** -0.5, columns=("x",), target="y")
    found = compare(table, [form("constant"), form("pure_power_law")], noise=noise, draws=40)
    assert found.best == "pure_power_law"
    assert forecast(found, {"x": 400.0}).distribution.median == pytest.approx(0.15, rel=1e-6)
    assert baselines(table, {"x": 400.0})["log_linear"].median == pytest.approx(0.15, rel=1e-6)


def test_too_few_rows_for_a_far_end_and_refusals() -> None:
    x = np.arange(1.0, 5.0)[:, None]
    table = Table(x=x, y=np.array([4.0, 2.1, 1.3, 1.1]), columns=("x",), target="y")
    found = compare(table, [form("log_linear"), form("inverse")], noise="normal", draws=20)
    assert all(one.heldout is not None for one in found.fits)
    single = compare(table, [form("power_law")], noise="normal", draws=20)
    assert (single.weights, single.rivals, single["power_law"].heldout) == ({"power_law": 1.0}, (), None)
    with pytest.raises(GnomonError, match="each once"):
        compare(table, [form("constant"), form("constant")])
    with pytest.raises(GnomonError, match="each once"):
        compare(table, [])
