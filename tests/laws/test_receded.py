"""A positive parameter that is best at zero: the fit says how large it may be."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.laws import Table, form
from gnomon.laws.fitting import fit
from gnomon.laws.noise import families
from gnomon.laws.receded import brought_back

_X = np.geomspace(1, 1e3, 40)[:, None]
_TRUE = 0.003  # under the noise of 0.01


def _power(seed: int, unit: float = 1.0) -> Table:
    y = _TRUE + 3 * _X[:, 0] ** -0.5 + 0.01 * np.random.default_rng(seed).normal(size=40)
    return Table(x=_X, y=unit * y, columns=("x",), target="y")


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e12], ids=str)
def test_an_offset_best_at_zero_has_an_upper_end(unit: float) -> None:
    # of seed 5 the unconstrained offset is negative
    found = fit(_power(5, unit), form("power_law"), noise="normal", draws=0).parameters["E"]
    assert found.low == 0
    assert found.value < 1e-6 * unit
    # that of the line through E = 0 at fixed exponent is 0.001; with a free one it is wider
    assert 0.002 * unit < found.high < 0.01 * unit


def test_intervals_of_an_offset_under_the_noise_hold_it() -> None:
    held = 0
    for seed in range(40):
        found = fit(_power(seed), form("power_law"), noise="normal", draws=100).parameters["E"]
        held += found.low <= _TRUE <= found.high
    assert held >= 35  # fewer once in 100 times at 95 %


@pytest.mark.parametrize("place", [-30.0, -1e3, -1e130], ids=str)
def test_what_ran_off_comes_back_and_no_value_moves(place: float) -> None:
    law, table = form("power_law"), _power(5)
    theta = law.coordinates(np.array([1.0, 3.0, 0.5]))
    theta[0] = place
    back = brought_back(law, table.x, theta, families["normal"], table.y)
    assert -25 < back[0] < -10
    assert (back[1:] == theta[1:]).all()
    moved = np.abs(law.value(table.x, back) - law.value(table.x, theta)).max()
    assert moved <= 1e-6 * np.abs(table.y - law.value(table.x, theta)).mean() * 1.001


def test_what_has_an_effect_stays() -> None:
    law = form("power_law")
    theta = law.coordinates(np.array([1e-3, 3.0, 0.5]))
    assert (brought_back(law, _X, theta, families["normal"], _power(0).y) == theta).all()
