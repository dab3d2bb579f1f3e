"""Claims against intervals whose relation to the threshold is plain."""

from __future__ import annotations

import pytest

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.phenomena import Claim, verdict_of
from gnomon.phenomena.claim import control_verdict

Q = Quantity(name="thing", symbol="x", definition="x", source="here")


def claim(low: float, high: float, *, systematic: float = 0.0, **threshold: float) -> Claim:
    interval = Uncertainty.interval(low, high, covers=frozenset({"seed"}), systematic=systematic)
    measured = Measurement.ok(Q, (low + high) / 2, interval)
    return Claim(name="it", statement="It is.", measurement=measured, **threshold)


@pytest.mark.parametrize(
    ("made", "state"),
    [
        (claim(2, 3, least=1), "passed"),
        (claim(2, 3, least=2), "passed"),
        (claim(2, 3, least=2.5), "undecided"),
        (claim(2, 3, least=4), "refuted"),
        (claim(2, 3, most=4), "passed"),
        (claim(2, 3, most=1), "refuted"),
        (claim(0.97, 1.03, least=0.95, most=1.05), "passed"),
        (claim(0.9, 1.03, least=0.95, most=1.05), "undecided"),
        (claim(0.5, 0.6, least=0.95, most=1.05), "refuted"),
        (claim(1.2, 1.3, least=0.95, most=1.05), "refuted"),
        (claim(2, 3, systematic=1.5, least=1), "undecided"),
        (claim(2, 3, systematic=1.5, least=5), "refuted"),
    ],
)
def test_the_state_follows_from_the_whole_interval(made: Claim, state: str) -> None:
    assert made.state == state
    assert made.to_json()["passed"] == (state == "passed")


def test_what_was_not_measured_is_undecided() -> None:
    made = Claim(name="it", statement="It is.", measurement=Measurement.insufficient(Q, "no seeds"), least=0.0)
    assert made.state == "undecided"
    assert made.to_json()["low"] is None


def test_a_claim_needs_a_threshold_that_can_be_met() -> None:
    with pytest.raises(GnomonError, match="has no threshold"):
        claim(0, 1)
    with pytest.raises(GnomonError, match="is empty"):
        claim(0, 1, least=2, most=1)


def test_verdicts() -> None:
    passed, refuted, undecided = claim(2, 3, least=1), claim(2, 3, least=4), claim(2, 3, least=2.5)
    assert verdict_of([passed, passed]) == "shown"
    assert verdict_of([passed, undecided]) == "insufficient"
    assert verdict_of([undecided, refuted]) == "not shown"
    assert verdict_of([]) == "insufficient"
    assert control_verdict([[refuted], [passed, refuted]]) == "not shown"
    assert control_verdict([[refuted], [passed, passed]]) == "shown"
    assert control_verdict([[refuted], [passed, undecided]]) == "insufficient"
    assert control_verdict([]) == "insufficient"
