"""Tables at the edge of what can be fitted: no wrong certainty, no number that is none, no traceback."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.laws import Table, form, forms
from gnomon.laws.comparison import compare
from gnomon.laws.document import to_document
from gnomon.laws.fitting import fit

_NOISE = np.random.default_rng(2).normal(size=30)


def _table(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Table:
    return Table(x=x[:, None], y=y, columns=("x",), target="y", groups=groups)


def test_a_logistic_far_above_its_midpoint_is_a_power_to_all_digits() -> None:
    x = np.geomspace(1, 1e8, 30)[:, None]
    # lower 10^13 and a midpoint 10^-43: what is left of them is 0.2 + 3 x^-0.3
    log_midpoint = np.log(3 / 1e13) / 0.3
    theta = np.array([1e13, 0.2, log_midpoint, -np.log(0.3)])
    power = 0.2 + 3 * x[:, 0] ** -0.3
    np.testing.assert_allclose(form("logistic").value(x, theta), power, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3), ids=str)
def test_a_power_is_no_logistic(seed: int) -> None:
    x = np.geomspace(1, 1e8, 30)
    y = 0.2 + 3 * x**-0.3 + 0.005 * np.random.default_rng(seed).normal(size=30)
    logistic = fit(_table(x, y), form("logistic"), draws=0)
    assert not logistic.identifiable
    # it has the power law as a limit, and one parameter more
    assert logistic.bic > fit(_table(x, y), form("power_law"), draws=0).bic - 0.5 * np.log(30)


def test_one_input_alone_is_fitted_by_all_forms() -> None:
    names = [name for name, kind in forms().items() if len(kind.columns) <= 1 and len(kind.parameters) < 7]
    found = compare(_table(np.full(30, 5.0), 1 + 0.01 * _NOISE), [form(name) for name in names], draws=40)
    assert found.best == "constant"
    assert [one.form.name for one in found.fits if one.identifiable] == ["constant"]
    json.dumps(to_document(found), allow_nan=False)


def test_an_outlier_of_a_million_leaves_valid_json() -> None:
    x = np.geomspace(1, 1e3, 30)
    y = 1 + 3 * x**-0.5 + np.where(np.arange(30) == 7, 1e6, 0)
    names = ["power_law", "broken_power_law", "growing_power_law"]
    found = compare(_table(x, y), [form(name) for name in names], draws=40)
    json.dumps(to_document(found), allow_nan=False)
    assert found.best == "power_law"
    assert found["power_law"].parameters["alpha"].value == pytest.approx(0.5, abs=0.01)


def test_a_single_group_is_refused() -> None:
    x = np.geomspace(1, 1e3, 30)
    with pytest.raises(GnomonError, match="all rows are of one group"):
        fit(_table(x, 1 + 0.01 * _NOISE, np.zeros(30, np.int64)), form("constant"))


@pytest.mark.parametrize("unit", [1e200, 1e-200], ids=str)
def test_numbers_whose_squares_are_none_are_refused(unit: float) -> None:
    x = np.geomspace(1, 1e3, 30)
    with pytest.raises(GnomonError, match="another unit"):
        _table(x, unit * (1 + 0.01 * _NOISE))
    with pytest.raises(GnomonError, match="another unit"):
        _table(unit * x, _NOISE)
