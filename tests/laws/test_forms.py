"""Every form: derivatives, coordinates, starts, and what its equation says."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.laws import Form, form, forms
from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import families


def test_every_form_has_a_known_law() -> None:
    ours = {name for name, kind in forms().items() if kind.__module__.startswith("gnomon.laws.forms.")}
    assert ours == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_jacobian_is_the_derivative(name: str) -> None:
    known = KNOWN[name]
    random = np.random.default_rng(0)
    theta = known.theta + 0.1 * random.normal(size=(6, len(known.theta)))
    found = known.form.jacobian(known.x, theta)
    assert found.shape == (6, len(known.x), len(known.theta))
    # in extended precision central differences are good to 1e-12 or so
    wide, x = theta.astype(np.longdouble), known.x.astype(np.longdouble)
    for k in range(len(known.theta)):
        step = np.zeros(len(known.theta), dtype=np.longdouble)
        step[k] = 1e-6
        true = (known.form.value(x, wide + step) - known.form.value(x, wide - step)) / 2e-6
        np.testing.assert_allclose(
            found[..., k], true.astype(float), rtol=1e-8, atol=1e-9 * np.abs(found[..., k]).max()
        )
        # the default of forms that bring no derivatives
        default = Form.jacobian(known.form, known.x, theta)[..., k]
        np.testing.assert_allclose(default, found[..., k], rtol=1e-6, atol=1e-7 * np.abs(known.mean).max())


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_and_coordinates_are_inverse_and_increasing(name: str) -> None:
    known = KNOWN[name]
    np.testing.assert_allclose(known.form.natural(known.theta), known.natural, rtol=1e-12)
    assert (known.form.natural(known.theta + 1e-3) > known.natural).all()
    assert len(known.form.parameters) == len(known.natural)


@pytest.mark.parametrize("name", KNOWN)
def test_values_of_many_parameters_are_those_of_each(name: str) -> None:
    known = KNOWN[name]
    theta = known.theta + 0.1 * np.random.default_rng(1).normal(size=(2, 3, len(known.theta)))
    together = known.form.value(known.x, theta)
    each = [[known.form.value(known.x, one) for one in row] for row in theta]
    np.testing.assert_allclose(together, each, rtol=1e-13)
    np.testing.assert_allclose(
        known.form.value(np.broadcast_to(known.x, (2, 3, *known.x.shape)), theta), each, rtol=1e-13
    )


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "broken_power_law_3"])
def test_exact_measurements_give_back_the_law(name: str) -> None:
    known = KNOWN[name]
    starts = known.form.starts(known.x, known.mean, 48)
    found = fit_many(known.form, known.x, known.mean, noise=families["normal"], starts=starts)
    np.testing.assert_allclose(known.form.natural(found.theta[0]), known.natural, rtol=1e-5)


def test_a_form_of_ten_lines_is_fitted_with_the_defaults() -> None:
    class Decay(Form):
        name, title, equation, source = "decay", "Decay", "y = a e^{-x / t}", "a test"
        parameters = {"a": "height", "t": "time"}  # noqa: RUF012
        positive = ("a", "t")

        def value(self, x, theta):  # type: ignore[no-untyped-def]
            a, t = self.named(theta)
            return a * np.exp(-x[..., 0] / t)

    decay, x = Decay(), np.linspace(0, 200, 30)[:, None]
    y = 4000 * np.exp(-x[:, 0] / 37)
    found = fit_many(decay, x, y, noise=families["normal"], starts=decay.starts(x, y, 48))
    np.testing.assert_allclose(decay.natural(found.theta[0]), [4000, 37], rtol=1e-6)


def test_slopes_of_a_broken_power_are_its_exponents() -> None:
    law = form("broken_power_law_2")
    theta = law.coordinates(np.array([1e-12, 3.0, 0.2, 0.5, -0.3, 1e3, 1e7, 0.4, 0.6]))
    x = np.array([1.0, 2.0, 1e5, 1.1e5, 1e12, 2e12])[:, None]
    slope = np.diff(np.log(law.value(x, theta)))[::2] / np.diff(np.log(x[:, 0]))[::2]
    np.testing.assert_allclose(slope, [-0.2, -0.7, -0.4], atol=1e-3)


def test_half_height_of_a_logistic_is_at_its_midpoint() -> None:
    law = form("logistic")
    x = np.array([100.0, 100 * np.e])[:, None]
    value = law.value(x, law.coordinates(np.array([1.0, 3.0, 100.0, 0.5])))
    np.testing.assert_allclose(value, [2.0, 1 + 2 / (1 + np.exp(-2))])


def test_inputs_without_meaning_are_refused_in_one_line() -> None:
    with pytest.raises(GnomonError, match="needs x > 0, and it is -2 in row 2"):
        form("power_law").check(np.array([[1.0], [-2.0]]))
    with pytest.raises(GnomonError, match=r"'chinchilla' has 2 inputs \(N, D\), 1 given"):
        form("chinchilla").check(np.ones((3, 1)))
    with pytest.raises(GnomonError, match="'inverse' has no value at 0"):
        form("inverse").check(np.zeros((1, 1)))
    with pytest.raises(UnknownNameError, match="did you mean 'power_law'"):
        form("power_laws")
    form("constant").check(np.ones((3, 5)))
