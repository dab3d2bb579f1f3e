from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty

SCALAR = Quantity(name="height", symbol="h", definition="h", source="Gauss 1809")


def test_unknown_is_never_read_as_zero() -> None:
    unknown = Uncertainty.unknown()
    with pytest.raises(GnomonError, match="unknown is not zero"):
        _ = unknown.half_width
    with pytest.raises(GnomonError, match="unknown is not zero"):
        unknown.contains(1.0, 1.0)
    assert unknown.systematic is None
    assert unknown != Uncertainty.exact()
    json = unknown.to_json()
    assert (json["low"], json["high"], json["error"], json["systematic"]) == (None, None, None, None)
    assert Uncertainty.from_json(json).kind == "unknown"


def test_exact_is_zero_and_says_so() -> None:
    assert Uncertainty.exact().half_width == 0.0
    assert Uncertainty.exact().contains(1.0, 1.0)
    assert not Uncertainty.exact().contains(1.0, 1.001)
    assert Uncertainty.exact(systematic=0.01).contains(1.0, 1.001)


def test_a_normal_and_a_student_interval_have_their_quantiles() -> None:
    normal = Uncertainty.stderr(2.0, 0.5, covers={"data"}, level=0.9)
    assert normal.high == pytest.approx(2 + 0.5 * stats.norm.ppf(0.95))
    student = Uncertainty.stderr(2.0, 0.5, covers={"data"}, degrees_of_freedom=3)
    assert student.low == pytest.approx(2 - 0.5 * stats.t.ppf(0.975, 3))
    assert student.half_width == pytest.approx(0.5 * 3.18245, abs=1e-5)


def test_the_systematic_bound_widens_what_is_covered_but_not_the_interval() -> None:
    u = Uncertainty.interval(1.0, 2.0, covers={"probe"}, systematic=0.5)
    assert u.half_width == 0.5
    assert u.contains(1.5, 2.4)
    assert not u.contains(1.5, 2.6)


def test_of_an_array_the_share_covered() -> None:
    u = Uncertainty.interval([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], covers={"data"})
    assert u.covered(np.full(4, 0.5), np.array([0.5, 0.9, 1.1, -1.0])) == 0.5
    assert not u.contains(np.full(4, 0.5), np.array([0.5, 0.9, 1.1, 0.5]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uncertainty.interval(2.0, 1.0, covers={"data"}), "reversed"),
        (lambda: Uncertainty.interval(float("nan"), 1.0, covers={"data"}), "NaN"),
        (lambda: Uncertainty.interval([1.0], [1.0, 2.0], covers={"data"}), "shape"),
        (lambda: Uncertainty.interval(1.0, 2.0, covers={"data"}, level=95), "level"),
        (lambda: Uncertainty.interval(1.0, 2.0, covers=set()), "which randomness"),
        (lambda: Uncertainty.interval(1.0, 2.0, covers={"weather"}), "unknown randomness"),  # type: ignore[arg-type]
        (lambda: Uncertainty.interval(1.0, 2.0, covers={"data"}, systematic=-1.0), "non-negative"),
        (lambda: Uncertainty.stderr(1.0, -1.0, covers={"data"}), "reversed"),
        (
            lambda: Uncertainty(kind="stderr", low=0.0, high=1.0, level=0.9, covers=frozenset({"data"})),
            "standard error",
        ),
        (lambda: Uncertainty(kind="interval"), "needs low"),
        (lambda: Uncertainty(kind="unknown", low=0.0, high=1.0), "no interval"),
        (lambda: Uncertainty(kind="roughly"), "unknown kind"),  # type: ignore[arg-type]
    ],
)
def test_a_statement_without_sense_is_refused(make: object, message: str) -> None:
    with pytest.raises(GnomonError, match=message):
        make()  # type: ignore[operator]


def test_what_is_ok_has_a_value_and_what_is_not_has_a_reason_and_none() -> None:
    with pytest.raises(GnomonError, match="has a value"):
        Measurement.ok(SCALAR, float("nan"), Uncertainty.exact())
    with pytest.raises(GnomonError, match="reason and no value"):
        Measurement.insufficient(SCALAR, "")
    declined = Measurement.insufficient(SCALAR, "too few\nrows", suffices={"examples": 100})
    assert (declined.value, declined.uncertainty.kind, declined.reason) == (None, "unknown", "too few rows")
    with pytest.raises(GnomonError, match="differ in shape"):
        Measurement.ok(SCALAR, 1.0, Uncertainty.interval([0.0], [2.0], covers={"data"}))


def test_a_value_cannot_be_changed_afterwards() -> None:
    given = np.array([1.0, 2.0])
    spectrum = Quantity(name="spectrum", symbol="s", definition="s", source="Gauss 1809", axes=("component",))
    m = Measurement.ok(spectrum, given, Uncertainty.exact())
    given[0] = 7.0
    assert isinstance(m.value, np.ndarray)
    assert m.value[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        m.value[0] = 7.0
