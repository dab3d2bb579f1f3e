"""Bands over seeds."""

from __future__ import annotations

import pytest

from gnomon.errors import GnomonError
from gnomon.phenomena.bands import band_over_seeds


def test_a_band_is_the_median_and_the_range_of_each_column() -> None:
    rows = [[0.0, 10.0, 5.0], [2.0, -1.0, 5.0], [1.0, 3.0, 5.0], [9.0, 4.0, 5.0]]
    curve = band_over_seeds("a", [1, 2, 3], rows, style="both", dashed=True, group="g")
    assert [sorted(column) for column in zip(curve.low, curve.y, curve.high, strict=True)] == [
        [0.0, 1.5, 9.0],
        [-1.0, 3.5, 10.0],
        [5.0, 5.0, 5.0],
    ]
    assert (curve.name, curve.style, curve.dashed, curve.group) == ("a", "both", True, "g")


def test_one_seed_is_its_own_band_and_none_has_no_points() -> None:
    one = band_over_seeds("a", [1, 2], [[3.0, 4.0]])
    assert one.y == one.low == one.high == [3.0, 4.0]
    assert len(band_over_seeds("a", [1, 2], []).x) == 0


def test_values_that_do_not_fit_x_are_refused() -> None:
    with pytest.raises(GnomonError, match="differ in length"):
        band_over_seeds("a", [1, 2, 3], [[3.0, 4.0]])
