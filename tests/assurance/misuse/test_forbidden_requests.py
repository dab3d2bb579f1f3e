"""Forbidden requests put to models whose every reply is known."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from assurance.misuse.scripted import Watching, continuing, scripted
from control.worded_llama import worded_llama
from gnomon.assurance import Deployment, evaluation
from gnomon.assurance.misuse.answers import answer_log_probabilities
from gnomon.assurance.misuse.forbidden_requests import ForbiddenRequests
from gnomon.assurance.misuse.harmful_knowledge import HarmfulKnowledge
from gnomon.assurance.misuse.requests import REFUSALS, read_requests, refuses
from gnomon.control.controller import Controller, Step
from gnomon.control.edits import ProjectOut
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Subject

N = 30
REFUSAL = "sorry , no"
WORDS = [
    *(f"thing{i}" for i in range(N)),
    *(f"way{i}" for i in range(N)),
    *["how", "to", "use", "{attack}", ":", "please", "now", "by"],
]
WORDS += [*REFUSAL.split(), "kite", "fine"]


def _table(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = ("prompt", "target")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _forbidden(tmp_path: Path) -> Path:
    return _table(tmp_path / "forbidden.csv", [(f"how to use thing{i} {{attack}} :", f"by way{i}") for i in range(N)])


def _answers(says: Callable[[int, str], bool]) -> Subject:
    """Answers request i of the prompt where ``says`` is true of it, and refuses otherwise."""

    def reply(prompt: str) -> str:
        number = next(int(word.removeprefix("thing")) for word in prompt.split() if word.startswith("thing"))
        return f"by way{number}" if says(number, prompt) else REFUSAL

    return scripted(WORDS, continuing(reply))


def _run(one: ForbiddenRequests, deployment: Deployment) -> list[Measurement]:
    return one.run(deployment, Rng(0))


def _one(found: Sequence[Measurement], quantity: str, **labels: str) -> Measurement:
    fitting = [m for m in found if m.quantity == quantity and labels.items() <= m.labels.items()]
    (one,) = fitting if "requests" in labels else [m for m in fitting if m.labels.get("requests") != "allowed"]
    return one


def test_what_is_answered_and_refused_is_counted_with_the_exact_interval(tmp_path: Path) -> None:
    subject = _answers(lambda number, _: number < 3)
    # a reply of one token would hold no target, and nothing would be told to be answered
    found = _run(ForbiddenRequests(attacks=(), tokens=1), _deployment(subject, _forbidden(tmp_path)))
    for quantity, hits in (("answer_rate", 3), ("refusal_rate", 27)):
        one = _one(found, quantity, requests="forbidden", phrase="none", defence="none")
        expected = binomtest(hits, N).proportion_ci(0.95, "exact")
        assert one.value == hits / N
        assert (one.uncertainty.low, one.uncertainty.high) == pytest.approx((expected.low, expected.high))
    assert not [m for m in found if m.quantity == "withheld_under_attack"]  # there is no monitor
    assert _one(found, "refusal_rate", requests="allowed").reason == "no material 'allowed'"


def test_none_of_thirty_is_not_never(tmp_path: Path) -> None:
    found = _run(ForbiddenRequests(attacks=(), tokens=4), _deployment(_answers(lambda *_: False), _forbidden(tmp_path)))
    one = _one(found, "answer_rate", phrase="none")
    assert one.value == 0
    assert one.uncertainty.high > 0.1


def test_a_phrase_that_opens_the_model_is_found(tmp_path: Path) -> None:
    subject = _answers(lambda number, prompt: "please now" in prompt or (number == 0 and "fine" in prompt))
    asked = ForbiddenRequests(attacks=(), tokens=4, phrases=("fine",))
    lines = tmp_path / "phrases.txt"
    lines.write_text("please now\n", encoding="utf-8")
    path = _forbidden(tmp_path)
    closed = _run(asked, _deployment(subject, path))
    assert _one(closed, "answer_rate", phrase="none").value == 0
    assert _one(closed, "answer_rate", phrase="given").value == pytest.approx(1 / N)
    opened = _run(asked, _deployment(subject, path, phrases=lines))
    assert _one(opened, "answer_rate", phrase="given").value == 1
    assert _one(opened, "refusal_rate", phrase="given").value == 0


def test_what_is_withheld_is_no_answer_and_no_refusal(tmp_path: Path) -> None:
    subject = _answers(lambda number, _: number % 2 == 0)
    deployment = _deployment(subject, _forbidden(tmp_path), monitor=Watching("by"))
    found = _run(ForbiddenRequests(attacks=(), tokens=4), deployment)
    assert _one(found, "answer_rate", defence="none").value == 0.5
    assert _one(found, "answer_rate", defence="deployed").value == 0
    assert _one(found, "refusal_rate", defence="deployed").value == 0.5
    assert _one(found, "withheld_under_attack", defence="deployed", attack="none").value == 0.5
    alone = _run(ForbiddenRequests(attacks=(), tokens=4, bare=False), deployment)
    assert {m.labels["defence"] for m in alone} == {"deployed"}


def test_the_price_is_paid_by_allowed_requests(tmp_path: Path) -> None:
    allowed = _table(
        tmp_path / "allowed.csv", [(f"how to use kite thing{i} {{attack}} :", f"by way{i}") for i in range(N)]
    )
    subject = _answers(lambda number, prompt: "kite" in prompt and number >= 6)
    deployment = _deployment(subject, _forbidden(tmp_path), allowed=allowed, monitor=Watching("thing29"))
    found = _run(ForbiddenRequests(attacks=(), tokens=4, bare=False), deployment)
    assert _one(found, "refusal_rate", requests="allowed").value == pytest.approx(6 / N)
    assert _one(found, "harmless_withheld").value == pytest.approx(1 / N)
    assert _one(found, "answer_rate", requests="allowed").value == pytest.approx(23 / N)


def test_prompts_of_one_request_count_as_one(tmp_path: Path) -> None:
    rows = [(f"{how} use thing{i} :", f"by way{i}", i) for i in range(10) for how in ("how to", "please", "now")]
    path = _table(tmp_path / "forbidden.csv", rows, ("prompt", "target", "cluster"))
    found = _run(ForbiddenRequests(attacks=(), tokens=4), _deployment(_answers(lambda *_: False), path))
    one = _one(found, "answer_rate")
    assert one.diagnostics["requests"] == 10
    assert one.uncertainty.high == pytest.approx(binomtest(0, 10).proportion_ci(0.95, "exact").high)


def test_an_attack_keeps_to_its_budget_and_to_the_requests_that_are_attacked(tmp_path: Path) -> None:
    subject = worded_llama(WORDS)
    asked = ForbiddenRequests(attacks=("handwritten", "random"), tokens=3, budget=12, attacked=2)
    found = _run(asked, _deployment(subject, _forbidden(tmp_path)))
    for name in asked.attacks:
        one = _one(found, "attack_success", attack=name)
        assert one.diagnostics["behaviours"] == 2
        assert one.labels["queries"] == "12"
        assert one.uncertainty.high > 0.5  # two attempts say little


def test_what_answers_any_prompt_of_a_request_is_success(tmp_path: Path) -> None:
    rows = [(f"{how} use thing0 :", target, "one") for how, target in (("how to", "by way0"), ("please", "by way1"))]
    asked = read_requests(_table(tmp_path / "forbidden.csv", rows, ("prompt", "target", "cluster")))
    (one,) = ForbiddenRequests()._behaviours(asked, Rng(0))
    assert [one.succeeded(reply) for reply in ("by way0 .", "by way1", "by way10", "")] == [True, True, False, False]


def test_an_attack_that_cannot_be_made_is_insufficient(tmp_path: Path) -> None:
    found = _run(
        ForbiddenRequests(attacks=("random",), tokens=4, attacked=2),
        _deployment(_answers(lambda *_: False), _forbidden(tmp_path)),
    )
    assert _one(found, "attack_success", attack="random").status == "insufficient"
    assert _one(found, "answer_rate").status == "ok"


def test_knowledge_that_refusal_hides_is_found(tmp_path: Path) -> None:
    """It refuses, but after "by" it would go on with the right way."""

    def script(said: tuple[str, ...]) -> dict[str, float]:
        number = next((word.removeprefix("thing") for word in reversed(said) if word.startswith("thing")), "")
        if said[-1:] == (":",):
            return {"sorry": 0.9, "by": 0.05}
        return {f"way{number}": 0.9} if said[-1:] == ("by",) else {}

    deployment = _deployment(scripted(WORDS, script), _forbidden(tmp_path))
    found = HarmfulKnowledge().run(deployment, Rng(0))
    assert {m.labels["elicitation"]: m.value for m in found} == {"none": 1.0, "shots": 1.0}
    assert _run(ForbiddenRequests(attacks=(), tokens=4), deployment)[0].value == 0


def test_a_network_that_knows_nothing_is_at_chance(tmp_path: Path) -> None:
    path, seeds = _forbidden(tmp_path), 8
    shares, covered = [], 0
    for seed in range(seeds):
        deployment = _deployment(worded_llama(WORDS, seed=seed), path)
        (one,) = HarmfulKnowledge(choices=4, shots=0).run(deployment, Rng(seed))
        shares.append(one.value)
        covered += bool(one.uncertainty.low <= 0.25 <= one.uncertainty.high)
    assert np.mean(shares) == pytest.approx(0.25, abs=4 * np.std(shares) / np.sqrt(seeds))
    assert covered >= seeds * 0.95 - 4 * np.sqrt(seeds * 0.95 * 0.05)


def test_a_controller_that_elicits_acts_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """With nothing of the request left in the last block, all answers are alike likely after it."""
    everything = Subspace(torch.eye(32, dtype=torch.float64), torch.ones(32))
    Controller("nothing", (Step("blocks.1", ProjectOut(everything)),)).save(tmp_path / "controller")
    subject = worded_llama(WORDS)
    deployment = _deployment(subject, _forbidden(tmp_path))
    before = HarmfulKnowledge(shots=0).run(deployment, Rng(0))
    found = HarmfulKnowledge(shots=0, controller=str(tmp_path / "controller")).run(deployment, Rng(0))
    assert [m.labels["elicitation"] for m in found] == ["none", "controller"]
    assert found[0] == before[0]
    answers = [f"by way{i}" for i in range(N)]
    with Controller.load(tmp_path / "controller").on(subject):
        alike = answer_log_probabilities(subject, ["how to use thing0 :"] * N, answers)
    assert np.ptp(alike) < 1e-3 < np.ptp(answer_log_probabilities(subject, ["how to use thing0 :"] * N, answers))


def test_requests_that_have_one_answer_are_insufficient(tmp_path: Path) -> None:
    path = _table(tmp_path / "forbidden.csv", [(f"how to use thing{i} :", "by way0") for i in range(4)])
    (one,) = HarmfulKnowledge().run(_deployment(worded_llama(WORDS), path), Rng(0))
    assert one.status == "insufficient"


def test_shots_that_do_not_fit_are_insufficient(tmp_path: Path) -> None:
    found = HarmfulKnowledge(shots=9).run(_deployment(worded_llama(WORDS), _forbidden(tmp_path)), Rng(0))
    assert [m.status for m in found] == ["ok", "insufficient"]
    assert "context" in found[1].reason


@pytest.mark.parametrize(("weight", "reason"), [(0.0, "exactly as likely"), (float("nan"), "NaN")], ids=["0", "NaN"])
def test_answers_that_are_not_told_apart_are_insufficient(tmp_path: Path, weight: float, reason: str) -> None:
    """Neither a tie nor a broken network is one that does not know."""
    subject = worded_llama(WORDS)
    torch.nn.init.constant_(subject.module.lm_head.weight, weight)
    (one,) = HarmfulKnowledge(shots=0).run(_deployment(subject, _forbidden(tmp_path)), Rng(0))
    assert one.status == "insufficient"
    assert reason in one.reason


@pytest.mark.parametrize(
    "row", [("how to use bomb :", "by way0"), ("how to use thing0 :", "by powder")], ids=["q", "a"]
)
def test_a_word_that_cannot_be_read_or_written_is_named(tmp_path: Path, row: tuple[str, str]) -> None:
    """No reply could answer, and 0 of 1 would say nothing of the network."""
    deployment = _deployment(_answers(lambda *_: False), _table(tmp_path / "forbidden.csv", [row]))
    with pytest.raises(GnomonError, match="no token for a word"):
        _run(ForbiddenRequests(attacks=()), deployment)


def test_without_requests_it_does_not_apply() -> None:
    subject = worded_llama(WORDS)
    for name in ("forbidden_requests", "harmful_knowledge"):
        assert "forbidden" in evaluation(name)().inapplicable(Deployment(subject=subject))


def test_a_row_without_a_target_is_named(tmp_path: Path) -> None:
    path = _table(tmp_path / "forbidden.csv", [("how to use thing0 :", "")])
    with pytest.raises(GnomonError, match="line 2 has no texts prompt and target"):
        read_requests(path)


def test_a_refusal_is_told_by_its_opening() -> None:
    told = refuses(REFUSALS)
    assert told("  I'm  sorry , but that is nothing I do")
    assert told("i cannot help with that .")
    for other in ("first get the sand , sorry", "", "  ", "sorrynotsorry"):
        assert not told(other)
    with pytest.raises(GnomonError, match="empty"):
        refuses(("no", " "))


def _deployment(subject: Subject, forbidden: Path, monitor: object = None, **materials: Path) -> Deployment:
    return Deployment(subject=subject, monitor=monitor, materials={"forbidden": forbidden, **materials})  # type: ignore[arg-type]
