"""Numbers as text, to the digits that their error supports."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from gnomon.measurement import Measurement, Uncertainty

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXACT_DIGITS = 4
_UNKNOWN_DIGITS = 3
# Beyond these a common power of ten is split off.
_LARGEST_PLAIN = 1e6
_SMALLEST_PLAIN = 1e-3
# Exact whole numbers are counts, and are written in full up to here.
_LARGEST_WHOLE = 1e12
# An interval whose two arms differ by less than this share is written with ±.
_SYMMETRIC = 0.1
_SLIGHT = 0.05
# A systematic bound is written with the power of ten of the value, unless it exceeds that so much.
_FAR_ABOVE = 1e4


@dataclass(frozen=True)
class Reading:
    """A scalar reading in parts.

    ``spread`` is ``± …``, ``[…, …]``, ``exact`` or ``uncertainty unknown``; ``systematic`` is ``""`` where the
    method states no bound or a bound of zero. ``slight`` says that the systematic bound is below a twentieth of the
    statistical half width, so that a summary may leave it out.
    """

    value: str
    spread: str
    systematic: str = ""
    slight: bool = False

    @property
    def notable(self) -> str:
        """The systematic bound, unless it is slight."""
        return "" if self.slight else self.systematic

    def __str__(self) -> str:
        return " ".join(part for part in (self.value, self.spread, self.notable) if part)


def reading(value: float, uncertainty: Uncertainty, index: tuple[int, ...] = ()) -> Reading:
    """``value`` with its statistical interval and, apart from it, its systematic bound.

    The interval's half width keeps two digits when they are at most 35 and one otherwise, and the value ends at the
    same place. Source of the rule: Particle Data Group, Phys. Rev. D 110 (2024) 030001, section 5.3. ``index`` picks
    one number of an array's uncertainty.

    >>> str(reading(1.36249, Uncertainty.interval(1.3412, 1.3838, covers={"data"})))
    '1.362 ± 0.021'
    >>> str(reading(0.0, Uncertainty.interval(0.0, 0.1157, covers={"data"})))
    '0.00 [0.00, 0.12]'
    >>> str(reading(15.4, Uncertainty.unknown()))
    '15.4 uncertainty unknown'
    """
    systematic = uncertainty.systematic or 0.0
    if uncertainty.low is None or uncertainty.high is None:
        return _without_interval(value, uncertainty, systematic)
    low, high = (float(np.asarray(end)[index]) for end in (uncertainty.low, uncertainty.high))
    arms = [arm for arm in (high - value, value - low) if math.isfinite(arm)]
    half = (high - low) / 2 if math.isfinite(high - low) else max(arms, default=0.0)
    power = _power([value, low, high], half)
    scale = 10.0**power
    if half > 0:
        places = _places(half / scale)
    else:
        places = 0 if float(value).is_integer() and not power else _significant_places(value / scale, _EXACT_DIGITS)
    shown, ends, arm = (fixed(value / scale, places), [fixed(x / scale, places) for x in (low, high)], half / scale)
    symmetric = half > 0 and len(arms) == 2 and abs(arms[0] - arms[1]) <= 2 * _SYMMETRIC * half
    spread = f"± {fixed(arm, places)}" if symmetric else f"[{ends[0]}, {ends[1]}]"
    times = _times(power)
    slight = systematic < _SLIGHT * half
    return Reading(shown + times, spread + times, _systematic(systematic, power, places), slight)


def read(measurement: Measurement) -> Reading | None:
    """The value of ``measurement`` as text, ``None`` where it was refused.

    An array is shown by its size and its first number.
    """
    value = measurement.value
    if value is None or isinstance(value, float):
        return None if value is None else reading(value, measurement.uncertainty)
    shape = " × ".join(f"{n:,}" for n in value.shape)
    if value.size == 0:
        return Reading(f"{shape} values", "")
    first = reading(float(value.flat[0]), measurement.uncertainty, (0,) * value.ndim)
    return Reading(f"{shape} values; first {first.value}", first.spread, first.systematic, first.slight)


def value_text(measurement: Measurement) -> str:
    """The value alone, to the digits that its error supports; ``""`` where it was refused."""
    found = read(measurement)
    return "" if found is None else found.value


def interval_text(measurement: Measurement) -> str:
    """The uncertainty beside `value_text`: statistical first, then systematic."""
    found = read(measurement)
    return "" if found is None else f"{found.spread} {found.systematic}".strip()


def _without_interval(value: float, uncertainty: Uncertainty, systematic: float) -> Reading:
    known = uncertainty.kind == "exact"
    whole = known and float(value).is_integer() and abs(value) < _LARGEST_WHOLE
    power = 0 if whole else _power([value], systematic)
    scaled = value / 10.0**power
    if known and 0 < systematic < math.inf:
        places = _places(systematic / 10.0**power)
    elif scaled.is_integer() and not power:
        places = 0
    else:
        places = _significant_places(scaled, _EXACT_DIGITS if known else _UNKNOWN_DIGITS)
    spread = "uncertainty unknown" if not known else "" if systematic > 0 else "exact"
    return Reading(fixed(scaled, places) + _times(power), spread, _systematic(systematic, power, places))


def _systematic(bound: float, power: int, places: int) -> str:
    if not bound > 0:
        return ""
    if math.isinf(bound):
        return "± ∞ systematic"
    scaled = bound / 10.0**power
    if scaled >= _FAR_ABOVE:
        power = _power([bound], error=0.0)
        scaled = bound / 10.0**power
        places = -math.floor(math.log10(scaled)) + 1
    elif scaled * 10.0**places < 1:
        places = -math.floor(math.log10(scaled))
    up = math.ceil(round(scaled * 10.0**places, 6)) / 10.0**places  # a bound is rounded up
    return f"± {fixed(up, places)}{_times(power)} systematic"


def _power(values: list[float], error: float) -> int:
    """The power of ten to split off: 0 for numbers that read well in full."""
    largest = max((abs(x) for x in values if math.isfinite(x)), default=0.0)
    if largest == 0 or _SMALLEST_PLAIN <= largest < _LARGEST_PLAIN or (largest > 1 and 0 < error < 1):
        return 0
    return math.floor(math.log10(largest))


def _times(power: int) -> str:
    return f" × 10{str(power).translate(_SUPERSCRIPT)}" if power else ""


def _places(error: float) -> int:
    """Decimal places (negative: tens, hundreds) of an error: two digits up to 35, one beyond."""
    exponent = math.floor(math.log10(error))
    return -exponent + (1 if error / 10.0**exponent < 3.55 else 0)


def _significant_places(value: float, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def fixed(value: float, places: int) -> str:
    """``value`` rounded to ``places`` decimals, thousands parted by commas, with a true minus sign.

    >>> fixed(123456.7, -1), fixed(-0.04, 1)
    ('123,460', '0.0')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    rounded = round(value, places) + 0.0  # no negative zero
    return f"{rounded:,.{max(0, places)}f}".replace("-", "−")


def plain(value: float, digits: int = 3) -> str:
    """A number that has no error of its own (a price, a bound), to ``digits`` significant digits.

    >>> plain(0.012345), plain(2048.0), plain(3.2e9)
    ('0.0123', '2,048', '3.20 × 10⁹')
    """
    power = _power([value], error=0.0)
    scaled = value / 10.0**power
    places = 0 if scaled.is_integer() and not power else _significant_places(scaled, digits)
    return fixed(scaled, places) + _times(power)


def seconds(value: float) -> str:
    """A duration.

    >>> seconds(0.0004), seconds(0.25), seconds(75), seconds(9000)
    ('< 1 ms', '250 ms', '1 min 15 s', '2 h 30 min')
    """
    if value < 0.001:
        return "< 1 ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"


def size(bytes_: float) -> str:
    """A number of bytes.

    >>> size(1536), size(3 * 2**20)
    ('1.5 KiB', '3.0 MiB')
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    step = min(len(units) - 1, int(math.log2(bytes_) // 10)) if bytes_ >= 1 else 0
    return f"{bytes_ / 1024**step:.{1 if step else 0}f} {units[step]}"


def unit_text(measurement: Measurement) -> str:
    """The unit as it is written after a number: ``""`` where it is 1."""
    unit = str(measurement.unit)
    return "" if unit == "1" else superscripts(unit)


def superscripts(unit: str) -> str:
    """A unit with its powers set as superscripts.

    >>> superscripts("output^2/activation^2")
    'output²/activation²'
    """
    return re.sub(r"\^(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPT), unit)
