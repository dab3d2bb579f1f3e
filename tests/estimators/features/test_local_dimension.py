"""Local relevant dimension against whole Jacobians, and its quantiles against the binomial."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.features import LocalRelevantDimension
from gnomon.estimators.features.jacobian_grams import JacobianGrams
from gnomon.estimators.features.local_dimension import LEVELS, Dimensions, _ranks
from gnomon.estimators.features.outputs import FisherColumn, FisherProbe, hashed_offset
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, NextToken, Site, SquaredError, Subject, TokenData, accumulate

INPUT = (Site("input", "", "input"), Site("logits", ""))


def participation(jacobian: np.ndarray, metric: np.ndarray) -> float:
    g = jacobian.T @ metric @ jacobian
    return float(np.trace(g) ** 2 / (g**2).sum())


def fisher(scores: np.ndarray) -> np.ndarray:
    p = np.exp(scores - scores.max())
    p /= p.sum()
    return np.diag(p) - np.outer(p, p)


def test_classifier_against_whole_jacobians() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 10))
    module[2].weight.data *= 4
    data = ArrayData(torch.randn(60, 6), torch.zeros(60, dtype=torch.long))
    jacobians = torch.func.vmap(torch.func.jacrev(module))(data.inputs).detach().double().numpy()
    scores = module(data.inputs).detach().double().numpy()
    truth = [participation(j, fisher(z)) for j, z in zip(jacobians, scores, strict=True)]
    (found,) = LocalRelevantDimension(contexts=60).measure(
        Subject(module, loss=CrossEntropy(), sites=INPUT), data, sites=["input"], budget=Budget(), rng=Rng(0)
    )
    np.testing.assert_allclose(found.value, np.quantile(truth, LEVELS), rtol=1e-5)
    assert found.diagnostics["mean"] == pytest.approx(np.mean(truth), rel=1e-5)
    assert found.diagnostics["probe_noise"] == 0
    assert found.uncertainty.covers == {"data"}


def test_language_model_against_whole_jacobians() -> None:
    """Gradient and activation at the prediction's own position, all tokens of the vocabulary."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=12,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=16,
    )
    model = LlamaForCausalLM(config).eval()
    model.lm_head.weight.data *= 20
    generator = np.random.default_rng(0)
    data = TokenData([generator.integers(12, size=generator.integers(3, 9)) for _ in range(12)])
    subject = Subject(model, loss=NextToken())
    outputs = tuple(FisherColumn(rank=k) for k in range(12))
    statistic = JacobianGrams("blocks.0", outputs)
    found, _ = accumulate(subject, data, [statistic], Rng(0))
    ours = Dimensions.of(found[statistic].grams, 12).values
    for i, tokens in enumerate(data.sequences):
        position = int(hashed_offset(np.array([i]), np.array([len(tokens) - 1]))[0])
        states = model(input_ids=torch.from_numpy(tokens)[None], output_hidden_states=True, use_cache=False)
        rows = [
            torch.autograd.grad(z, states.hidden_states[1], retain_graph=True)[0][0, position].double().numpy()
            for z in states.logits[0, position]
        ]
        scores = states.logits[0, position].detach().double().numpy()
        assert ours[i] == pytest.approx(participation(np.array(rows), fisher(scores)), rel=1e-3)


def test_all_positions_of_an_image_together() -> None:
    torch.manual_seed(2)
    body, head = nn.Conv2d(1, 3, 3), nn.Linear(3 * 4, 5)
    module = nn.Sequential(body, nn.Tanh(), nn.Flatten(), head)
    subject = Subject(module, loss=CrossEntropy(), sites=[Site("map", "1", feature_axis=1), Site("logits", "")])
    data = ArrayData(torch.randn(4, 1, 4, 4), torch.zeros(4, dtype=torch.long))
    outputs = tuple(FisherColumn(rank=k) for k in range(5))
    statistic = JacobianGrams("map", outputs)
    found, _ = accumulate(subject, data, [statistic], Rng(0))
    ours = Dimensions.of(found[statistic].grams, 5).values
    weight = head.weight.detach().double().numpy()
    for i, z in enumerate(module(data.inputs).detach().double().numpy()):
        assert ours[i] == pytest.approx(participation(weight, fisher(z)), rel=1e-4)


def test_grams_do_not_depend_on_batching_or_sharding() -> None:
    torch.manual_seed(3)
    subject = Subject(nn.Linear(4, 30), loss=CrossEntropy(), sites=INPUT)
    data = ArrayData(torch.randn(20, 4), torch.zeros(20, dtype=torch.long))
    outputs = (FisherColumn(rank=0), FisherProbe(number=0, exact=1), FisherProbe(number=1, exact=1))
    statistic = JacobianGrams("input", outputs)
    whole = accumulate(subject, data, [statistic], Rng(0))[0][statistic]
    small = accumulate(subject, data, [statistic], Rng(0), max_positions=3)[0][statistic]
    np.testing.assert_allclose(small.grams, whole.grams, rtol=1e-5, atol=1e-6)
    merged = statistic.empty(subject, data, Rng(0))
    empty = statistic.empty(subject, data, Rng(0))
    merged.merge(whole)
    merged.merge(empty)
    np.testing.assert_array_equal(merged.grams, whole.grams)
    assert merged.present.all()


@pytest.mark.parametrize(("exact", "probes", "error"), [(5, 4, 0.45), (8, 16, 0.15)])
def test_probes_are_nearly_unbiased_and_know_their_noise(exact: int, probes: int, error: float) -> None:
    """One softmax of 200 classes on 12 inputs, probed 600 times over."""
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(200, 12)) / np.sqrt(12)
    scores = weight @ generator.normal(size=12) * 3
    truth = participation(weight, fisher(scores))
    p = np.exp(scores - scores.max())
    p /= p.sum()
    root = np.diag(np.sqrt(p)) - np.outer(p, np.sqrt(p))
    order = np.argsort(-p)
    slopes = root[:, order].T @ weight
    grams = []
    for _ in range(600):
        signs = generator.choice([-1.0, 1.0], size=(probes, 200 - exact))
        g = np.concatenate([slopes[:exact], signs @ slopes[exact:]])
        grams.append(g @ g.T)
    found = Dimensions.of(np.array(grams), exact)
    logs = np.log(found.values / truth)
    assert abs(np.median(logs)) < 0.06
    assert logs.std() < error
    assert 0.7 * logs.std() < found.noise < 2.5 * logs.std()


def test_saturated_contexts_have_no_relevant_direction() -> None:
    class Hard(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0] * 0 + 1e4, x[:, 0]], dim=1)

    data = ArrayData(torch.randn(60, 2), torch.zeros(60, dtype=torch.long))
    (found,) = LocalRelevantDimension().measure(
        Subject(Hard(), loss=CrossEntropy(), sites=INPUT), data, sites=["input"], budget=Budget(), rng=Rng(0)
    )
    assert found.value.tolist() == [0.0] * 5


@pytest.mark.parametrize("n", [51, 56, 64, 200])
@pytest.mark.parametrize("level", LEVELS)
def test_order_statistics_hold_the_quantile(n: int, level: float) -> None:
    """For uniform numbers the chance is a binomial sum; here it is counted."""
    low, high = _ranks(n, level, 0.01)
    ordered = np.sort(np.random.default_rng(0).random((20000, n)), axis=1)
    outside = np.mean((ordered[:, low] > level) | (ordered[:, high] < level))
    assert outside < 0.0125
    assert _ranks(50, 0.1, 0.01) is None


def test_one_context_a_cluster_and_too_few_are_insufficient() -> None:
    data = ArrayData(torch.randn(400, 3), torch.zeros(400, 2), clusters=np.arange(400) // 10)
    subject = Subject(nn.Linear(3, 2), loss=SquaredError(), sites=INPUT)
    (found,) = LocalRelevantDimension().measure(subject, data, sites=["input"], budget=Budget(), rng=Rng(0))
    assert found.status == "insufficient"
    assert found.diagnostics["contexts"] == 40
    assert found.suffices == {"examples": 51}
    assert len(found.diagnostics["estimate"]) == 5


def test_price_and_options() -> None:
    data = ArrayData(torch.randn(400, 3), torch.zeros(400, dtype=torch.long))
    few, many = (Subject(nn.Linear(3, k), loss=CrossEntropy(), sites=INPUT) for k in (10, 100))
    for subject, outputs in ((few, 10), (many, 9)):
        price = LocalRelevantDimension().cost(subject, data, ["input"], Budget())
        assert (price.forward_passes, price.backward_passes) == (56, 56 * outputs)
    with pytest.raises(GnomonError, match="probes ≥ 3"):
        LocalRelevantDimension(probes=2)
    assert "no loss" in LocalRelevantDimension().inapplicable(Subject(nn.Linear(3, 2)), data)
