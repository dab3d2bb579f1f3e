"""Readings as rows: their means, their intervals, and the change from one deployment to another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student_t

from gnomon.assurance.fairness.quantities import CHANGE, PREFERENCE, SWAP_DISTANCE, SWAP_EXCESS, SWAP_LOSS
from gnomon.assurance.fairness.rows import Rows
from gnomon.errors import GnomonError
from gnomon.statistics import Family, paired_difference, proportion


def rows(values: list[float], **more: object) -> Rows:
    names = tuple(f"row {n}" for n in range(len(values)))
    given = {"quantity": SWAP_LOSS, "keys": names, "values": np.array(values), "clusterings": (names,), **more}
    return Rows(**given)  # type: ignore[arg-type]


def test_weights_and_sides() -> None:
    one = rows([1.0, 3.0, 10.0, 20.0], weights=np.array([3.0, 1.0, 1.0, 1.0]), sides=np.array([1, 1, -1, -1]))
    assert one.value == pytest.approx((3 * 1 + 3) / 4 - 15)
    assert one.influence == pytest.approx([3 / 4 * -0.5, 1 / 4 * 1.5, 2.5, -2.5])
    assert one.influence.sum() == pytest.approx(0)


def test_a_contrast_is_the_difference_of_two_means_welch() -> None:
    """With every row its own cluster it is the Behrens–Fisher problem: Welch's variance, Cochran's quantile."""
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(20)
    one = rows([*a, *b], quantity=SWAP_EXCESS, sides=np.repeat([1, -1], [30, 20]), within=(0.0, 1.0)).measurement(0.95)
    own = a.var(ddof=1) / 30, b.var(ddof=1) / 20
    quantile = (own[0] * student_t.ppf(0.975, 29) + own[1] * student_t.ppf(0.975, 19)) / sum(own)
    half = (one.uncertainty.high - one.uncertainty.low) / 2  # type: ignore[operator]
    assert one.value == pytest.approx(a.mean() - b.mean())
    assert half == pytest.approx(quantile * sum(own) ** 0.5)


def test_the_level_asked_for_is_honoured() -> None:
    one = rows(np.random.default_rng(1).normal(size=40).tolist())
    wide, narrow = one.measurement(0.99).uncertainty, one.measurement(0.5).uncertainty
    assert (wide.level, narrow.level) == (0.99, 0.5)
    assert wide.half_width > 3 * narrow.half_width


def test_a_family_holds_at_once() -> None:
    hits = [1.0] * 7 + [0.0] * 23
    alone = rows(hits, quantity=PREFERENCE, counted=True, within=(0.0, 1.0)).measurement(0.95)
    of_ten = rows(
        hits, quantity=PREFERENCE, counted=True, within=(0.0, 1.0), family=Family("ten", tuple("abcdefghij"))
    ).measurement(0.95)
    known = proportion(np.array(hits), level=0.995)[1]
    assert of_ten.uncertainty.level == 0.95
    assert (of_ten.uncertainty.low, of_ten.uncertainty.high) == (known.low, known.high)
    assert alone.uncertainty.half_width < of_ten.uncertainty.half_width


def test_none_of_thirty_is_not_surely_none() -> None:
    found = rows([0.0] * 30, quantity=PREFERENCE, counted=True, within=(0.0, 1.0)).measurement(0.95)
    assert (found.value, found.uncertainty.low) == (0.0, 0.0)
    assert found.uncertainty.high == pytest.approx(0.1157, abs=1e-4)


def test_values_that_are_all_alike_are_bounded_by_what_they_can_be() -> None:
    found = rows([0.0] * 30, quantity=SWAP_DISTANCE, within=(0.0, 1.0)).measurement(0.95)
    assert found.uncertainty.high > 0.1  # type: ignore[operator]
    assert rows([0.0] * 30).measurement(0.95).status == "insufficient"


@pytest.mark.parametrize("n", [10, 80], ids=["10", "80"])
def test_values_that_are_alike_but_for_rounding_are_alike(n: int) -> None:
    """The mean of ten times 0.1 is not 0.1, and what the sum is rounded by is no spread."""
    given = {"quantity": SWAP_DISTANCE, "within": (0.0, 1.0)}
    assert rows([0.1] * n, **given).influence.any()
    found = rows([0.1] * n, **given).measurement(0.95).uncertainty
    exact = rows([0.125] * n, **given).measurement(0.95).uncertainty
    assert found.half_width == pytest.approx(exact.half_width, rel=0.3)
    moved = rows([0.1] * n, **given).change(rows([0.4] * n, **given), CHANGE, 0.95).uncertainty
    assert moved.half_width > 0.05  # type: ignore[operator]
    assert rows([0.1] * n).measurement(0.95).status == "insufficient"


def test_what_is_not_finite_is_told() -> None:
    broken = rows([0.5, float("nan"), 0.2], within=(0.0, 1.0))
    assert broken.measurement(0.95).reason == "1 of 3 rows are not finite"
    assert rows([0.5, 0.3, 0.2]).change(broken, CHANGE, 0.95).reason == "1 of 3 rows are not finite"


def test_a_change_in_one_cluster_shows_no_spread() -> None:
    given = {"clusterings": (("a", "a", "a"),)}
    change = rows([1.0, 2.0, 4.0], **given).change(rows([1.0, 3.0, 9.0], **given), CHANGE, 0.95)
    assert change.reason == "one cluster shows no spread"


def test_no_rows_and_one_cluster_are_insufficient() -> None:
    assert rows([]).measurement(0.95).status == "insufficient"
    assert rows([1.0, 2.0], clusterings=(("a", "a"),)).measurement(0.95).status == "insufficient"


def test_change_is_paired_and_sharper() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(size=40)
    after = before - 0.1 + 0.01 * rng.normal(size=40)
    one, two = rows(before.tolist()), rows(after.tolist())
    change = one.change(two, CHANGE, 0.95)
    assert change.value == pytest.approx((after - before).mean())
    assert change.labels["of"] == SWAP_LOSS.name
    assert change.unit == SWAP_LOSS.unit
    assert change.uncertainty.half_width < one.measurement(0.95).uncertainty.half_width / 10  # type: ignore[operator]


def test_change_of_counts_is_tangos() -> None:
    before, after = np.array([1.0] * 20 + [0.0] * 20), np.array([1.0] * 12 + [0.0] * 26 + [1.0] * 2)
    one = rows(before.tolist(), quantity=PREFERENCE, counted=True, within=(0.0, 1.0))
    two = rows(after.tolist(), quantity=PREFERENCE, counted=True, within=(0.0, 1.0))
    change = one.change(two, CHANGE, 0.95)
    value, known = paired_difference(before, after, level=0.95)
    assert (change.value, change.uncertainty.low) == (pytest.approx(value), known.low)
    nothing = one.change(one, CHANGE, 0.95)
    assert nothing.value == 0
    assert nothing.uncertainty.half_width > 0.05  # type: ignore[operator]


def test_change_of_counts_in_two_ways() -> None:
    """Where rows are their own in the second way it is nearly that of the first; where none moved it is not nothing."""
    rng = np.random.default_rng(4)
    before = (rng.random(200) < 0.5).astype(float)
    after = np.where(rng.random(200) < 0.1, 1 - before, before)
    first, own = tuple(f"{i // 5}" for i in range(200)), tuple(f"{i}" for i in range(200))
    given = {"quantity": PREFERENCE, "counted": True, "within": (0.0, 1.0), "clusterings": (first, own)}
    one, two = rows(before.tolist(), **given), rows(after.tolist(), **given)
    found = one.change(two, CHANGE, 0.95).uncertainty
    _, known = paired_difference(before, after, first, level=0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.01)
    assert one.change(one, CHANGE, 0.95).uncertainty.half_width > 0.05  # type: ignore[operator]


def test_change_leaves_out_rows_that_one_lacks() -> None:
    one = rows([1.0, 2.0, 4.0])
    two = rows([5.0, 9.0], keys=("row 1", "row 2"), clusterings=(("row 1", "row 2"),))
    change = one.change(two, CHANGE, 0.95)
    assert change.value == pytest.approx((3 + 5) / 2)
    assert change.diagnostics == {"rows": 2, "left_out": 1}


def test_what_is_not_one_reading_is_not_compared() -> None:
    with pytest.raises(GnomonError, match="not one reading"):
        rows([1.0, 2.0]).change(rows([1.0, 2.0], labels={"kind": "x"}), CHANGE, 0.95)


def test_contrasts_of_few_swaps_cover() -> None:
    """Three swaps against eight, in the same texts; swaps differ more than anything else."""
    rng, hits, draws = np.random.default_rng(5), 0, 200
    texts = tuple(f"{t}" for _ in range(11) for t in range(10))
    swaps = tuple(f"{s}" for s in range(11) for _ in range(10))
    sides = np.repeat(np.where(np.arange(11) < 3, 1, -1), 10)
    for _ in range(draws):
        values = 0.3 * (sides == 1) + np.repeat(rng.normal(size=11), 10) + 0.3 * rng.normal(size=110)
        one = rows(values.tolist(), quantity=SWAP_LOSS, sides=sides, clusterings=(texts, swaps))
        found = one.measurement(0.9).uncertainty
        hits += found.low <= 0.3 <= found.high  # type: ignore[operator]
    assert hits / draws > 0.88


def test_paired_changes_cover() -> None:
    rng, hits = np.random.default_rng(3), 0
    items = tuple(f"{i}" for i in range(12) for _ in range(6))
    templates = tuple(f"{t}" for _ in range(12) for t in range(6))
    for _ in range(300):
        common = rng.normal(size=(12, 6))
        moved = -0.3 + 0.4 * rng.normal(size=(12, 1)) + 0.3 * rng.normal(size=(1, 6)) + 0.2 * rng.normal(size=(12, 6))
        keys = tuple(f"{i} {t}" for i, t in zip(items, templates, strict=True))
        one = rows(common.ravel().tolist(), keys=keys, clusterings=(items, templates))
        two = rows((common + moved).ravel().tolist(), keys=keys, clusterings=(items, templates))
        found = one.change(two, CHANGE, 0.9).uncertainty
        hits += found.low <= -0.3 <= found.high  # type: ignore[operator]
    assert abs(hits / 300 - 0.9) < 0.05
