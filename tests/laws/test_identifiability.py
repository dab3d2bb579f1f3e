"""What a table does not determine is said, by the names of the parameters; what it does is not doubted."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN, decades

from gnomon.laws import Fit, Form, Table, fit, form
from gnomon.laws.identifiability import confounded, unidentified
from gnomon.randomness import Rng


def fitted(name: str, x: np.ndarray, y: np.ndarray, noise: str = "normal") -> Fit:
    law = form(name)
    return fit(Table(x=x, y=y, columns=law.columns or ("x",), target="y"), law, noise=noise, draws=0)


def test_one_value_of_an_input() -> None:
    known = KNOWN["chinchilla"]
    x = np.column_stack([known.x[:, 0], np.full(40, 1e10)])
    y = known.form.value(x, known.theta) * np.exp(0.01 * np.random.default_rng(0).normal(size=40))
    found = fitted("chinchilla", x, y, "log_normal")
    assert found.unidentified[0] == "E, B and beta: only one value of D"
    assert (found.parameters["B"].low, found.parameters["B"].high) == (0, np.inf)
    # what N tells is still told
    assert found.parameters["alpha"].low <= 0.348 <= found.parameters["alpha"].high < 1


def test_too_few_different_inputs() -> None:
    x = np.repeat([1.0, 10.0], 10)[:, None]
    y = np.repeat([3.0, 2.0], 10) + 0.01 * np.random.default_rng(0).normal(size=20)
    found = fitted("power_law", x, y)
    assert found.unidentified == ("E, A and alpha: only 2 different values of x",)
    assert not found.identifiable
    assert fitted("log_linear", x, y).identifiable


def test_a_plateau_out_of_reach() -> None:
    x = decades(1, 10, 30)
    y = 8 * x[:, 0] ** -0.3 * np.exp(0.02 * np.random.default_rng(0).normal(size=30))
    found = fitted("power_law", x, y, "log_normal")
    assert found.unidentified == ("E: the data do not reach the plateau",)
    assert found.parameters["E"].low == 0
    assert fitted("pure_power_law", x, y, "log_normal").identifiable


def test_a_power_that_is_not_there() -> None:
    x = decades(1, 1e3, 30)
    y = 2 + 0.05 * np.random.default_rng(1).normal(size=30)
    told = " ".join(fitted("power_law", x, y).unidentified)
    assert "A" in told
    assert "alpha" in told
    steps = " ".join(fitted("broken_power_law", x, y).unidentified)
    assert "the data do not show break 1" in steps


def test_a_straight_line_does_not_bend() -> None:
    x = np.linspace(1, 2, 30)[:, None]
    y = x[:, 0] + 0.05 * np.random.default_rng(0).normal(size=30)
    found = fitted("saturating_exponential", x, y)
    assert not found.identifiable
    assert found.parameters["E"].high == np.inf


def test_parameters_of_which_only_the_product_counts() -> None:
    class Twice(Form):
        name, title, equation, source = "twice", "Twice", "y = a b x", "a test"
        parameters = {"a": "one factor", "b": "the other"}  # noqa: RUF012
        positive = ("a", "b")

        def value(self, x, theta):  # type: ignore[no-untyped-def]
            a, b = self.named(theta)
            return a * b * x[..., 0]

    x = decades(1, 10, 20)
    y = 3 * x[:, 0] + 0.1 * np.random.default_rng(0).normal(size=20)
    found = fit(Table(x=x, y=y, columns=("x",), target="y"), Twice(), noise="normal", draws=0)
    assert found.unidentified == ("a and b: the data fix only a combination of them",)
    assert confounded(Twice(), x, found.theta).all()


def test_an_optimum_elsewhere_is_told_unless_it_is_the_same_function() -> None:
    known = KNOWN["broken_power_law_2"]
    swapped = known.theta[[0, 1, 2, 4, 3, 6, 5, 8, 7]]
    swapped[2] = known.theta[2]
    low, high = known.theta - 0.1, known.theta + 0.1

    def told(rival: np.ndarray) -> tuple[str, ...]:
        return unidentified(
            known.form,
            known.table(known.mean),
            theta=known.theta,
            confounded=np.zeros(9, bool),
            low=low,
            high=high,
            scatter=0.01,
            rivals=[rival],
        )

    np.testing.assert_allclose(known.form.value(known.x, swapped), known.mean, rtol=1e-12)
    assert told(swapped) == ()
    other = known.theta.copy()
    other[2] += 0.2
    assert told(other) == ("c_0: another optimum is nearly as likely, at c_0 = 0.25",)


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("broken_power_law_2", "broken_power_law_3")])
def test_where_the_data_suffice_nothing_is_doubted(name: str) -> None:
    known = KNOWN[name]
    doubted = [
        fit(known.table(y), known.form, noise="normal", draws=0, rng=Rng(0)).unidentified
        for y in known.noisy("normal", 5, seed=0, size=0.01)
    ]
    assert doubted == [()] * 5
