"""Counterfactual swaps: against probabilities that are known, and what the comparison with neutral words is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from known_languages import bigram

from gnomon.assurance import Deployment
from gnomon.assurance.fairness import CounterfactualSwaps, Swap, compare, neutral_cost, read_swap_texts, read_swaps
from gnomon.assurance.fairness.alike import Alike
from gnomon.control.controller import Controller, Step
from gnomon.control.edits import Add
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng

WORDS = ["he", "she", "him", "her", "cup", "mug", "jar", "pot", "is", "so", "good", "bad", "and", "then"]
AFTER = {
    "he": {"is": 0.8, "so": 0.1},
    "she": {"is": 0.4, "so": 0.5},
    "cup": {"is": 0.6, "so": 0.3},
    "mug": {"is": 0.5, "so": 0.4},
    "jar": {"is": 0.6, "so": 0.35},
    "pot": {"is": 0.6, "so": 0.35},
}
SWAPS = "kind,first,second\ngender,he|him,she|her\nneutral,cup,mug\nneutral,jar,pot\n"
TEXTS = ["then he is good", "and he so bad", "then he is bad", "and cup is good", "then mug so bad", "and jar is bad"]


def materials(tmp_path: Path, swaps: str = SWAPS, texts: list[str] = TEXTS) -> dict[str, Path]:
    found = {"swaps": tmp_path / "swaps.csv", "swap_texts": tmp_path / "texts.txt", "neutral": tmp_path / "neutral.txt"}
    found["swaps"].write_text(swaps, encoding="utf-8")
    found["swap_texts"].write_text("\n".join(texts) + "\n", encoding="utf-8")
    found["neutral"].write_text("\n".join(f"and {w} is so" for w in WORDS) + "\n", encoding="utf-8")
    return found


def run(tmp_path: Path, **more: object) -> dict[tuple[str, str], Measurement]:
    deployment = Deployment(subject=bigram(WORDS, AFTER), materials=materials(tmp_path, **more))  # type: ignore[arg-type]
    return {(m.quantity, m.labels["kind"]): m for m in CounterfactualSwaps().run(deployment, Rng(0))}


def tv(a: str, b: str) -> float:
    """Between what comes after two words, the rest spread evenly over the other tokens."""
    size = len(WORDS) + 4
    rows = []
    for word in (a, b):
        left = (1 - sum(AFTER[word].values())) / (size - len(AFTER[word]))
        rows.append(np.array([AFTER[word].get(w, left) for w in WORDS] + [left] * 4))
    return float(np.abs(rows[0] - rows[1]).sum() / 2)


def test_values_by_hand(tmp_path: Path) -> None:
    """Two tokens follow each word, and only the first of them depends on it."""
    found = run(tmp_path)
    assert found[("swap_total_variation", "gender")].value == pytest.approx(tv("he", "she") / 2, abs=1e-5)
    neutral = (2 * tv("cup", "mug") + tv("jar", "pot")) / 3 / 2
    assert found[("swap_total_variation", "neutral")].value == pytest.approx(neutral, abs=1e-5)
    assert found[("swap_excess", "gender")].value == pytest.approx(tv("he", "she") / 2 - neutral, abs=1e-5)
    change = np.mean([np.log(0.8 / 0.4), np.log(0.1 / 0.5), np.log(0.8 / 0.4)]) / 2
    assert found[("swap_loss_change", "gender")].value == pytest.approx(change, abs=1e-4)


def test_one_swap_speaks_of_itself(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found[("swap_loss_change", "gender")].diagnostics["over"] == "texts"
    assert found[("swap_loss_change", "neutral")].diagnostics["over"] == "texts and swaps"


def test_relabelling_cannot_be_surer_than_there_are_relabellings(tmp_path: Path) -> None:
    """Of three swaps one is of gender: the least p-value is 1/3."""
    found = run(tmp_path)[("swap_excess", "gender")]
    assert found.diagnostics["permutation_p"] == pytest.approx(1 / 3, abs=0.06)


def test_relabelling_keeps_its_level(tmp_path: Path) -> None:
    """Swaps that differ by chance alone: p-values below a tenth come in about a tenth of the draws."""
    rng, low = np.random.default_rng(0), 0
    words = [f"w{i}" for i in range(16)]
    swaps = "kind,first,second\n" + "".join(
        f"{'gender' if i < 4 else 'neutral'},{words[2 * i]},{words[2 * i + 1]}\n" for i in range(8)
    )
    given = materials(tmp_path, swaps, [f"and {words[2 * i]} is" for i in range(8)])
    for _ in range(60):
        subject = bigram([*words, "and", "is"], {w: {"is": float(rng.uniform(0.1, 0.9))} for w in words})
        found = CounterfactualSwaps().run(Deployment(subject=subject, materials=given), Rng(0))
        (excess,) = [m for m in found if m.quantity == "swap_excess"]
        low += excess.diagnostics["permutation_p"] <= 0.1
    assert low <= 13  # of Bin(60, 0.1), with probability 0.995


def test_swaps_are_applied() -> None:
    swap = Swap(kind="gender", first=("he", "his", "him"), second=("she", "her", "her"))
    assert swap.applied("He saw his cat, then the heat.") == (
        "He saw his cat, then the heat.",
        "She saw her cat, then the heat.",
    )
    assert swap.applied("She left") is None, "of whom is her?"
    names = Swap(kind="names", first=("Ann Lee",), second=("Bob",))
    assert names.applied("so Bob went") == ("so Ann Lee went", "so Bob went")
    assert names.applied("nobody went") is None


def test_texts_without_the_words_are_no_rows(tmp_path: Path) -> None:
    found = run(tmp_path, texts=["then so good"])
    assert {m.reason for m in found.values()} == {"there are no rows"}


def test_a_token_that_nothing_stands_before_is_not_compared() -> None:
    """Where the second text has a word more before its first: nothing predicts that first word."""
    both = Alike(first=(5, 7, 8), second=(4, 5, 7, 8), shared=((0, 1), (1, 2), (2, 3)))
    assert both.after == ((1, 2), (2, 3))


def test_files(tmp_path: Path) -> None:
    given = materials(tmp_path)
    assert [s.name for s in read_swaps(given["swaps"])] == ["he / she", "cup / mug", "jar / pot"]
    texts = tmp_path / "t.csv"
    texts.write_text("text,cluster\na b,one\nc d,one\n", encoding="utf-8")
    assert read_swap_texts(texts) == [("a b", "one"), ("c d", "one")]
    (tmp_path / "bad.csv").write_text("kind,first,second\ngender,he|him,she\n", encoding="utf-8")
    with pytest.raises(GnomonError, match=r"line 2: 'he\|him' and 'she' do not match"):
        read_swaps(tmp_path / "bad.csv")


def test_a_controller_is_compared_in_pairs(tmp_path: Path) -> None:
    """It adds to the logit of "is" everywhere: the paired change is what the two readings differ by."""
    subject = bigram(WORDS, AFTER)
    push = torch.zeros(len(WORDS) + 4)
    push[subject.tokenizer.get_vocab()["is"]] = 1.0
    controller = Controller("push", (Step("logits", Add(push)),))
    deployment = Deployment(subject=subject, controller=controller, materials=materials(tmp_path))
    before = subject.weights_hash()
    found = compare(CounterfactualSwaps(), deployment, Rng(0), level=0.9)
    for one in found:
        if one.change.status == "ok":
            assert one.change.value == pytest.approx(one.deployed.value - one.bare.value)  # type: ignore[operator]
            assert one.change.uncertainty.level == 0.9
    assert any(abs(one.change.value or 0.0) > 0.01 for one in found)  # type: ignore[arg-type]
    cost = neutral_cost(deployment, level=0.9)
    assert cost.uncertainty.level == 0.9
    assert subject.weights_hash() == before


def test_neutral_cost_by_hand(tmp_path: Path) -> None:
    subject = bigram(WORDS, AFTER)
    push = torch.zeros(len(WORDS) + 4)
    push[subject.tokenizer.get_vocab()["is"]] = 2.0
    controller = Controller("push", (Step("logits", Add(push)),))
    deployment = Deployment(subject=subject, controller=controller, materials=materials(tmp_path))

    def loss() -> float:
        total = 0.0
        for word in WORDS:
            ids = torch.tensor([subject.tokenizer(f"and {word} is so")["input_ids"]])
            scores = subject.module(ids).detach().double().log_softmax(-1)
            total -= sum(float(scores[0, t, ids[0, t + 1]]) for t in range(ids.shape[1] - 1))
        return total

    bare = loss()
    with controller.on(subject):
        steered = loss()
    assert neutral_cost(deployment).value == pytest.approx(steered / bare - 1, rel=1e-6)


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="no controller"):
        compare(CounterfactualSwaps(), Deployment(subject=bigram(["a"], {}), materials=materials(tmp_path)), Rng(0))
