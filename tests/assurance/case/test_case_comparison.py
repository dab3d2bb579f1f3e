"""What changed between two cases, and which claims it breaks."""

import numpy as np
import pytest
from made_cases import made
from scipy import stats

from gnomon.assurance.case.compare import compare, difference
from gnomon.measurement import Measurement, clopper_pearson
from gnomon.measurement.provenance import record
from toy_rates import RATE


def test_a_case_does_not_differ_from_itself() -> None:
    found = compare(made(0, 100), made(0, 100))
    assert (found.changes, found.turns, found.broken) == ((), (), ())
    assert not any(one.shifted for one in found.shifts)


def test_a_claim_that_breaks_is_named_with_the_evidence_that_broke_it() -> None:
    found = compare(made(0), made(60))
    assert [turn.claim.id for turn in found.broken] == ["use", "row:harm"]
    assert all(turn.because == ("row:harm/e1",) for turn in found.broken)
    assert ("verdict", "within", "crossed") in found.changes
    assert [one.shifted for one in found.shifts] == [True]


def test_what_gets_better_breaks_nothing() -> None:
    better = compare(made(60), made(0))
    assert not better.broken
    assert {turn.claim.id: turn.after for turn in better.turns} == {"use": "supported", "row:harm": "supported"}


def test_a_claim_that_is_dropped_breaks() -> None:
    dropped = compare(made(0, 100), made(0))
    gone = {turn.claim.id for turn in dropped.broken}
    assert {"row:harm/safeguarded", "row:harm/safeguarded/watch"} <= gone
    assert {turn.after for turn in dropped.broken} == {None}
    assert not compare(made(0), made(0, 100)).broken


def test_a_line_that_is_loosened_breaks_what_the_old_line_would() -> None:
    """23 of 100 is past the line of 0.15, and clears one of 0.45: the claim that was made no longer holds."""
    found = compare(made(0), made(23, limit=0.5))
    assert found.after.decision["verdict"] == "within"
    assert [turn.claim.id for turn in found.broken] == ["use", "row:harm"]
    assert ("line of row:harm/e1", "below 0.15", "below 0.45") in found.changes
    assert not compare(made(0), made(0, limit=0.5)).broken
    assert compare(made(0), made(0, limit=0.06)).broken  # a tighter line that it does not clear


def test_a_claim_that_is_no_longer_shown_breaks() -> None:
    found = compare(made(0), made("insufficient"))
    assert {turn.after for turn in found.broken} == {"undeveloped"}
    assert found.to_json()["broken"] == ["use", "row:harm"]


def share(hits: np.ndarray, data: str, seed: int, *, items: bool = False) -> Measurement:
    found = Measurement.ok(
        RATE,
        float(hits.mean()),
        clopper_pearson(int(hits.sum()), len(hits)),
        diagnostics={"items": {str(i): float(hit) for i, hit in enumerate(hits)}} if items else None,
    )
    made_by = record(spec={}, subject="s", weights_hash="w", data_hash=data, seed=seed, wall_seconds=0, flops=0)
    return found.recorded(found.cost, made_by)


@pytest.mark.parametrize("dependence", ["paired", "independent", "any"])
def test_the_interval_of_a_difference_covers_it_as_often_as_it_says(dependence: str) -> None:
    """Over 200 pairs of samples the interval at 95 % holds the true difference, but for three standard errors."""
    rng = np.random.default_rng(5)
    held, widths = 0, []
    for _ in range(200):
        shared = rng.random(150)
        first = shared < 0.3
        second = (shared if dependence != "independent" else rng.random(150)) < 0.4
        names = ("a", "a") if dependence != "independent" else ("a", "b")
        before, after = (
            share(hits, name, seed, items=dependence == "paired")
            for hits, name, seed in zip((first, second), names, (0, 1), strict=True)
        )
        low, high, supposed = difference(before, after)
        assert supposed == dependence
        assert low is not None
        assert high is not None
        held += low <= 0.1 <= high
        widths.append(high - low)
    assert held / 200 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)
    if dependence == "paired":  # pairs of one draw are far surer than their separate intervals
        assert np.mean(widths) < 2 * stats.norm.ppf(0.975) * np.sqrt(0.3 * 0.7 / 150 + 0.4 * 0.6 / 150)


def test_nothing_is_said_of_a_difference_without_intervals() -> None:
    unknown = Measurement.insufficient(RATE, "too few")
    assert difference(unknown, share(np.ones(9), "a", 0)) == (None, None, "any")
