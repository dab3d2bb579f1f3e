"""Readers against brute force through plain transformers calls, and a study's numbers against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.control.controller import Controller, Step
from gnomon.control.edits import Add
from gnomon.control.strength.arms import Copies, Instructed, Steered
from gnomon.control.strength.measuring import read_arms
from gnomon.control.strength.random_directions import pooled, random_arms, random_control
from gnomon.control.strength.readers import (
    ConceptDrift,
    Divergence,
    ExcessLoss,
    Preference,
    TokenProbability,
    Written,
    neutral_data,
    prompt_data,
    whole,
)
from gnomon.control.strength.selection import Texts, select
from gnomon.control.strength.study import REMOVED, study
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from gnomon.subjects import NextToken, Subject

TEXTS = [" ".join(f"w{(7 * i + 3 * j + i * j) % 29}" for j in range(4 + i % 4)) for i in range(24)]


class Words:
    """A tokenizer of words ``w0``, ``w1``, …, with a token that begins every text."""

    pad_token_id, eos_token_id, bos_token_id = 0, 1, 2

    def __call__(self, text: str) -> list[int]:
        return [2, *(3 + int(word[1:]) for word in text.split())]

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return " ".join(f"w{i - 3}" for i in ids if i > 2 or not skip_special_tokens)


@pytest.fixture(scope="module")
def subject() -> Subject:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=32, initializer_range=0.4, pad_token_id=0, eos_token_id=1, bos_token_id=2,
        )  # fmt: skip
        return Subject(LlamaForCausalLM(config), loss=NextToken(), tokenizer=Words(), context=32, name="llama")


def direction() -> torch.Tensor:
    return torch.randn(16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def controller() -> Controller:
    return Controller("up", (Step("blocks.0", Add(direction())),))


def logits(subject: Subject, ids: list[int], strength: float = 0.0) -> torch.Tensor:
    """``(positions, vocabulary)`` of one text, its block output shifted by a hook of this test's own."""

    def shifted(_module: torch.nn.Module, _args: object, output: torch.Tensor) -> torch.Tensor:
        return output + strength * direction().float()

    handle = subject.module.model.layers[0].register_forward_hook(shifted)  # type: ignore[union-attr,index]
    try:
        with torch.no_grad():
            return subject.module(torch.tensor([ids])).logits[0].double()  # type: ignore[no-any-return]
    finally:
        handle.remove()


def test_readers_are_what_a_plain_loop_gives(subject: Subject) -> None:
    data, tokens = neutral_data(subject, TEXTS), Words()
    drift = ConceptDrift(
        name="drift", data=data, site="final_norm", direction=torch.eye(16)[3], intervals=whole(subject, data)
    )
    labels = np.where(np.arange(24) % 2 == 0, 1.0, -1.0)
    readers = [ExcessLoss(data=data), Divergence(data=data), Preference(name="preference", data=data, labels=labels)]
    prompts = prompt_data(subject, TEXTS)
    share = TokenProbability(name="p", data=prompts, targets=(5, 9), against=(7,))
    plain = TokenProbability(name="q", data=prompts, targets=(5,))
    found = read_arms(subject, [Steered("a", controller(), (0.5, 2.0))], [*readers, share, plain, drift])["a"]
    for row, text in enumerate(TEXTS):
        ids = tokens(text)
        before = logits(subject, ids)
        for column, strength in enumerate((0.0, 0.5, 2.0)):
            z = logits(subject, ids, strength)
            loss = F.cross_entropy(z[:-1], torch.tensor(ids[1:]), reduction="sum").item()
            p, q = before[:-1].log_softmax(-1), z[:-1].log_softmax(-1)
            assert found["neutral loss"][row, column] == pytest.approx(loss, rel=1e-5)
            assert found["divergence"][row, column] == pytest.approx((p.exp() * (p - q)).sum().item(), abs=1e-5)
            assert found["preference"][row, column] == pytest.approx(-loss / (len(ids) - 1), rel=1e-5)
            up = z[-1].softmax(-1)
            assert found["q"][row, column] == pytest.approx(up[5].item(), abs=1e-6)
            assert found["p"][row, column] == pytest.approx(
                ((up[5] + up[9]) / (up[5] + up[9] + up[7])).item(), abs=1e-6
            )


def test_the_curves_are_their_definitions(subject: Subject) -> None:
    data = neutral_data(subject, TEXTS)
    effect = TokenProbability(name="p", data=prompt_data(subject, TEXTS), targets=(5,))
    arm = Steered("a", controller(), (0.5, 2.0))
    readers = [ExcessLoss(data=data), Divergence(data=data)]
    values = read_arms(subject, [arm], [effect, *readers])["a"]
    found = study(
        subject, [arm], effect, readers, budgets={"neutral loss": 9.0}, wanted="more", rng=Rng(0), removed=True
    )
    curves = found["a"].curves
    loss = values["neutral loss"].sum(axis=0)
    np.testing.assert_allclose(curves["neutral loss"].values, loss / loss[0] - 1)
    tokens = sum(len(text.split()) for text in TEXTS)
    np.testing.assert_allclose(curves["divergence"].values, values["divergence"].sum(axis=0) / tokens)
    np.testing.assert_allclose(curves[REMOVED].values, 1 - values["p"].mean(axis=0) / values["p"].mean(axis=0)[0])
    assert (curves["divergence"].band.low[0], curves["divergence"].band.high[0]) == (0.0, 0.0)
    for curve in curves.values():
        assert (curve.band.low <= curve.values).all()
        assert (curve.values <= curve.band.high).all()
    assert found["a"].chosen.value in (0.5, 2.0)
    assert {m.status for m in found["a"].measurements} == {"ok"}


def test_an_instruction_is_read_in_the_text_alone(subject: Subject) -> None:
    """Losses and probabilities of each text after the words of the instruction, as a plain loop gives them."""
    data = neutral_data(subject, TEXTS)
    readers = [ExcessLoss(data=data), TokenProbability(name="p", data=prompt_data(subject, TEXTS), targets=(5,))]
    found = read_arms(subject, [Instructed("told", "w1 w2 w3")], readers)["told"]
    for row, text in enumerate(TEXTS):
        ids = Words()(f"w1 w2 w3 {text}")
        z = logits(subject, ids)
        loss = F.cross_entropy(z[3:-1], torch.tensor(ids[4:]), reduction="sum").item()
        assert found["neutral loss"][row, 1] == pytest.approx(loss, rel=1e-5)
        assert found["p"][row, 1] == pytest.approx(z[-1].softmax(-1)[5].item(), abs=1e-6)


def test_copies_and_what_is_written(subject: Subject) -> None:
    said = Written(name="w5", prompts=tuple(TEXTS), shows=lambda _, text: "w5" in text.split(), tokens=4)
    found = read_arms(subject, [Copies("same", {3.0: subject}), Steered("a", controller(), (8.0,))], [said])
    np.testing.assert_array_equal(found["same"]["w5"][:, 0], found["same"]["w5"][:, 1])
    assert set(np.unique(found["a"]["w5"])) <= {0.0, 1.0}


def test_random_directions_keep_the_norm_and_their_mean_has_an_interval_over_them(subject: Subject) -> None:
    arms = random_arms(controller(), [1.0], draws=3, rng=Rng(0))
    vectors = [arm.controller.steps[0].edit.vector for arm in arms]  # type: ignore[attr-defined]
    for vector in vectors:
        assert float(vector.norm()) == pytest.approx(float(direction().norm()))
    assert abs(float(F.cosine_similarity(vectors[0], vectors[1], dim=0))) < 0.9
    effect = TokenProbability(name="p", data=prompt_data(subject, TEXTS), targets=(5,))
    control = random_control(
        subject,
        controller(),
        1.0,
        effect,
        [ExcessLoss(data=neutral_data(subject, TEXTS))],
        draws=3,
        rng=Rng(0),
        removed=True,
    )
    values = read_arms(subject, arms, [effect])
    mean = np.mean([values[arm.name]["p"][:, 1].mean() for arm in arms])
    assert control["p"].value == pytest.approx(mean)
    assert set(control) == {"p", "neutral loss", REMOVED}
    assert control["p"].uncertainty.covers == {"data", "seed"}


def test_the_interval_over_directions_and_texts_covers() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        own, texts = rng.normal(size=(6, 1)), 0.8 * rng.normal(size=(1, 40))
        _, interval = pooled(1.0 + own + texts + rng.normal(size=(6, 40)))
        assert interval.low is not None
        assert interval.high is not None
        hits += bool(interval.low <= 1.0 <= interval.high)
    assert 0.92 <= hits / 300 <= 0.99


def test_what_is_chosen_on_some_texts_is_measured_on_others(subject: Subject) -> None:
    halves = [
        Texts(
            effect=TokenProbability(name="p", data=prompt_data(subject, texts), targets=(5,)),
            side_effects=(ExcessLoss(data=neutral_data(subject, texts)),),
        )
        for texts in (TEXTS[:12], TEXTS[12:])
    ]
    arms = [Steered("up", controller(), (0.5, 2.0)), Steered("down", replace(controller(), strength=-1.0), (0.5, 2.0))]
    found = select(subject, arms, *halves, budgets={"neutral loss": 9.0}, wanted="more", rng=Rng(0))
    assert found.arm is not None
    assert found.strength is not None
    means = {
        (arm.name, s): one.curves["p"].values[i]
        for arm, one in ((arm, found.tried[arm.name]) for arm in arms)
        for i, s in enumerate(one.strengths)
        if i
    }
    assert means[found.arm.name, found.strength] == max(means.values())
    values = read_arms(subject, [found.arm.at(found.strength)], [halves[1].effect])[found.arm.name]["p"]
    reading = found.reading("p")
    assert reading is not None
    assert reading.value == pytest.approx(values[:, 1].mean())


def test_no_share_is_told_of_what_the_untouched_network_hardly_shows(subject: Subject) -> None:
    """Also where one text of many is counted, which the exact ends of a share tell from 0."""
    seen: list[int] = []

    def shows(_prompt: str, _written: str) -> bool:
        seen.append(0)
        return len(seen) == 1  # the untouched network comes first

    once = Written(name="rude", prompts=tuple(TEXTS), shows=shows, tokens=1)
    found = study(
        subject, [Steered("a", controller(), (1.0,))], once, [], budgets={}, wanted="less", removed=True, rng=Rng(0)
    )["a"]
    assert found.curves["rude"].values.tolist() == pytest.approx([1 / 24, 0])
    told = [m for m in found.measurements if m.quantity == "removed_share"]
    assert [m.status for m in told] == ["insufficient"] * 2
    assert told[1].reason.startswith("rude is not told from 0 in the untouched network")


def test_no_share_is_told_of_a_mean_whose_interval_holds_zero(subject: Subject) -> None:
    labels = np.where(np.arange(24) % 2 == 0, 1.0, -1.0)
    arms, data = [Steered("a", controller(), (1.0,))], neutral_data(subject, TEXTS)
    for effect, status in (
        (Preference(name="effect", data=data, labels=labels), "insufficient"),  # labels without a meaning
        (TokenProbability(name="effect", data=prompt_data(subject, TEXTS), targets=(5,)), "ok"),
    ):
        found = study(subject, arms, effect, [], budgets={}, wanted="less", removed=True, rng=Rng(0))["a"]
        told = [m for m in found.measurements if m.quantity == "removed_share"]
        assert {m.status for m in told} == {status}
        control = random_control(subject, controller(), 1.0, effect, [], draws=2, rng=Rng(0), removed=True)[REMOVED]
        assert control.status == status
        curve = found.curves["effect"].values
        np.testing.assert_allclose(found.curves[REMOVED].values, 1 - curve / curve[0], atol=1e-12)


def test_bad_input_names_its_cause(subject: Subject) -> None:
    data = neutral_data(subject, TEXTS)
    effect = TokenProbability(name="p", data=prompt_data(subject, TEXTS), targets=(5,))
    with pytest.raises(GnomonError, match="do not rise from above 0"):
        Steered("a", controller(), (1.0, 0.5))
    with pytest.raises(UnknownNameError, match="side effect"):
        study(
            subject, [Steered("a", controller(), (1.0,))], effect, [ExcessLoss(data=data)],
            budgets={"loss": 0.1}, wanted="more", rng=Rng(0),
        )  # fmt: skip
    arms = [Steered("a", controller(), (1.0,))]
    never = Written(name="rude", prompts=tuple(TEXTS), shows=lambda _, __: False, tokens=1)
    with pytest.raises(GnomonError, match="rude is 0 in the untouched network"):
        study(subject, arms, never, [], budgets={}, wanted="less", removed=True, rng=Rng(0))
    few = Written(name="few", prompts=("w1",), shows=lambda _, __: pytest.fail("was read"), tokens=1)
    with pytest.raises(GnomonError, match="a band needs 10"):
        study(subject, arms, few, [], budgets={}, wanted="more", rng=Rng(0))
    with pytest.raises(GnomonError, match="same name"):
        read_arms(subject, [Steered("a", controller(), (1.0,))] * 2, [effect])
    with pytest.raises(GnomonError, match="at least two"):
        pooled(np.ones((1, 5)))
