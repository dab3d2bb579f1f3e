"""Jacobians of a network against automatic differentiation, and the effect of steps against a closed form."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import digamma
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.mixtures import context_jacobians, step_effects, strand_effects
from gnomon.structure.subspace import Subspace
from gnomon.subjects import ArrayData, CrossEntropy, NextToken, Site, SquaredError, Subject, TokenData

_D = 4


def _small_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    size = {"vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 64}
    config = LlamaConfig(**size, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    return LlamaForCausalLM(config).eval()


def _classifier(head: nn.Linear) -> Subject:
    module = nn.Sequential(nn.Identity(), head)
    return Subject(module, loss=CrossEntropy(), sites=[Site("input", "0"), Site("logits", "")])


def test_jacobians_of_several_outputs_are_those_of_automatic_differentiation() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    subject = Subject(module, loss=SquaredError(), sites=[Site("input", "", "input"), Site("logits", "")])
    data = ArrayData(torch.randn(9, 5), torch.zeros(9, 3), clusters=np.arange(9) // 3)
    found = context_jacobians(subject, data, "input", outputs=3)
    for i in range(9):
        expected = torch.autograd.functional.jacobian(module, data.inputs[i])
        torch.testing.assert_close(found[i], expected.double(), rtol=1e-4, atol=1e-6)
    assert data.clusters.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_jacobian_of_a_classifier_is_a_root_of_the_fisher_metric() -> None:
    """All its columns together: JᵀJ is the metric pulled back."""
    torch.manual_seed(1)
    head = nn.Linear(_D, 3)
    subject, data = _classifier(head), ArrayData(torch.randn(6, _D), torch.zeros(6, dtype=torch.long))
    found = context_jacobians(subject, data, "input", outputs=3)
    for i in range(6):
        p = head(data.inputs[i]).softmax(0).detach()
        metric = head.weight.T @ (p.diag() - p[:, None] * p) @ head.weight
        torch.testing.assert_close(found[i].T @ found[i], metric.detach().double(), rtol=1e-4, atol=1e-6)


def test_gradient_of_a_language_model_is_that_of_the_last_prediction() -> None:
    model = _small_llama()
    generator = np.random.default_rng(0)
    data = TokenData([generator.integers(31, size=generator.integers(3, 14)) for _ in range(8)])
    found = context_jacobians(Subject(model, loss=NextToken()), data, "blocks.0")
    assert found.shape == (8, 1, 16)
    for i, tokens in enumerate(data.sequences):
        states = model(input_ids=torch.from_numpy(tokens)[None], output_hidden_states=True, use_cache=False)
        (gradient,) = torch.autograd.grad(states.logits[0, -2].log_softmax(0).max(), states.hidden_states[1])
        torch.testing.assert_close(found[i, 0], gradient[0, -2].double(), rtol=2e-4, atol=1e-6)


def test_more_outputs_than_there_are_and_examples_without_a_prediction_are_refused() -> None:
    subject = Subject(_small_llama(), loss=NextToken())
    with pytest.raises(GnomonError, match="32 outputs of 31"):
        context_jacobians(subject, TokenData([[1, 2, 3]]), "blocks.0", outputs=32)
    mixed = TokenData([[1, 2, 3], [4]])
    with pytest.raises(GnomonError):
        context_jacobians(subject, mixed, "blocks.0")
    with pytest.raises(GnomonError, match="1 examples have no prediction"):
        step_effects(subject, mixed, "blocks.0", torch.ones(2, 16), length=0.1)


def test_the_effect_of_a_step_is_the_divergence_of_the_moved_prediction() -> None:
    torch.manual_seed(2)
    head, steps = nn.Linear(_D, 3), torch.nn.functional.normalize(torch.randn(7, _D))
    subject, data = _classifier(head), ArrayData(torch.randn(7, _D), torch.zeros(7, dtype=torch.long))
    found = step_effects(subject, data, "input", steps, length=0.3)
    h = data.inputs
    moved = h + 0.3 * h.norm(dim=1, keepdim=True) * steps.float()
    before, after = (head(x).double().log_softmax(1) for x in (h, moved))
    torch.testing.assert_close(found, (before.exp() * (before - after)).sum(1).detach(), rtol=1e-4, atol=1e-7)


def test_a_step_along_the_one_direction_that_counts() -> None:
    r"""In d dimensions the squared component of a random step has a mean logarithm of ψ(1/2) - ψ(d/2)."""
    head = nn.Linear(_D, 2, bias=False)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[0, 0] = 1.0
    n = 2000
    inputs = torch.randn(n, _D, generator=torch.Generator().manual_seed(0))
    data = ArrayData(inputs, torch.zeros(n, dtype=torch.long), clusters=np.arange(n) // 2)
    eye = torch.eye(_D, dtype=torch.float64)
    strands = {"heard": Subspace.line(eye[0]), "unheard": Subspace.line(eye[1])}
    members = dict.fromkeys(strands, torch.arange(n) < n // 2)
    measured = strand_effects(_classifier(head), data, "input", strands, members, rng=Rng(0), length=0.01)
    truth = math.exp(digamma(_D / 2) - digamma(0.5))
    for measurement in measured[:2]:  # contexts in the strand and outside of it: here there is no difference
        assert measurement.uncertainty.contains(measurement.value, truth)
        assert measurement.uncertainty.high / measurement.uncertainty.low < 1.4
    for measurement in measured[2:]:
        assert measurement.value < 1e-4
    assert [m.labels["group"] for m in measured] == ["in the strand", "outside"] * 2


def test_few_contexts_are_insufficient_and_no_strands_have_no_effects() -> None:
    data = ArrayData(torch.randn(9, _D), torch.zeros(9, dtype=torch.long))
    subject, line = _classifier(nn.Linear(_D, 2)), Subspace.line(torch.ones(_D))
    first, second = strand_effects(subject, data, "input", {"0": line}, {"0": torch.arange(9) < 1}, rng=Rng(0))
    assert (first.status, second.status) == ("insufficient", "ok")
    assert strand_effects(subject, data, "input", {}, {}, rng=Rng(0)) == []


@pytest.mark.slow
@pytest.mark.shared
def test_the_study_of_the_stories_model_runs(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "docs/examples"))
    import strands

    options = {"model": shared_data / "stories260K", "texts": shared_data / "stories_sampled.txt", "out": tmp_path}
    options |= {"limit": 120, "most": 3, "sites": "blocks.4"}
    strands.main([str(part) for name, value in options.items() for part in (f"--{name}", value)])
    (found,) = json.loads((tmp_path / "strands.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == [found]
    assert found["contexts"] == 2 * found["texts"] > 64
    assert {m["quantity"] for m in found["measurements"]} >= {"number_of_strands", "strand_angles"}
    assert (tmp_path / "strands.svg").read_text(encoding="utf-8").startswith("<svg")
