"""Forecasts of one fit: the closed form of least squares, what they refuse, and where they claim to hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gnomon.errors import GnomonError
from gnomon.laws import discrepancy, form
from gnomon.laws.fit import Fit
from gnomon.laws.fitting import fit
from gnomon.laws.forecast import domain, forecast, forecasts
from gnomon.laws.table import Table
from gnomon.randomness import Rng


def line(n: int, rng: Rng, *, drift: float = 0.0) -> Table:
    draw = rng.numpy()
    x = np.geomspace(1, 1000, n)
    y = 20 - 2 * np.log(x) + 0.3 * draw.normal(size=n)
    steps = draw.normal(size=n)  # a departure that neighbours share
    walk = np.exp(-np.abs(np.log(x)[:, None] - np.log(x)) / 1.4)
    return Table(
        x=x[:, None], y=y + drift * np.linalg.cholesky(walk + 1e-9 * np.eye(n)) @ steps, columns=("x",), target="y"
    )


@pytest.fixture(scope="module")
def one() -> Fit:
    return fit(line(40, Rng(3)), form("log_linear"), noise="normal", draws=1000, rng=Rng(0))


def test_the_interval_is_that_of_student(one: Fit) -> None:
    """For a line with normal noise the exact prediction interval is known; ours is it within a few per cent."""
    ratios = []
    for seed in range(12):
        table = line(40, Rng(4).child(seed))
        each = replace(
            fit(table, form("log_linear"), noise="normal", draws=400, rng=Rng(seed)), table=table, unidentified=()
        )
        low, high = forecast(each, {"x": 1e4}).distribution.interval(0.9)
        design = np.column_stack([np.ones(40), np.log(table.x[:, 0])])
        place = np.array([1, np.log(1e4)])
        residual = table.y - design @ np.linalg.lstsq(design, table.y, rcond=None)[0]
        s = np.sqrt(residual @ residual / 38)
        leverage = place @ np.linalg.solve(design.T @ design, place)
        ratios.append((high - low) / (2 * stats.t.ppf(0.95, 38) * s * np.sqrt(1 + leverage)))
    assert 0.95 < np.median(ratios) < 1.15


def test_the_parts_of_the_variance_add_up(one: Fit) -> None:
    found = forecast(one, {"x": 1e4})
    belief = found.distribution
    variance = belief.weights @ (belief.spreads**2 + belief.locations**2) - belief.mean**2
    assert sum(found.variances.values()) == pytest.approx(variance, rel=1e-6)
    assert found.variances["form"] == 0
    assert found.variances["residual"] == pytest.approx(one.noise.spread**2 * 38 / 36, rel=0.03)  # Student's t
    near, far = (forecast(one, {"x": x}).variances["parameter"] for x in (30.0, 1e6))
    assert far > 10 * near


def test_residuals_that_neighbours_share_widen_the_forecast() -> None:
    x = np.array([[1e4]])
    grown = []
    for drift in (0.0, 0.6):
        off = []
        for seed in range(20):
            each = fit(line(40, Rng(6).child(seed), drift=drift), form("log_linear"), noise="normal", draws=100)
            off.append(discrepancy.variance(each, x, each.form.value(x, each.draws))[0])
        grown.append(np.median(off))
    assert grown[0] < 0.4 * 0.3**2  # independent residuals: less than half their own variance
    assert grown[1] > 0.6**2  # and else more than the departure has within the table


def test_domain_and_what_is_outside(one: Fit) -> None:
    assert domain(one) == "log_linear fitted to 40 rows: x from 1 to 1000 and a decade beyond"
    inside, near, far = (forecast(one, {"x": x}) for x in (50.0, 9e3, 1e6))
    assert (inside.outside, inside.beyond) == ((), {})
    assert near.outside == ()
    assert near.beyond["x"] == pytest.approx(np.log10(9))
    assert far.outside == ("x = 1e+06 is 3 decades beyond the table",)


def test_many_at_once_are_each(one: Fit) -> None:
    x = np.array([[5.0], [2e4]])
    assert [b.median for b in forecasts(one, x)] == [forecast(one, {"x": v}).distribution.median for v in x[:, 0]]
    assert len(forecasts(one, x)[0].locations) <= 256


@pytest.mark.parametrize(
    ("at", "said"),
    [({}, "'x' is missing"), ({"x": 1.0, "z": 2.0}, "no input 'z'"), ({"x": np.nan}, "is nan"), ({"x": -1.0}, "x > 0")],
    ids=["missing", "unknown", "nan", "negative"],
)
def test_bad_places_are_refused_in_one_line(one: Fit, at: dict[str, float], said: str) -> None:
    with pytest.raises(GnomonError, match=said):
        forecast(one, at)


def test_draws_that_overflow_are_no_values(one: Fit) -> None:
    some = one.draws.copy()
    some[:300, 0] = np.inf
    some[300:400, 0] = 1e200
    found = forecast(replace(one, draws=some), {"x": 1e4}).distribution
    assert found.median == pytest.approx(forecast(one, {"x": 1e4}).distribution.median, abs=0.05)


def test_no_draws_and_no_value(one: Fit) -> None:
    with pytest.raises(GnomonError, match="no draws"):
        forecast(replace(one, draws=np.empty((0, 2))), {"x": 2.0})
    logarithmic = fit(line(40, Rng(3)), form("log_linear"), noise="log_normal", draws=50)
    with pytest.raises(GnomonError, match="no value at x = 1e\\+06"):
        forecast(logarithmic, {"x": 1e6})
