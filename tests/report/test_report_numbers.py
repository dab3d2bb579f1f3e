"""Numbers are written to the digits that their error supports, and unknown error never reads as none."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.report.numbers import interval_text, plain, read, reading, seconds, size, superscripts, value_text

SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def number(text: str) -> float:
    """What a reader takes a written number to be."""
    text = text.replace(",", "").replace("−", "-")
    mantissa, _, power = text.partition(" × 10")
    scale = 10.0 ** int(power.translate(SUPERSCRIPTS)) if power else 1.0
    return float(mantissa) * scale


def stderr(value: float, error: float, **keywords: object) -> Uncertainty:
    return Uncertainty.interval(value - error, value + error, covers={"data"}, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.36249, 0.0214, "1.362 ± 0.021"),
        (1.36249, 0.0364, "1.36 ± 0.04"),
        (123456.7, 294, "123,460 ± 290"),
        (1234.5, 490, "1,200 ± 500"),
        (-0.02, 0.6, "0.0 ± 0.6"),
        (-3.14159, 0.012, "−3.142 ± 0.012"),
        (1.234e-6, 4e-8, "1.23 × 10⁻⁶ ± 0.04 × 10⁻⁶"),
        (4.5e7, 6e6, "4.5 × 10⁷ ± 0.6 × 10⁷"),
    ],
)
def test_digits_follow_the_error(value: float, error: float, text: str) -> None:
    assert str(reading(value, stderr(value, error))) == text


@given(
    value=st.floats(-1e9, 1e9),
    share=st.floats(1e-5, 10.0),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_what_is_read_is_what_was_meant(value: float, share: float, scale: float) -> None:
    """The written value is off by at most half its last digit, which is at most a third of the error."""
    value *= scale
    error = max(abs(value) * share, 1e-12)
    shown = reading(value, stderr(value, error))
    assert shown.spread.startswith("± ")
    assert abs(number(shown.value) - value) <= error / 3
    assert abs(number(shown.spread[2:]) - error) <= 0.3 * error
    digits = re.sub(r"[^0-9]", "", shown.spread[2:].partition(" ×")[0]).lstrip("0").rstrip("0")
    assert len(digits) <= 2


def test_lopsided_and_endless_intervals_are_written_by_their_ends() -> None:
    lopsided = Uncertainty.interval(0.0031, 0.0104, covers={"data"})
    assert str(reading(0.0042, lopsided)) == "0.004 [0.003, 0.010]"
    assert str(reading(5.2, Uncertainty.interval(4.0, math.inf, covers={"seed"}))) == "5.2 [4.0, ∞]"
    assert str(reading(3.0, Uncertainty.interval(3.0, 3.0, covers={"data"}))) == "3 [3, 3]"


def test_unknown_uncertainty_is_said_and_never_zero() -> None:
    shown = reading(15.432, Uncertainty.unknown())
    assert str(shown) == "15.4 uncertainty unknown"
    assert "±" not in str(shown)
    assert str(reading(3.0, Uncertainty.exact())) == "3 exact"
    assert str(reading(260032.0, Uncertainty.exact())) == "260,032 exact"
    assert str(reading(math.pi, Uncertainty.exact())) == "3.142 exact"


def test_the_systematic_bound_stands_apart_and_is_rounded_up() -> None:
    assert str(reading(12.0, stderr(12.0, 0.5, systematic=0.41))) == "12.0 ± 0.5 ± 0.5 systematic"
    assert str(reading(12.0, stderr(12.0, 0.5, systematic=0.0))) == "12.0 ± 0.5"
    assert str(reading(12.0, stderr(12.0, 0.5, systematic=None))) == "12.0 ± 0.5"
    assert str(reading(12.0, stderr(12.0, 0.5, systematic=0.026))) == "12.0 ± 0.5 ± 0.03 systematic"
    slight = reading(12.0, stderr(12.0, 0.5, systematic=0.0012))
    assert (str(slight), slight.systematic) == ("12.0 ± 0.5", "± 0.002 systematic")
    assert str(reading(3.14159, Uncertainty.exact(systematic=0.002))) == "3.1416 ± 0.0020 systematic"
    assert str(reading(12.0, stderr(12.0, 0.5, systematic=math.inf))).endswith("± ∞ systematic")
    tiny = reading(3e-11, stderr(3e-11, 1e-12, systematic=2.1442e-4))
    assert (tiny.value, tiny.systematic) == ("3.00 × 10⁻¹¹", "± 2.2 × 10⁻⁴ systematic")


def test_arrays_and_refusals() -> None:
    spectrum = Quantity(name="some_spectrum", symbol="s", definition="s", source="me", axes=("component",))
    values = np.array([0.5, 0.25])
    band = Uncertainty.interval(values - 0.05, values + 0.05, covers={"data"})
    measured = Measurement.ok(spectrum, values, band)
    assert str(read(measured)) == "2 values; first 0.50 ± 0.05"
    assert (value_text(measured), interval_text(measured)) == ("2 values; first 0.50", "± 0.05")
    assert str(read(Measurement.ok(spectrum, values, Uncertainty.unknown()))).endswith("uncertainty unknown")
    refused = Measurement.insufficient(spectrum, "too few rows")
    assert read(refused) is None
    assert (value_text(refused), interval_text(refused)) == ("", "")


def test_prices() -> None:
    assert [plain(x) for x in (0.0, 0.012345, 2048.0, 3.2e9, math.inf)] == ["0", "0.0123", "2,048", "3.20 × 10⁹", "∞"]
    assert [seconds(x) for x in (0.0004, 0.25, 41.34, 75, 9000)] == [
        "< 1 ms",
        "250 ms",
        "41.3 s",
        "1 min 15 s",
        "2 h 30 min",
    ]
    assert [size(x) for x in (0, 512, 1536, 3 * 2**30)] == ["0 B", "512 B", "1.5 KiB", "3.0 GiB"]
    assert superscripts("output^2/activation^2*s^-1") == "output²/activation²*s⁻¹"
