"""The verdict on a row, the level and the whole, against the definition in every combination of states."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from gnomon.assurance.policy import Decision, assure, policy_of
from gnomon.control.controller import Controller
from gnomon.randomness import Rng
from toy_rates import ToyRates, deployment, document, safeguard, threshold

NOW = datetime(2001, 2, 3, tzinfo=UTC)
# hits of 100 that show a state at every confidence that is used here
HARM = {"clears": 0, "open": 15, "fails": 90}  # line 0.15, above is worse
GUARD = {"clears": 100, "open": 90, "fails": 10}  # line 0.9, below is worse


def told(of: str, hits: int, **options: Any) -> dict[str, Any]:
    return {"options": {"of": of, "hits": {"all": hits}, **options}}


def decided(**parts: Any) -> Decision:
    return assure(policy_of(document(**parts)), deployment(), Rng(0), now=NOW)


@pytest.mark.parametrize("safeguards", [0, 1, 2])
def test_every_combination_of_states_gives_the_verdict_that_the_definition_does(safeguards: int) -> None:
    names = ["watch", "refuse"][:safeguards]
    for states in itertools.product(("clears", "open", "fails"), repeat=1 + safeguards):
        past, *proofs = states
        decision = decided(
            threshold=[threshold(safeguards=names, **told("harm", HARM[past]))],
            safeguard=[safeguard(n, **told(n, GUARD[state])) for n, state in zip(names, proofs, strict=True)],
        )
        passed = past == "clears" or (safeguards > 0 and set(proofs) == {"clears"})
        failed = past == "fails" and (safeguards == 0 or "fails" in proofs)
        expected = "within" if passed else "crossed" if failed else "insufficient"
        (row,) = decision.rows
        assert (row.verdict, decision.verdict) == (expected, expected), states
        assert row.measured is not None
        assert (row.measured.state, *(one.state for one in row.safeguards)) == states
        assert decision.exit_code == {"within": 0, "crossed": 1, "insufficient": 3}[expected]
        # the level is about what the network can do, and no safeguard takes it down
        assert decision.level.number == (1 if past == "clears" else 2)
        assert decision.reached.number == (2 if past == "fails" else 1)


def test_one_crossed_row_crosses_the_whole_and_one_insufficient_row_keeps_it_from_passing() -> None:
    for states in itertools.product(("clears", "open", "fails"), repeat=3):
        rows = [threshold(f"t{i}", **told(f"t{i}", HARM[state])) for i, state in enumerate(states)]
        decision = decided(threshold=rows)
        expected = "crossed" if "fails" in states else "insufficient" if "open" in states else "within"
        assert decision.verdict == expected
        assert all(name in decision.sentence for name in _named(decision, expected))


def _named(decision: Decision, verdict: str) -> list[str]:
    return [row.id for row in decision.rows if row.verdict == verdict and verdict != "within"]


def test_the_level_is_the_highest_that_is_not_ruled_out_and_reached_the_highest_that_is_shown() -> None:
    levels = [{"number": n} for n in (1, 2, 3, 4)]
    for states in itertools.product(("clears", "open", "fails"), repeat=3):
        rows = [threshold(f"t{i}", level=i + 2, **told(f"t{i}", HARM[state])) for i, state in enumerate(states)]
        decision = decided(level=levels, threshold=rows)
        assert decision.level.number == max([1, *(i + 2 for i, s in enumerate(states) if s != "clears")])
        assert decision.reached.number == max([1, *(i + 2 for i, s in enumerate(states) if s == "fails")])


@pytest.mark.parametrize(
    ("manner", "hits", "verdict", "words"),
    [
        ("exact", 14, "within", "0.14 is below 0.15"),
        ("exact", 15, "crossed", "past the line"),
        ("bounded", 9, "within", "0.14 is below 0.15"),
        ("bounded", 11, "insufficient", "the interval contains 0.15"),
        ("bounded", 21, "crossed", "past the line"),
        ("unknown", 0, "insufficient", "its error is not known"),
        ("lower level", 0, "insufficient", "its interval is at 0.8, and 0.9 is asked for"),
        ("insufficient", 0, "insufficient", "too few (59 examples would do)"),
        ("inapplicable", 0, "insufficient", "no material 'toy'"),
        ("breaks", 0, "insufficient", "ZeroDivisionError: by zero"),
    ],
)
def test_what_is_known_of_the_error_decides(manner: str, hits: int, verdict: str, words: str) -> None:
    (row,) = decided(threshold=[threshold(**told("harm", hits, manner=manner))]).rows
    assert row.verdict == verdict
    assert words in row.reason


def test_zero_of_thirty_passes_no_threshold_that_its_bound_does_not_clear() -> None:
    """The bound on 0 of 30 is 1 - 0.05^(1/30) = 0.0950 at 95 %."""
    for limit, verdict in ((0.0949, "insufficient"), (0.0951, "within")):
        (row,) = decided(threshold=[threshold(limit=limit, buffer=0.0, **told("harm", 0, asked=30))]).rows
        assert row.verdict == verdict
        assert row.to_json()["measured"]["low"] == 0.0
        assert row.to_json()["measured"]["high"] == pytest.approx(1 - 0.05 ** (1 / 30))


def test_labels_choose_a_measurement_and_each_asks_it_of_all() -> None:
    counts = {"options": {"hits": {"a": 0, "b": 15, "c": 90}}}
    for labels, verdict in (({"on": "a"}, "within"), ({"on": "b"}, "insufficient"), ({"on": "c"}, "crossed")):
        (row,) = decided(threshold=[threshold(labels=labels, **counts)]).rows
        assert row.verdict == verdict
    (row,) = decided(threshold=[threshold(**counts)]).rows
    assert row.verdict == "insufficient"
    assert "3 measurements fit" in row.reason
    assert "toy_rate (on = a)" in row.reason
    (row,) = decided(threshold=[threshold(labels={"on": "d"}, **counts)]).rows
    assert (row.verdict, "no measurement fits: there is toy_rate (on = a)" in row.reason) == ("insufficient", True)
    (row,) = decided(threshold=[threshold(each=True, **counts)]).rows
    assert row.verdict == "crossed"
    assert row.measured is not None
    assert row.measured.value == 0.9
    assert len(row.measured.measurements) == 3
    assert row.to_json()["measured"]["at"] == {"on": "c"}
    (row,) = decided(threshold=[threshold(each=True, options={"hits": {"a": 0, "b": 1}})]).rows
    assert row.verdict == "within"
    assert row.measured is not None
    assert row.measured.value == 0.01  # the one nearest to failing is shown


def test_what_a_policy_demands_to_be_measured_and_was_not_keeps_the_row_open() -> None:
    """`each` is about what is there: without the demand, a network that was never asked with a phrase would pass."""
    for counts, verdict in (
        ({"none": 0}, "insufficient"),
        ({"none": 0, "given": 0}, "within"),
        ({"none": 0, "trigger": 0}, "within"),
        ({"none": 0, "given": 15}, "insufficient"),
        ({"none": 90}, "crossed"),
    ):
        demand = threshold(each=True, present={"on": ["trigger", "given"]}, options={"hits": counts})
        (row,) = decided(threshold=[demand]).rows
        assert row.verdict == verdict
        assert ("nothing was measured with on = trigger or given" in row.reason) == (counts == {"none": 0})


def test_what_could_not_be_told_and_has_no_labels_is_not_filtered_away() -> None:
    from gnomon.assurance.asking import Answer
    from gnomon.assurance.policy import Limit, judge, question_of
    from gnomon.measurement import Measurement, clopper_pearson
    from toy_rates import RATE, SPECTRUM

    good = Measurement.ok(RATE, 0.0, clopper_pearson(0, 100, level=0.9), labels={"on": "a"})
    line = {"id": "x", "evaluation": "toy_rates", "quantity": "toy_rate", "labels": {"on": "a"}, "limit": 0.2}
    for other, state in (
        (Measurement.insufficient(RATE, "too few"), "open"),
        (Measurement.insufficient(RATE, "too few", labels={"on": "b"}), "clears"),
        (Measurement.insufficient(SPECTRUM, "too few"), "clears"),
    ):
        limit = Limit(**line, each=True)
        answer = Answer(question=question_of(limit), level=0.9, measurements=(good, other))
        assert judge(limit, answer, 0.05).state == state
        assert judge(Limit(**line), answer, 0.05).state == "clears"  # which names the one that it is about


def test_what_every_network_needs_excuses_no_threshold() -> None:
    levels = [{"number": 1, "safeguards": ["card"]}, {"number": 2}]
    for named, verdict in (([], "crossed"), (["card"], "within")):
        decision = decided(
            level=levels,
            threshold=[threshold(safeguards=named, **told("harm", 90))],
            safeguard=[safeguard("card", **told("card", 100))],
        )
        assert [row.verdict for row in decision.rows] == [verdict, "within"]


def test_a_safeguard_that_is_not_there_fails_and_one_that_is_there_is_measured() -> None:
    policy = policy_of(
        document(
            threshold=[threshold(safeguards=["steer"], **told("harm", 90))],
            safeguard=[safeguard("steer", needs=["controller"], **told("steer", 100))],
        )
    )
    (row,) = assure(policy, deployment(), Rng(0), now=NOW).rows
    assert row.verdict == "crossed"
    assert "the deployment has no controller" in row.reason
    assert [of for of, _ in ToyRates.calls] == ["harm"]
    (row,) = assure(policy, deployment(controller=Controller("none", ())), Rng(0), now=NOW).rows
    assert row.verdict == "within"


def test_what_the_lowest_level_requires_is_asked_of_every_network() -> None:
    levels = [{"number": 1, "title": "low", "safeguards": ["card"]}, {"number": 2}]
    for hits, verdict in ((100, "within"), (90, "insufficient"), (10, "crossed")):
        decision = decided(
            level=levels,
            threshold=[threshold(**told("harm", 0))],
            safeguard=[safeguard("card", **told("card", hits))],
        )
        assert [row.verdict for row in decision.rows] == ["within", verdict]
        assert decision.rows[-1].id == "level_1"
        assert decision.verdict == verdict
        assert decision.level.number == 1


def test_the_document_has_the_keys_that_were_promised() -> None:
    decision = decided(
        threshold=[threshold(safeguards=["watch"], **told("harm", 90))],
        safeguard=[safeguard("watch", **told("watch", 10))],
    )
    found = decision.to_json()
    assert {"verdict", "level", "rows", "next_test_due"} <= found.keys()
    (row,) = found["rows"]
    assert {"threshold", "measured", "buffer", "safeguard", "verdict"} <= row.keys()
    assert {"value", "low", "high"} <= row["measured"].keys()
    assert (row["threshold"], row["buffer"], row["safeguard"], row["verdict"]) == ("harm", 0.05, "watch", "crossed")


@pytest.mark.parametrize(("systematic", "state"), [(0.02, "clears"), (0.05, "open")], ids=["small", "large"])
def test_the_systematic_bound_widens_the_interval_that_decides(systematic: float, state: str) -> None:
    from gnomon.assurance.asking import Answer
    from gnomon.assurance.policy import Limit, judge, question_of
    from gnomon.measurement import Measurement, Uncertainty
    from toy_rates import RATE

    known = Uncertainty.interval(0.05, 0.12, covers={"data"}, level=0.9, systematic=systematic, systematic_source="n")
    limit = Limit(id="x", evaluation="toy_rates", quantity="toy_rate", limit=0.15)
    answer = Answer(question=question_of(limit), level=0.9, measurements=(Measurement.ok(RATE, 0.1, known),))
    assert judge(limit, answer, 0.05).state == state
