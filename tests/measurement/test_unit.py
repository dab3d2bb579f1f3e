from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.measurement import DIMENSIONLESS, Unit
from random_measurements import units


@given(units)
def test_a_unit_reads_back_from_its_text(unit: Unit) -> None:
    assert Unit.parse(str(unit)) == unit


@given(units, units, units)
def test_units_form_an_abelian_group(a: Unit, b: Unit, c: Unit) -> None:
    assert a * b == b * a
    assert (a * b) * c == a * (b * c)
    assert a * DIMENSIONLESS == a
    assert a / a == DIMENSIONLESS
    assert a**2 == a * a
    assert a**0 == DIMENSIONLESS


@given(units, st.integers(-2, 2))
def test_conversion_multiplies_along_powers(unit: Unit, power: int) -> None:
    bits, nats = Unit.parse("bit"), Unit.parse("nat")
    factor = (unit * bits**power).factor_to(unit * nats**power)
    assert factor == pytest.approx(math.log(2) ** power, rel=1e-12)
    back = (unit * nats**power).factor_to(unit * bits**power)
    assert factor * back == pytest.approx(1.0, rel=1e-12)


def test_one_bit_is_the_logarithm_of_two_in_nats() -> None:
    assert Unit.parse("bit").factor_to(Unit.parse("nat")) == math.log(2)


def test_what_measures_something_else_is_not_converted() -> None:
    with pytest.raises(GnomonError, match=r"'nat' cannot be converted to 'nat/token'"):
        Unit.parse("nat").factor_to(Unit.parse("nat/token"))


@pytest.mark.parametrize("text", ["", "metre", "nat/", "nat^x", "nat token", "Nat", "nat^1.5"])
def test_an_unreadable_unit_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(GnomonError, match="cannot read unit"):
        Unit.parse(text)


def test_the_text_puts_what_divides_below() -> None:
    assert str(Unit.parse("token^-2*nat")) == "nat/token^2"
    assert str(Unit.parse("1/token")) == "1/token"
    assert str(DIMENSIONLESS) == "1"
