"""Fits as a whole: bad input, exact and constant data, and what is stated."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN, decades

from gnomon.errors import GnomonError
from gnomon.laws import Table, fit, form
from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import families
from gnomon.randomness import Rng


def table(x: np.ndarray, y: np.ndarray) -> Table:
    return Table(x=x, y=y, columns=("x",), target="y")


def test_bad_input_is_refused_in_one_line() -> None:
    x = decades(1, 100, 10)
    y = 1 + x[:, 0] ** -0.5
    with pytest.raises(GnomonError, match="3 rows do not determine the 3 parameters of 'power_law' and the noise"):
        fit(table(x[:3], y[:3]), form("power_law"))
    with pytest.raises(GnomonError, match="needs x > 0"):
        fit(table(-x, y), form("power_law"))
    with pytest.raises(GnomonError, match="not finite in row 2"):
        table(x[:3], np.array([1.0, np.nan, 1.0]))
    with pytest.raises(GnomonError, match=r"level 1\.5 is not between 0 and 1"):
        fit(table(x, y), form("power_law"), level=1.5)
    with pytest.raises(GnomonError, match="noise on logarithms needs positive values"):
        fit(table(x, -y), form("log_linear"), noise="log_normal")


@pytest.mark.parametrize("name", ["power_law", "logistic", "broken_power_law", "log_linear"])
def test_exact_measurements_have_finite_scores_and_narrow_intervals(name: str) -> None:
    known = KNOWN[name]
    found = fit(known.table(known.mean), known.form, draws=50)
    assert np.isfinite([found.log_likelihood, found.aic, found.bic, found.noise.spread]).all()
    for one, true in zip(found.parameters.values(), known.natural, strict=True):
        assert one.value == pytest.approx(true, rel=1e-6)
        assert one.high - one.low < 1e-4 * abs(true)


@pytest.mark.parametrize("value", [2.0, 0.0, -3.0])
@pytest.mark.parametrize("name", ["power_law", "pure_power_law", "saturating_exponential", "logistic"])
def test_constant_measurements_determine_no_curve(name: str, value: float) -> None:
    found = fit(table(decades(1, 1e3, 20), np.full(20, value)), form(name), draws=20)
    assert not found.identifiable or name == "pure_power_law"
    assert np.isfinite([found.objective, found.log_likelihood]).all()


def test_constant_measurements_determine_a_constant() -> None:
    found = fit(table(decades(1, 1e3, 20), np.full(20, 2.0)), form("constant"), draws=20)
    assert found.identifiable
    assert found.parameters["c"].value == 2.0


def test_same_randomness_same_fit() -> None:
    known = KNOWN["power_law"]
    y = known.noisy("normal", 1, seed=0)[0]
    one, same, other = (fit(known.table(y), known.form, noise="normal", draws=40, rng=Rng(seed)) for seed in (1, 1, 2))
    assert (one.draws == same.draws).all()
    assert (one.draws != other.draws).any()
    assert (one.theta == other.theta).all()


def test_few_rows_are_stated_by_profile_and_many_by_bootstrap() -> None:
    known = KNOWN["power_law"]
    y = known.noisy("normal", 1, seed=0)[0]
    many = fit(known.table(y), known.form, noise="normal", draws=50)
    few = fit(known.table(y).rows(np.arange(0, 40, 4)), known.form, noise="normal", draws=50)
    without = fit(known.table(y), known.form, noise="normal", draws=0)
    assert (many.stated, few.stated, without.stated) == ("bootstrap", "profile", "profile")
    for found in (many, few, without):
        for one in found.parameters.values():
            assert (one.low, one.high) == getattr(one, found.stated)
    assert without.parameters["E"].bootstrap is None


def test_scores_are_those_of_their_definitions() -> None:
    known = KNOWN["log_linear"]
    y = known.noisy("normal", 1, seed=0)[0]
    found = fit(known.table(y), known.form, noise="normal", draws=0)
    basis = known.form.jacobian(known.x, known.theta)
    squares = np.linalg.lstsq(basis, y, rcond=None)[1][0]
    n = len(y)
    assert found.objective == pytest.approx(squares / n / 2)
    assert found.noise.spread == pytest.approx(np.sqrt(squares / (n - 2)))
    likelihood = -n / 2 * (np.log(2 * np.pi * squares / n) + 1)
    assert found.log_likelihood == pytest.approx(likelihood)
    assert found.aic == pytest.approx(6 - 2 * likelihood)
    assert found.bic == pytest.approx(3 * np.log(n) - 2 * likelihood)


def test_rows_left_out_by_weight_are_left_out() -> None:
    known = KNOWN["power_law"]
    y = known.noisy("normal", 1, seed=0)[0]
    folds = np.arange(40) % 4 != np.arange(4)[:, None]
    starts = known.form.starts(known.x, y, 12)
    together = fit_many(known.form, known.x, y, noise=families["normal"], starts=starts, weights=folds.astype(float))
    for kept, theta in zip(folds, together.theta, strict=True):
        alone = fit_many(known.form, known.x[kept], y[kept], noise=families["normal"], starts=starts)
        np.testing.assert_allclose(theta, alone.theta[0], rtol=1e-6)
