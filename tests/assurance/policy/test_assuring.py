"""What is asked, at which level, what is kept, and what an interruption leaves."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gnomon.assurance.asking import Answer, Question, ask
from gnomon.assurance.policy import Occasion, assure, policy_of, questions
from gnomon.control.controller import Controller
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from toy_rates import ToyRates, deployment, document, safeguard, threshold

NOW = datetime(2001, 2, 3, 23, 30, tzinfo=UTC)


def two(**changes: Any) -> dict[str, Any]:
    head = {**document()["policy"], **changes}
    return document(
        policy=head,
        threshold=[threshold("plain"), threshold("guarded", safeguards=["watch"])],
        safeguard=[safeguard("watch", options={"of": "watch"})],
    )


def test_a_question_is_asked_once_at_the_strictest_level_of_its_rows() -> None:
    """One-sided 1 - α for the plain row, 1 - α/2 for the guarded one: two-sided 0.90 and 0.95."""
    asked = questions(policy_of(two()), deployment())
    assert [question.evaluation for question in asked] == ["toy_rates", "toy_rates"]
    assert list(asked.values()) == pytest.approx([0.95, 0.95])
    alone = questions(policy_of(two()), deployment(), only=["plain"])
    assert list(alone.values()) == pytest.approx([0.90])
    assure(policy_of(two()), deployment(), Rng(0), now=NOW)
    assert [of for of, _ in ToyRates.calls] == ["harm", "watch"]


def test_repeated_tests_share_alpha_and_more_than_declared_are_refused() -> None:
    for number in (1, 2, 4):
        (level,) = questions(policy_of(two(tests=4)), deployment(), number, only=["plain"]).values()
        assert level == pytest.approx(1 - 2 * 0.05 / 4)
        (level,) = questions(policy_of(two(tests="unlimited")), deployment(), number, only=["plain"]).values()
        assert level == pytest.approx(1 - 2 * 0.05 / (number * (number + 1)))
    with pytest.raises(GnomonError, match="this is test 5, and the policy declares 4"):
        questions(policy_of(two(tests=4)), deployment(), 5)


def test_a_test_counts_those_before_it_and_pays_for_them() -> None:
    policy = policy_of(two(tests="unlimited"))
    first = assure(policy, deployment(), Rng(0), now=NOW)
    second = assure(policy, deployment(), Rng(0), now=NOW, earlier=[first.occasion])
    third = assure(policy, deployment(), Rng(0), now=NOW, earlier=[second.occasion])
    assert [one.occasion.number for one in (first, second, third)] == [1, 2, 3]
    highs = [one.rows[0].to_json()["measured"]["high"] for one in (first, second, third)]
    assert highs == sorted(highs)
    assert len(set(highs)) == 3
    assert Occasion.from_json(third.to_json()["test"]) == third.occasion
    # two first tests are two tests
    both = assure(policy, deployment(), Rng(0), now=NOW, earlier=[first.occasion, first.occasion])
    assert both.occasion.number == 3
    # two second tests did not know of each other, and each followed a first one
    both = assure(policy, deployment(), Rng(0), now=NOW, earlier=[second.occasion, second.occasion])
    assert both.occasion.number == 4


def test_a_capability_is_measured_without_safeguards_and_all_else_with_them() -> None:
    policy = policy_of(document(threshold=[threshold("can", kind="capability"), threshold("does")]))
    asked = questions(policy, deployment(controller=Controller("none", ())))
    assert [question.bare for question in asked] == [True, False]


def test_an_answer_is_the_same_alone_and_among_others_and_carries_its_provenance() -> None:
    question = Question.of("toy_rates", {"of": "harm"})
    (alone,) = ask(question, deployment(), Rng(3), level=0.9).measurements
    heard: list[Answer] = []
    assure(policy_of(two()), deployment(), Rng(3), now=NOW, only=["plain"], heard=heard.append)
    (among,) = heard[0].measurements
    assert (alone.value, alone.uncertainty) == (among.value, among.uncertainty)
    assert among.provenance is not None
    assert alone.provenance is not None
    assert among.provenance.spec_hash == alone.provenance.spec_hash
    assert among.provenance.seed == 3
    assert question.settings == []
    assert Question.of("toy_rates", {"of": "x"}).settings == ['toy_rates.of="x"']


def test_what_is_left_out_is_insufficient_and_never_passed() -> None:
    decision = assure(policy_of(two()), deployment(), Rng(0), now=NOW, only=["plain"])
    assert [row.verdict for row in decision.rows] == ["within", "insufficient"]
    assert decision.verdict == "insufficient"
    with pytest.raises(UnknownNameError, match="unknown threshold 'plan'; did you mean 'plain'"):
        assure(policy_of(two()), deployment(), Rng(0), now=NOW, only=["plan"])


def test_an_interruption_keeps_what_was_measured() -> None:
    rows = [
        threshold("a", options={"of": "a", "hits": {"all": 90}}),
        threshold("b", options={"of": "b", "manner": "interrupted"}),
        threshold("c", options={"of": "c"}),
    ]
    heard: list[Answer] = []
    decision = assure(policy_of(document(threshold=rows)), deployment(), Rng(0), now=NOW, heard=heard.append)
    assert [row.verdict for row in decision.rows] == ["crossed", "insufficient", "insufficient"]
    assert [row.reason for row in decision.rows[1:]] == ["b: interrupted", "c: interrupted"]
    assert len(heard) == 1


@pytest.mark.parametrize("returned", [None, ["a row"]], ids=["nothing", "text"])
def test_an_evaluation_that_returns_no_measurements_is_its_own_failure(
    returned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyRates, "run", lambda self, deployment, rng, *, level: returned)
    decision = assure(policy_of(document()), deployment(), Rng(0), now=NOW)
    assert (decision.verdict, decision.answers[0].failed) == ("insufficient", True)


def occasion(**changes: Any) -> Occasion:
    now = {"number": 1, "day": date(2001, 2, 3), "compute": 100.0, "weights": "w", "safeguards": "s", "policy": "p"}
    return Occasion(**{**now, **changes})


def due(now: Occasion, *earlier: Occasion, **cadence: Any) -> Any:
    from gnomon.assurance.policy import Cadence, next_test

    return next_test(Cadence(**{"effective_compute": 4.0, "days": 90, **cadence}), now, earlier)


def test_the_next_test_is_due_by_time_by_compute_and_by_change() -> None:
    found = due(occasion())
    assert (found.day, found.compute) == (date(2001, 2, 3) + timedelta(days=90), 400.0)
    assert found.changes == {"weights": "w", "safeguards": "s", "policy": "p"}
    assert found.overdue == ()
    assert found.to_json()["date"] == "2001-05-04"
    nothing = due(occasion(compute=None), effective_compute=None, days=None, on_change=())
    assert nothing.to_json() == {"date": None, "effective_compute": None, "on_change": {}, "overdue": []}
    assert due(occasion(compute=None)).compute is None


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({}, None),
        ({"day": date(2000, 11, 5)}, None),
        ({"day": date(2000, 11, 4)}, "it was due on 2001-02-02"),
        ({"compute": 25.0}, None),
        ({"compute": 24.0}, "effective compute has grown 4.17 times, and 4 was allowed"),
        ({"weights": "v"}, "the weights have changed"),
        ({"safeguards": "r"}, "the safeguards have changed"),
        ({"policy": "o"}, "the policy has changed"),
    ],
)
def test_what_made_a_test_overdue_is_told(before: dict[str, Any], words: str | None) -> None:
    found = due(occasion(number=2), occasion(**before))
    assert found.overdue == (() if words is None else (words,))


def test_the_latest_of_several_earlier_tests_counts() -> None:
    old, recent = occasion(day=date(1999, 1, 1)), occasion(number=2, day=date(2001, 2, 1))
    assert due(occasion(number=3), recent, old).overdue == ()


def test_safeguards_have_a_hash_of_their_own() -> None:
    import torch

    from gnomon.assurance.safeguards import safeguards_hash
    from gnomon.control.controller import Step
    from gnomon.control.edits import Add

    def pushed(by: float) -> Controller:
        return Controller("push", (Step("logits", Add(torch.tensor([by, 0.0]))),))

    hashes = [safeguards_hash(deployment(controller=one)) for one in (None, pushed(1.0), pushed(1.0), pushed(2.0))]
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3


def test_an_occasion_that_is_none_is_one_line() -> None:
    with pytest.raises(GnomonError, match="this tells no test"):
        Occasion.from_json({"day": "2001-02-03"})
