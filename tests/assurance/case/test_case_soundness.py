"""A case says what its evidence gives, and nothing else can be read from a file."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from made_cases import decided, made, written

from gnomon.assurance.case import Case, Criterion, Doubt, Evidence, Observation, load, save
from gnomon.assurance.case.case import combined
from gnomon.assurance.policy import policy_of
from gnomon.errors import GnomonError

OUTCOMES = (0, 10, 60, "insufficient", "unknown", "bounded")


@pytest.mark.parametrize("watch", [None, 100, 90, 0, "insufficient", "absent"])
@pytest.mark.parametrize("harm", OUTCOMES)
def test_the_argument_gives_the_verdict_of_the_policy(harm: int | str, watch: int | str | None) -> None:
    """The states follow from the leaves alone, and agree with the decision, which was made apart from them."""
    decision = decided(harm, watch)
    case = made(harm, watch)
    words = {"within": "supported", "crossed": "refuted", "insufficient": "undeveloped"}
    assert case.states["row:harm"] == words[decision.rows[0].verdict]
    assert case.states[case.top] == words[decision.verdict]


def test_every_claim_is_supported_or_says_what_is_wanting() -> None:
    for harm, watch in itertools.product(OUTCOMES, (None, 90, "insufficient", "absent")):
        case = made(harm, watch)
        for claim in case.claims():
            assert claim.by or claim.doubts
            if case.states[claim.id] == "undeveloped" and not claim.by:
                assert all(isinstance(case.by_id[name], Doubt) for name in claim.doubts)


def test_what_was_insufficient_tells_what_would_do() -> None:
    case = made("insufficient")
    (doubt,) = [node for node in case.nodes if isinstance(node, Doubt)]
    assert doubt.settled_by == "59 examples"
    assert case.states["row:harm"] == "undeveloped"


def test_an_absent_safeguard_is_seen_and_refutes() -> None:
    case = made(60, "absent")
    (seen,) = [node for node in case.nodes if isinstance(node, Observation)]
    assert seen.text == "It is seen that the deployment has no monitor."
    assert case.decision["verdict"] == "crossed"


@pytest.mark.parametrize("worse", ["above", "below"])
def test_a_criterion_draws_the_line_where_the_policy_does(worse: str) -> None:
    limit = policy_of(
        {
            "policy": {"name": "p", "title": "P", "source": "s", "version": "1"},
            "level": [{"number": 1}, {"number": 2}],
            "threshold": [
                {"id": "t", "kind": "harm", "level": 2, "evaluation": "e", "limit": 0.5, "buffer": 0.1, "worse": worse}
            ],
        }
    ).thresholds[0]
    criterion = Criterion(worse=limit.worse, limit=0.5, buffer=0.1, level=0.9)
    grid = [0.0, 0.3, 0.39, 0.4, 0.41, 0.5, 0.59, 0.6, 0.61, 0.9]
    for low, high in itertools.combinations_with_replacement(grid, 2):
        expected = "supported" if limit.clears(low, high) else "refuted" if limit.fails(low, high) else "undeveloped"
        assert criterion.of(low, high) == expected


def test_all_and_any_are_those_of_three_valued_logic() -> None:
    """Kleene's: with supported 1, undeveloped 1/2, refuted 0, all is the least and any the greatest."""
    number = {"supported": 1.0, "undeveloped": 0.5, "refuted": 0.0}
    for states in itertools.chain.from_iterable(itertools.product(number, repeat=n) for n in (1, 2, 3)):
        values = [number[one] for one in states]
        assert number[combined(list(states), "all")] == min(values)  # type: ignore[arg-type]
        assert number[combined(list(states), "any")] == max(values)  # type: ignore[arg-type]


def test_a_case_is_the_same_after_its_file(tmp_path: Path) -> None:
    case = made(0, 100)
    save(case, tmp_path)
    assert load(tmp_path) == case
    assert load(tmp_path / "case.json").to_json() == case.to_json()


def test_evidence_below_the_level_asked_decides_nothing() -> None:
    leaf = next(made(0).evidence())
    assert leaf.state == "supported"
    asked = leaf.criterion.model_copy(update={"level": 0.99})
    assert leaf.model_copy(update={"criterion": asked}).state == "undeveloped"
    assert leaf.criterion.level == pytest.approx(0.9)


def broken(change: str) -> dict[str, Any]:
    document = made(0, 100).to_json()
    nodes = {node["id"]: node for node in document["nodes"]}
    leaf = next(node for node in document["nodes"] if node["kind"] == "evidence")
    if change == "two of one id":
        document["nodes"].append(dict(leaf))
    elif change == "a name that leads nowhere":
        nodes["row:harm"]["by"] = ["nothing"]
    elif change == "a circle":
        nodes["row:harm/safeguarded/watch"]["by"] = ["thresholds"]
    elif change == "a claim on a context":
        nodes["row:harm"]["by"] = ["policy"]
    elif change == "a node of no claim":
        nodes["row:harm/routes"]["by"] = ["row:harm/below"]
    elif change == "a verdict of its own":
        document["decision"]["verdict"] = "crossed"
    elif change == "a number made better":
        leaf["measurement"]["uncertainty"]["high"] = 0.9
        nodes["row:harm/routes"]["rule"] = "all"
    elif change == "no measurement":
        leaf["measurement"] = {"quantity": "toy_rate"}
    elif change == "a top that is none":
        document["top"] = "thresholds"
    elif change == "a field too many":
        document["note"] = "x"
    elif change == "a row made green":
        document["decision"]["rows"][0]["verdict"] = "insufficient"
    elif change == "a number shown":
        document["decision"]["rows"][0]["measured"]["value"] = 0.01
    elif change == "a row left out":
        document["decision"]["rows"] = []
    elif change == "rows that are none":
        document["decision"]["rows"] = [{"threshold": "harm"}]
    elif change == "a line moved":
        leaf["criterion"]["limit"] = 0.5
    elif change == "a level lowered":
        leaf["criterion"]["level"] = 0.0
    elif change == "another policy":
        document["policy"]["facts"]["policy"]["thresholds"][0]["limit"] = 0.5
    elif change == "another label":
        leaf["measurement"]["quantity"] = "attack_success"
    elif change == "another format":
        document["format"] = "gnomon-case/0"
    return document


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("two of one id", "two nodes of the case are called"),
        ("a name that leads nowhere", "names 'nothing', which is not in the case"),
        ("a circle", "in a circle"),
        ("a claim on a context", "has the context 'policy' where only"),
        ("a node of no claim", "belongs to no claim"),
        ("a verdict of its own", "the case says 'crossed', and its evidence gives 'within'"),
        ("a number made better", "its evidence gives 'insufficient'"),
        ("no measurement", "holds no measurement"),
        ("a top that is none", "is no claim of it"),
        ("a field too many", "note: Extra inputs are not permitted"),
        ("a row made green", "row 'harm' says 'insufficient', and its evidence gives 'within'"),
        ("a number shown", "shows numbers that none of its evidence has"),
        ("a row left out", "have other rows: harm"),
        ("rows that are none", "the decision of the case cannot be read"),
        ("a line moved", "another line than the policy's"),
        ("a level lowered", "a lower level than the policy's"),
        ("another policy", "not the one whose hash it states"),
        ("another label", "no measurement that the policy asks for"),
        ("another format", "is no case of format gnomon-case/1"),
    ],
)
def test_a_corrupt_case_is_one_line(tmp_path: Path, change: str, told: str) -> None:
    with pytest.raises(GnomonError) as error:
        load(written(tmp_path, json.dumps(broken(change))))
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(("text", "told"), [("{", "is not JSON"), ("[]", "no case of format"), ("\x00", "is not JSON")])
def test_what_is_no_document_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(GnomonError, match=told):
        load(written(tmp_path, text))
    with pytest.raises(GnomonError, match="no case at"):
        load(tmp_path / "elsewhere")


def test_an_array_is_no_evidence() -> None:
    leaf = next(made(0).evidence()).model_dump()
    leaf["measurement"]["value"] = [0.0, 1.0]
    leaf["measurement"]["uncertainty"].update(low=[0.0, 0.0], high=[1.0, 1.0])
    with pytest.raises(GnomonError, match="is not one number"):
        Evidence.model_validate(leaf)
    assert isinstance(made(0), Case)
