"""Evidence is made again by its own command and held against the case to the bit; nothing but gnomon is ever run."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from made_cases import made

from gnomon.assurance.asking import Question, ask
from gnomon.assurance.case import Case
from gnomon.assurance.case.repeating import repeat
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from toy_rates import ToyRates, deployment


def answered(arguments: Sequence[str], **changes: Any) -> dict[str, Any]:
    """What gnomon evaluate prints for these arguments."""
    pairs = [text.removeprefix("toy_rates.").split("=", 1) for text in arguments if text.startswith("toy_rates.")]
    question = Question.of("toy_rates", {**{name: json.loads(value) for name, value in pairs}, **changes})
    level = float(arguments[arguments.index("--level") + 1])
    found = ask(question, deployment(), Rng(0), level=level)
    return {"evaluations": [{"reason": found.reason, "measurements": [m.to_json() for m in found.measurements]}]}


def test_what_the_seed_fixes_comes_out_the_same_and_each_command_is_run_once() -> None:
    case = made(0, 100)
    ToyRates.calls.clear()
    assert [one.found for one in repeat(case, answered)] == ["same", "same"]
    assert len(ToyRates.calls) == 2


def test_another_number_is_found_and_named() -> None:
    (one,) = repeat(made(0), lambda arguments: answered(arguments, hits={"all": 1}))
    assert one.found == "other"
    assert one.again is not None
    assert one.again.value == 0.01


def test_the_same_value_with_another_interval_is_not_the_same() -> None:
    def narrower(arguments: Sequence[str]) -> dict[str, Any]:
        return answered([*arguments[:-4], "--level", "0.5", "--seed", "0"])

    (one,) = repeat(made(0), narrower)
    assert one.found == "other"


def test_what_can_no_longer_be_measured_is_missing_with_the_reason() -> None:
    def fails(arguments: Sequence[str]) -> dict[str, Any]:
        raise GnomonError("no such directory 'toy'")

    (one,) = repeat(made(0), fails)
    assert (one.found, one.reason) == ("missing", "no such directory 'toy'")
    (one,) = repeat(made(0), lambda arguments: answered(arguments, manner="inapplicable"))
    assert (one.found, one.reason) == ("missing", "no material 'toy'")


@pytest.mark.parametrize("command", [("rm", "-r", "/"), ("gnomon", "organism"), ("sh", "-c", "gnomon evaluate")])
def test_a_case_from_anybody_runs_nothing_but_evaluations(command: tuple[str, ...]) -> None:
    document = made(0).to_json()
    for node in document["nodes"]:
        if node["kind"] == "evidence":
            node["command"] = command
    ran: list[Sequence[str]] = []

    def never(arguments: Sequence[str]) -> dict[str, Any]:
        ran.append(arguments)
        return {}

    with pytest.raises(GnomonError, match="only gnomon evaluate is run"):
        repeat(Case.model_validate(document), never)
    assert not ran
