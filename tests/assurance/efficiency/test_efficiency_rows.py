"""What the evaluation `efficiency` reads, against closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from small_llamas import one_llama, small_llama

from gnomon.assurance import Deployment
from gnomon.assurance.efficiency import Efficiency, median_interval
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Subject


def per_token(c: Any, context: int) -> float:
    """FLOPs of one token that looks at ``context`` tokens, itself among them."""
    width = c.hidden_size // c.num_attention_heads
    weights = c.hidden_size * width * (2 * c.num_attention_heads + 2 * c.num_key_value_heads)
    weights += 3 * c.hidden_size * c.intermediate_size
    attention = 4 * c.hidden_size * context
    return c.num_hidden_layers * (2 * weights + attention) + 2 * c.hidden_size * c.vocab_size


def rows(subject: Subject, **options: Any) -> dict[tuple[str, str], Measurement]:
    found = Efficiency(repeats=6, **options).run(Deployment(subject=subject), Rng(0))
    return {(m.quantity, m.labels.get("phase", "")): m for m in found}


def test_counts_and_bytes_are_those_of_the_closed_forms() -> None:
    subject = one_llama()
    config: Any = subject.module.config
    found = rows(subject, prompt=20, written=5)
    assert found["flops_per_token", "prefill"].value == per_token(config, 20)
    decoded = [per_token(config, 20 + i) for i in range(1, 6)]
    assert found["flops_per_token", "decode"].value == pytest.approx(np.mean(decoded))
    assert found["cache_bytes_per_token", ""].value == 2 * 2 * 2 * 8 * 4
    parameters = sum(p.numel() for p in subject.module.parameters())
    buffers = sum(b.numel() for b in subject.module.buffers())
    assert found["weight_bytes", ""].value == 4 * (parameters + buffers)
    # the largest things alive at once are at least the logits, and at most all that every layer makes
    assert 4 * 20 * config.vocab_size < found["activation_peak_bytes", ""].value < 4 * 20 * 32 * 100
    assert found["disk_bytes", ""].status == "insufficient"
    assert all(m.uncertainty.kind == "exact" for (name, _), m in found.items() if name.startswith("flops"))


def test_a_tied_head_is_held_once_and_counted_as_it_works() -> None:
    tied, apart = (rows(small_llama(tie_word_embeddings=one), prompt=4, written=1) for one in (True, False))
    assert tied["flops_per_token", "prefill"].value == apart["flops_per_token", "prefill"].value
    vocabulary = one_llama().module.config.vocab_size  # type: ignore[union-attr]
    assert apart["weight_bytes", ""].value - tied["weight_bytes", ""].value == 4 * 32 * vocabulary


def test_time_and_energy_are_positive_and_labelled() -> None:
    found = rows(one_llama(), prompt=8, written=2)
    for phase in ("prefill", "decode"):
        seconds, joules, grams = (found[f"{name}_per_token", phase] for name in ("seconds", "energy", "carbon"))
        assert 0 < seconds.uncertainty.low <= seconds.value <= seconds.uncertainty.high
        assert joules.diagnostics["meter"] in ("processor time", "RAPL")
        assert joules.diagnostics["estimated"] == (joules.labels["from"] == "estimate")
        assert grams.diagnostics["estimated"] is True
        assert grams.uncertainty.systematic > grams.value  # coal is more than twice the world's average


def test_the_subject_is_left_as_it_was() -> None:
    subject = small_llama()
    subject.module.train()
    before, state = subject.weights_hash(), torch.get_rng_state()
    rows(subject, prompt=4, written=1)
    assert subject.weights_hash() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert all(m.training for m in subject.module.modules())
    assert not any(m._forward_hooks for m in subject.module.modules())


def test_a_short_context_and_a_single_repetition_are_told() -> None:
    subject = small_llama()
    subject.context = 6
    found = rows(subject, prompt=50, written=4)
    assert found["flops_per_token", "prefill"].diagnostics["tokens"] == 2
    shortest = rows(one_llama(), prompt=1, written=1)
    assert shortest["cache_bytes_per_token", ""].value == 2 * 2 * 2 * 8 * 4
    subject.context = 1
    full = rows(subject, prompt=1, written=1)
    assert full["flops_per_token", "decode"].reason == "the context of 1 leaves nothing to write"
    once = Efficiency(repeats=2, prompt=4, written=1).run(Deployment(subject=one_llama()), Rng(0))
    lacking = [m for m in once if m.status == "insufficient" and "phase" in m.labels]
    assert {m.quantity for m in lacking} == {"seconds_per_token", "energy_per_token", "carbon_per_token"}
    assert all(m.suffices["repeats"] >= 6 for m in lacking)


def test_what_reads_no_tokens_is_inapplicable() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    subject = Subject(module, loss=CrossEntropy(), data=ArrayData(np.zeros((2, 3)), np.zeros(2, dtype=np.int64)))
    assert Efficiency().inapplicable(Deployment(subject=subject)) == "it reads no tokens"


def test_files_of_weights_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"1" * 77)
    (tmp_path / "notes.txt").write_bytes(b"1" * 5)
    found = Efficiency(repeats=6, prompt=4, written=1).run(Deployment(subject=one_llama(), folder=tmp_path), Rng(0))
    assert [m.value for m in found if m.quantity == "disk_bytes"] == [77.0]


@pytest.mark.parametrize("n", [6, 11, 30], ids=["6", "11", "30"])
def test_the_interval_of_a_median_covers_it(n: int) -> None:
    draws = stats.lognorm(1.0).rvs((1000, n), random_state=np.random.default_rng(n))
    covered = 0
    for one in draws:
        _, interval = median_interval(one, level=0.95)
        covered += interval.low <= 1.0 <= interval.high  # exp(0) is the median
    # never below the level, beyond what 1000 draws leave open
    assert covered / 1000 > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 1000)
    rank = round(float(np.searchsorted(np.sort(one), median_interval(one)[1].low))) + 1
    assert 1 - 2 * stats.binom(n, 0.5).cdf(rank - 1) >= 0.95
    assert 1 - 2 * stats.binom(n, 0.5).cdf(rank) < 0.95  # the next pair would not do


def test_too_few_repetitions_are_refused_with_how_many_would_do() -> None:
    with pytest.raises(GnomonError, match="at least 6"):
        median_interval([1.0] * 5, level=0.95)
    median_interval([1.0] * 6, level=0.95)
