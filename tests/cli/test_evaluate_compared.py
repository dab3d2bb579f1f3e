"""`gnomon evaluate --compare`: readings bare, deployed, and the paired change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gnomon.assurance import Deployment
from gnomon.cli.evaluate_compared import compared_by, cost, left_out, print_compared, told
from gnomon.control.controller import Controller, Step
from gnomon.control.edits import Add
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.llama import llama
from gnomon.organisms.language_models.tokenizer import word_level
from gnomon.randomness import Rng
from gnomon.subjects import NextToken, Subject

WORDS = ["the", "nurse", "clerk", "baker", "said", "she", "he", "left"]


def deployment(folder: Path, *, steered: bool = True) -> Deployment:
    module = llama(vocabulary=4 + len(WORDS), width=16, layers=1, heads=2, context=16, rng=Rng(0))
    tokenizer = word_level(WORDS)
    subject = Subject(module, loss=NextToken(), tokenizer=tokenizer, context=16, name="small")
    push = torch.zeros(4 + len(WORDS))
    push[tokenizer.get_vocab()["she"]] = 1.0
    rows = [f"{n},{t},the {n} {t},she,he,{s},{1 - s}" for n, s in (("nurse", 0.8), ("clerk", 0.6), ("baker", 0.2))
            for t in ("said", "left")]  # fmt: skip
    header = "item,template,prompt,words:a,words:b,share:a,share:b"
    (folder / "occupations.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (folder / "neutral.txt").write_text("the baker left\nthe nurse said he left\nshe left\n", encoding="utf-8")
    controller = Controller("push", (Step("logits", Add(push)),)) if steered else None
    return Deployment(subject=subject, controller=controller, folder=folder)


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gnomon.assurance.fairness import BiasAmplification

    given = deployment(tmp_path)
    found, costs = compared_by((BiasAmplification(),), given, Rng(0), 0.9), cost(given, 0.9)
    print_compared(found, costs)
    printed = capsys.readouterr().out
    assert "bias_amplification" in printed
    assert "relative_excess_loss" in printed
    document = json.loads(json.dumps(told(found, costs)))
    for row in document["compared"]:
        assert row["change"]["value"] == pytest.approx(row["deployed"]["value"] - row["bare"]["value"])
        assert row["change"]["uncertainty"]["level"] == 0.9
    assert document["cost"][0]["value"] != 0


def test_what_cannot_be_compared_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gnomon.assurance.efficiency import Efficiency
    from gnomon.assurance.fairness import BiasAmplification, BiasPairs

    with pytest.raises(GnomonError, match="no controller"):
        compared_by((BiasAmplification(),), deployment(tmp_path, steered=False), Rng(0), 0.95)
    with pytest.raises(GnomonError, match=r"row by row \(bias_pairs: no material 'pairs'\)"):
        compared_by((BiasPairs(),), deployment(tmp_path), Rng(0), 0.95)
    lacking = left_out((BiasAmplification(), BiasPairs(), Efficiency()), deployment(tmp_path))
    assert lacking == {"bias_pairs": "no material 'pairs'", "efficiency": "its readings are no means of rows"}
    print_compared([], [], lacking)
    assert "no means of rows" in capsys.readouterr().out
    assert told([], [], lacking)["left_out"] == lacking
