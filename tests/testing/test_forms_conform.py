"""Every form keeps the contract, and the checks notice one that does not."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np
import pytest

from gnomon.laws import Form, forms
from gnomon.laws.form import Array
from gnomon.testing import ConformanceError, check_form, form_checks
from gnomon.testing.forms import Specimen

_SIZES, _TOKENS = np.meshgrid(np.geomspace(1e7, 1e10, 9), np.geomspace(1e8, 1e11, 9))
_GRID = np.stack([_SIZES.ravel(), _TOKENS.ravel()], axis=1)
_CUBE = np.stack([axis.ravel() for axis in np.meshgrid(*[np.geomspace(1.0, 100.0, 5)] * 3)], axis=1)
_DECADES, _SHORT = np.geomspace(1.0, 1e4, 60), np.linspace(0.0, 10.0, 60)
_ONE_BREAK = {"E": 0.3, "b": 8.0, "c_0": 0.1, "c_1": 0.6, "d_1": 300.0, "f_1": 0.4}
_TWO_BREAKS = {
    **{"E": 1.0, "b": 8.0, "c_0": 0.3, "c_1": -0.3, "d_1": 10.0, "f_1": 0.3},
    **{"c_2": 0.8, "d_2": 1e3, "f_2": 0.3},
}
_THREE_BREAKS = {
    **{"E": 0.3, "b": 8.0, "c_0": 0.05, "c_1": 0.3, "d_1": 30.0, "f_1": 0.4},
    **{"c_2": -0.3, "d_2": 3e4, "f_2": 0.3, "c_3": 0.4, "d_3": 3e7, "f_3": 0.3},
}

# inputs and parameters that determine each form
SPECIMENS: dict[str, tuple[Array, dict[str, float]]] = {
    "broken_power_law": (np.geomspace(1.0, 1e6, 120), _ONE_BREAK),
    "broken_power_law_2": (np.geomspace(0.1, 1e6, 150), _TWO_BREAKS),
    "broken_power_law_3": (np.geomspace(1.0, 1e11, 300), _THREE_BREAKS),
    "chinchilla": (_GRID, {"E": 1.8, "A": 400.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}),
    "constant": (_DECADES, {"c": -2.0}),
    "growing_power_law": (_DECADES, {"E": 1.5, "A": 0.2, "gamma": 0.5}),
    "inverse": (_DECADES, {"a": -1.0, "b": 8.0}),
    "log_linear": (_DECADES, {"a": 3.0, "b": -0.2}),
    "log_linear_2": (_GRID, {"a": 10.0, "b_1": -0.2, "b_2": -0.1}),
    "log_linear_3": (_CUBE, {"a": 10.0, "b_1": -0.2, "b_2": 0.1, "b_3": 0.3}),
    "logistic": (_DECADES, {"lower": -0.1, "upper": 0.9, "midpoint": 80.0, "width": 0.5}),
    "power_law": (_DECADES, {"E": 1.5, "A": 3.0, "alpha": 0.5}),
    "pure_power_law": (_DECADES, {"A": 3.0, "alpha": 0.3}),
    "saturating_exponential": (_SHORT, {"E": 1.0, "A": -2.0, "tau": 2.0}),
}
_SECONDS = "check_coverage"


def _specimen(name: str) -> Specimen:
    x, parameters = SPECIMENS[name]
    return Specimen(kind=forms()[name], x=x, parameters=parameters)


@pytest.mark.parametrize("check", [name for name in form_checks() if name != _SECONDS])
@pytest.mark.parametrize("name", SPECIMENS)
def test_every_form_keeps_the_contract(name: str, check: str) -> None:
    form_checks()[check](_specimen(name))


# three breaks take minutes to fit 30 times, and noise of a hundredth hides one of them
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SPECIMENS if name != "broken_power_law_3"])
def test_intervals_cover(name: str) -> None:
    form_checks()[_SECONDS](_specimen(name))


def test_every_form_has_a_specimen() -> None:
    assert set(SPECIMENS) == set(forms())


_X = np.geomspace(1.0, 100.0, 30)
_PARAMETERS = {"a": 1.0, "b": 8.0}


class Inverse(Form):
    """A value that falls as 1/x."""

    name = "toy_inverse"
    title = "Inverse"
    equation = "y = a + b / x"
    source = "an example"
    parameters: ClassVar = {"a": "the limit", "b": "how fast it is reached"}
    positive = ("b",)

    def value(self, x: Array, theta: Array) -> Array:
        a, b = self.named(theta)
        return a + b / x[..., 0]


def test_a_sound_form_passes_every_check() -> None:
    check_form(Inverse, _X, _PARAMETERS)


class Nameless(Inverse):
    name = "Toy Inverse"


class Undocumented(Inverse):
    __doc__ = None


class Meaningless(Inverse):
    """Parameters without a meaning."""

    parameters: ClassVar = {"a": "the limit", "b": ""}


class Stray(Inverse):
    """A positive parameter that there is not."""

    positive = ("b", "c")


class OneAtATime(Inverse):
    def value(self, x: Array, theta: Array) -> Array:
        return theta[0] + np.exp(theta[1]) / x[:, 0]


class Centred(Inverse):
    def value(self, x: Array, theta: Array) -> Array:
        y = super().value(x, theta)
        return y - y.mean(-1, keepdims=True)


class Slanted(Inverse):
    def jacobian(self, x: Array, theta: Array) -> Array:
        return super().jacobian(x, theta) * np.array([1.0, 1.001])


class Crossed(Inverse):
    def natural(self, theta: Array) -> Array:
        a, b = np.moveaxis(theta, -1, 0)
        return np.stack([a + b, np.exp(b)], axis=-1)

    def coordinates(self, natural: Array) -> Array:
        a, b = np.moveaxis(natural, -1, 0)
        return np.stack([a - np.log(b), np.log(b)], axis=-1)


class Lossy(Inverse):
    def coordinates(self, natural: Array) -> Array:
        return np.round(super().coordinates(natural), 2)


class Negative(Inverse):
    positive = ()

    def natural(self, theta: Array) -> Array:
        return theta

    def coordinates(self, natural: Array) -> Array:
        return natural


class SaidPositive(Negative):
    positive = ("a",)


_counter = itertools.count()


class Wandering(Inverse):
    def starts(self, x: Array, y: Array, count: int) -> Array:
        return super().starts(x, y, count) + next(_counter)


class Many(Inverse):
    def starts(self, x: Array, y: Array, count: int) -> Array:
        return np.repeat(super().starts(x, y, count), 50, axis=0)


class Degenerate(Inverse):
    parameters: ClassVar = {"a": "one part of the limit", "b": "how fast it is reached", "c": "the other part"}

    def value(self, x: Array, theta: Array) -> Array:
        a, b, c = self.named(theta)
        return a + c + b / x[..., 0]


@pytest.mark.parametrize(
    ("kind", "check", "says"),
    [
        (Nameless, "check_words", "is not snake_case"),
        (Undocumented, "check_words", "it has no doc"),
        (Meaningless, "check_words", "has no meaning"),
        (Stray, "check_words", "which are no parameters"),
        (OneAtATime, "check_shapes", "."),
        (Centred, "check_shapes", "depends on other rows"),
        (Slanted, "check_jacobian", "derivative by b is 1.0e-03 off"),
        (Crossed, "check_natural", "changes with the coordinate of another"),
        (Lossy, "check_natural", r"coordinates\(natural\(θ\)\) is not θ"),
        (Wandering, "check_starts", "change from call to call"),
        (Many, "check_starts", "where 48 were asked for"),
        (Degenerate, "check_recovery", "a fit says"),
    ],
)
def test_a_broken_form_is_found_out(kind: type[Form], check: str, says: str) -> None:
    parameters = {**_PARAMETERS, "c": 5.0} if kind is Degenerate else _PARAMETERS
    with pytest.raises(Exception, match=says):
        form_checks()[check](Specimen(kind=kind, x=_X, parameters=parameters))


def test_a_parameter_said_to_be_positive_is() -> None:
    with pytest.raises(AssertionError, match="a is said to be positive"):
        form_checks()["check_natural"](Specimen(kind=SaidPositive, x=_X, parameters={"a": -1.0, "b": 8.0}))


def test_intervals_that_are_too_narrow_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from gnomon.testing import forms as module

    def overconfident(*given: Any, **options: Any) -> Any:
        return _fit(*given, **{**options, "level": 0.4})

    _fit = module.fit
    monkeypatch.setattr(module, "fit", overconfident)
    with pytest.raises(ConformanceError, match=r"intervals at 90% hold"):
        check_form(Inverse, _X, _PARAMETERS)
