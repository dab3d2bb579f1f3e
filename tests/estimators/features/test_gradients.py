"""Sampled gradients against gradients taken one example at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from gnomon.estimators.features.contexts import Contexts, sample, sample_independent
from gnomon.estimators.features.gradients import GradientSample
from gnomon.estimators.features.outputs import Component, PredictedLogProbability, hashed_offset
from gnomon.randomness import Rng
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    Data,
    MaskedToken,
    Masking,
    NextToken,
    Site,
    SquaredError,
    Subject,
    TokenData,
    accumulate,
    capture,
)


def gradients(subject: Subject, data: Data, statistic: GradientSample, **limits: int):
    found, _ = accumulate(subject, data, [statistic], Rng(0), **limits)
    return found[statistic]


def in_order(sampled) -> np.ndarray:
    """Values by example and position."""
    return sampled.values[np.lexsort(sampled._keys.T[::-1])]


def small_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=31,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def texts(n: int, vocabulary: int, seed: int = 0, shortest: int = 2) -> TokenData:
    generator = np.random.default_rng(seed)
    return TokenData([generator.integers(vocabulary, size=generator.integers(shortest, 14)) for _ in range(n)])


def by_hand(model: nn.Module, tokens: np.ndarray, position: int, block: int) -> np.ndarray:
    """Gradient of the log-probability of the predicted token with respect to the state after ``block`` blocks."""
    ids = torch.from_numpy(tokens)[None]
    states = model(input_ids=ids, output_hidden_states=True, use_cache=False)
    scores = states.logits[0, position]
    (grad,) = torch.autograd.grad(scores.log_softmax(0)[scores.argmax()], states.hidden_states[block])
    return grad[0, position].numpy()


@pytest.mark.parametrize("cut", [True, False])
def test_language_model_at_the_position_of_the_prediction(cut: bool) -> None:
    model, data = small_llama(), texts(25, 31)
    subject = Subject(model, loss=NextToken())
    contexts = Contexts.of(subject, data, np.arange(25))
    statistic = GradientSample("blocks.0", (PredictedLogProbability("last" if cut else "hashed"),))
    found = in_order(gradients(subject, contexts.data if cut else data, statistic))
    for i, tokens in enumerate(data.sequences):
        position = int(hashed_offset(np.array([i]), np.array([len(tokens) - 1]))[0])
        np.testing.assert_allclose(found[i, 0], by_hand(model, tokens, position, 1), rtol=2e-4, atol=1e-6)


def test_cutting_halves_the_price() -> None:
    data = TokenData([np.arange(30) % 7] * 400)
    cut = Contexts.of(Subject(small_llama(), loss=NextToken()), data, np.arange(400)).data
    assert 0.45 < cut.lengths.sum() / data.lengths.sum() < 0.6
    assert cut.lengths.min() >= 2
    assert cut.lengths.max() == 30


def test_other_data_is_not_cut() -> None:
    data = TokenData([[1, 2, 3]] * 5, masking=Masking(token=0))
    contexts = Contexts.of(Subject(small_llama(), loss=MaskedToken()), data, np.arange(5))
    assert contexts.place == "hashed"
    assert contexts.data.lengths.tolist() == [3] * 5


def test_sampled_contexts() -> None:
    data = ArrayData(torch.zeros(40, 1), clusters=np.arange(40) // 4)
    assert len(sample(data, 7, Rng(0))) == 7
    independent = sample_independent(data, 100, Rng(0))
    assert sorted(data.clusters[independent]) == list(range(10))
    assert len(sample_independent(data, 4, Rng(0))) == 4


def test_independent_of_batching_and_of_sharding() -> None:
    subject, data = Subject(small_llama(), loss=NextToken()), texts(30, 31, shortest=1)
    statistic = GradientSample("blocks.1", (PredictedLogProbability(),), rows=11)
    whole, small = gradients(subject, data, statistic), gradients(subject, data, statistic, max_positions=16)
    assert len(whole.values) == 11
    assert whole.seen == int((data.lengths > 1).sum())
    np.testing.assert_array_equal(small.clusters, whole.clusters)
    np.testing.assert_allclose(small.values, whole.values, rtol=1e-3, atol=1e-6)
    merged = statistic.empty(subject, data, Rng(0))
    for shard in (np.arange(0, 30, 2), np.arange(1, 30, 2)):
        part = statistic.empty(subject, data, Rng(0))
        with subject.evaluating():
            part.update(capture(subject, data.batch(shard), statistic.reads))
        merged.merge(part)
    np.testing.assert_array_equal(merged.clusters, whole.clusters)
    np.testing.assert_allclose(merged.values, whole.values, rtol=1e-3, atol=1e-6)


def test_images_give_a_gradient_at_every_position() -> None:
    torch.manual_seed(1)
    body, head = nn.Conv2d(2, 5, 3), nn.Linear(5 * 16, 4)
    module = nn.Sequential(body, nn.Tanh(), nn.Flatten(), head)
    data = ArrayData(torch.randn(6, 2, 6, 6), torch.zeros(6, dtype=torch.long))
    subject = Subject(module, loss=CrossEntropy(), sites=[Site("map", "1", feature_axis=1), Site("logits", "")])
    found = in_order(gradients(subject, data, GradientSample("map", (PredictedLogProbability(),))))
    assert found.shape == (6 * 16, 1, 5)
    for i in range(6):
        state = body(data.inputs[i : i + 1]).tanh().detach().requires_grad_(True)
        scores = head(state.flatten(1))[0]
        (grad,) = torch.autograd.grad(scores.log_softmax(0).max(), state)
        np.testing.assert_allclose(found[16 * i : 16 * i + 16, 0], grad[0].flatten(1).T.numpy(), rtol=1e-4, atol=1e-6)


def test_several_outputs_and_the_pull_back_through_a_weight() -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    subject = Subject(module, loss=SquaredError(), sites=[Site("input", "", "input"), Site("logits", "")])
    data = ArrayData(torch.randn(8, 4), torch.zeros(8, 3))
    outputs = tuple(Component(index=i) for i in range(3))
    at_input = in_order(gradients(subject, data, GradientSample("input", outputs)))
    jacobian = torch.func.vmap(torch.func.jacrev(module))(data.inputs).detach().numpy()
    np.testing.assert_allclose(at_input, jacobian, rtol=1e-4, atol=1e-6)
    label = next(iter(subject.layers))
    through = in_order(gradients(subject, data, GradientSample(label, outputs, through=label)))
    np.testing.assert_allclose(through, jacobian, rtol=1e-4, atol=1e-6)


def test_fused_projection_of_gpt2_is_read_the_right_way_round() -> None:
    """Its weights are kept as (inputs, outputs); the gradient at the input has the input's width."""
    torch.manual_seed(3)
    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=16, vocab_size=17)
    subject = Subject(GPT2LMHeadModel(config).eval(), loss=NextToken())
    (label,) = [name for name in subject.layers if "mlp" in name and "c_fc" in name]
    statistic = GradientSample(label, (PredictedLogProbability(),), through=label)
    found = in_order(gradients(subject, texts(5, 17), statistic))
    outer = in_order(gradients(subject, texts(5, 17), GradientSample(label, (PredictedLogProbability(),))))
    weight = subject.module.transformer.h[0].mlp.c_fc.weight.detach().numpy()
    assert outer.shape[2] == 32
    np.testing.assert_allclose(found[:, 0], outer[:, 0] @ weight.T, rtol=1e-4, atol=1e-7)
