"""Quantised and pruned weights against loops, and what they take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_llamas import one_llama, small_llama
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from gnomon.assurance import Deployment
from gnomon.assurance.efficiency import Changed, Pruned, Quantised, Smaller, change_of
from gnomon.control.controller import Controller
from gnomon.errors import GnomonError
from gnomon.subjects import ArrayData, CrossEntropy, NextToken, Subject

LLAMA_MAPS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")


def rounded(row: list[float], bits: int) -> list[float]:
    """One output's weights at the nearest multiple of its scale, ties to even."""
    scale = max(abs(w) for w in row) / (2 ** (bits - 1) - 1)
    return [float(np.rint(w / scale) * scale) for w in row]


def mapped(subject: Subject) -> dict[str, torch.Tensor]:
    return {n: p for n, p in subject.module.named_parameters() if any(f"{m}.weight" in n for m in LLAMA_MAPS)}


@pytest.mark.parametrize("bits", [8, 4, 3], ids=["8", "4", "3"])
def test_each_output_is_rounded_to_its_own_multiples(bits: int) -> None:
    subject = one_llama()
    before = subject.weights_hash()
    changed = Quantised(bits).apply(Deployment(subject=subject))
    assert subject.weights_hash() == before
    original, found = mapped(subject), mapped(changed.deployment.subject)
    for name, weight in original.items():
        wanted = np.array([rounded(row, bits) for row in weight.double().tolist()])
        np.testing.assert_allclose(found[name].detach().numpy(), wanted, atol=1e-6)
        assert all(len(row.unique()) <= 2**bits - 1 for row in found[name])
    kept = set(dict(subject.module.named_parameters())) - set(original)
    after = dict(changed.deployment.subject.module.named_parameters())
    assert all(torch.equal(dict(subject.module.named_parameters())[n], after[n]) for n in kept)


def test_bytes_are_those_of_packed_weights_and_their_scales() -> None:
    subject = one_llama()
    weights = mapped(subject)
    rest = sum(4 * p.numel() for n, p in subject.module.named_parameters() if n not in weights)
    rest += sum(4 * b.numel() for b in subject.module.buffers())
    for bits in (8, 4):
        packed = sum(w.numel() * bits // 8 + 4 * w.shape[0] for w in weights.values())
        assert Quantised(bits).apply(Deployment(subject=subject)).bytes == packed + rest


def test_what_is_rounded_already_stays() -> None:
    once = Quantised(4).apply(Deployment(subject=one_llama())).deployment
    twice = Quantised(4).apply(once).deployment
    for one, two in zip(once.subject.module.parameters(), twice.subject.module.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-7, rtol=1e-6)


def test_outputs_that_are_zero_stay_zero() -> None:
    subject = small_llama()
    with torch.no_grad():
        next(iter(mapped(subject).values()))[3] = 0.0
    found = Quantised(8).apply(Deployment(subject=subject)).deployment.subject
    assert not next(iter(mapped(found).values()))[3].any()


def gpt2(**changes: Any) -> Subject:
    config = GPT2Config(vocab_size=20, n_positions=12, n_embd=16, n_layer=2, n_head=2, **changes)
    return Subject(GPT2LMHeadModel(config).eval(), loss=NextToken(), name="gpt2", context=12)


def test_weights_that_hold_their_inputs_first_are_scaled_by_output() -> None:
    subject = gpt2()
    found: Any = Quantised(4).apply(Deployment(subject=subject)).deployment.subject.module
    original: Any = subject.module
    wanted = [rounded(column, 4) for column in original.transformer.h[0].attn.c_attn.weight.T.double().tolist()]
    np.testing.assert_allclose(found.transformer.h[0].attn.c_attn.weight.T.detach().numpy(), wanted, atol=1e-6)
    assert found.lm_head.weight is found.transformer.wte.weight  # still tied
    assert not torch.equal(found.lm_head.weight, original.lm_head.weight)


@pytest.mark.parametrize("share", [0.5, 0.1], ids=["half", "tenth"])
def test_the_smallest_weights_of_each_map_are_zero_and_the_others_as_they_were(share: float) -> None:
    subject = one_llama()
    changed = Pruned(share).apply(Deployment(subject=subject))
    found, zeros, saved = mapped(changed.deployment.subject), 0, 0
    for name, weight in mapped(subject).items():
        magnitudes = weight.abs().flatten()
        count = round(share * weight.numel())
        limit = magnitudes.sort().values[count - 1]
        assert torch.equal(found[name] == 0, weight.abs() <= limit)
        assert torch.equal(found[name][found[name] != 0], weight[weight.abs() > limit])
        zeros += count
        saved += 4 * count - (weight.numel() + 7) // 8
    whole = Quantised(8).apply(Deployment(subject=subject))  # for the bytes as they were
    held = sum(4 * t.numel() for t in (*subject.module.parameters(), *subject.module.buffers()))
    assert changed.bytes == held - saved
    assert changed.idle_flops == 2 * zeros
    assert whole.idle_flops == 0


def test_whole_outputs_are_pruned_by_their_norm_but_not_those_of_the_head() -> None:
    subject = one_llama()
    changed = Pruned(0.25, rows=True).apply(Deployment(subject=subject))
    found = mapped(changed.deployment.subject)
    for name, weight in mapped(subject).items():
        norms = weight.norm(dim=1)
        count = 0 if "lm_head" in name else len(norms) // 4
        gone = set(norms.argsort()[:count].tolist())
        assert {i for i, row in enumerate(found[name]) if not row.any()} == gone
        assert torch.equal(
            found[name][sorted(set(range(len(norms))) - gone)], weight[sorted(set(range(len(norms))) - gone)]
        )


def test_a_convolution_is_changed_by_output_channel() -> None:
    module = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    data = ArrayData(np.zeros((2, 2, 6), dtype=np.float32), np.zeros(2, dtype=np.int64))
    subject = Subject(module, loss=CrossEntropy(), data=data, name="convolution")
    found: Any = Quantised(4).apply(Deployment(subject=subject)).deployment.subject.module
    wanted = [rounded(row, 4) for row in module[0].weight.flatten(1).double().tolist()]
    np.testing.assert_allclose(found[0].weight.flatten(1).detach().numpy(), wanted, atol=1e-6)


def test_another_network_is_as_it_is_and_refuses_safeguards() -> None:
    large, small = one_llama(), small_llama(hidden_size=16)
    changed: Changed = Smaller(small, "small").apply(Deployment(subject=large))
    assert changed.deployment.subject is small
    assert not changed.simulated
    controller = object.__new__(Controller)
    with pytest.raises(GnomonError, match="another network"):
        Smaller(small, "small").apply(replace(Deployment(subject=large), controller=controller))


def test_changes_are_read_from_text() -> None:
    assert change_of("int8") == Quantised(8)
    assert change_of("pruned=50%") == Pruned(0.5)
    assert change_of(" pruned_rows=0.25 ") == Pruned(0.25, rows=True)
    for text in ("int8", "int4", "pruned=0.5", "pruned_rows=0.25"):
        assert change_of(text).name == text
    for wrong in ("int1", "int9", "pruned=0", "pruned=100%", "pruned=half", "quantised", "int", ""):
        with pytest.raises(GnomonError):
            change_of(wrong)
