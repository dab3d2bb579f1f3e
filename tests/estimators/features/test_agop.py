"""The average gradient outer product and its correlation with the weights, against plain autograd and algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.features import AverageGradientOuterProduct, known
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, Site, SquaredError, Subject, TokenData

INPUT = (Site("input", "", "input"), Site("logits", ""))


def measure(subject: Subject, data: Data, *sites: str, **options: int) -> dict[tuple[str, str | None], Measurement]:
    found = AverageGradientOuterProduct(**options).measure(subject, data, sites=sites, budget=Budget(), rng=Rng(0))
    return {(m.quantity, m.site): m for m in found}


def network(seed: int = 0) -> tuple[nn.Sequential, ArrayData]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(5, 12), nn.GELU(), nn.Linear(12, 4))
    return module, ArrayData(torch.randn(300, 5), torch.randint(4, (300,)))


def test_agrees_with_autograd_one_example_at_a_time() -> None:
    module, data = network()
    found = measure(Subject(module, loss=CrossEntropy(), sites=INPUT), data, "input", "0.weight", "2.weight")
    rows = []
    for x in data.inputs:
        leaf = x.clone().requires_grad_(True)
        (grad,) = torch.autograd.grad(module(leaf).log_softmax(0).max(), leaf)
        rows.append(grad.double().numpy())
    g = np.array(rows)
    matrix = g.T @ g / 300
    spectrum = found["agop_spectrum", "input"]
    values = np.sort(np.linalg.eigvalsh(matrix))[::-1]
    assert spectrum.diagnostics["trace"] == pytest.approx(np.trace(matrix), rel=1e-5)
    np.testing.assert_allclose(spectrum.value, values, rtol=0.25)
    gram = g @ g.T
    pairs = (gram**2).sum() - (np.diag(gram) ** 2).sum()
    traces = np.diag(gram).sum() ** 2 - (np.diag(gram) ** 2).sum()
    assert found["agop_effective_dimension", "input"].value == pytest.approx(traces / pairs, rel=0.01)
    weight = module[0].weight.detach().double().numpy()
    nfm = weight.T @ weight
    cosine = (nfm * matrix).sum() / np.linalg.norm(nfm) / np.sqrt(pairs / (300 * 299))
    assert found["nfa_correlation", "0.weight"].value == pytest.approx(cosine, rel=0.01)
    top = np.linalg.eigh(matrix)[1][:, -1]
    if found["agop_directions", "input"].status == "ok":
        assert abs(top @ np.asarray(found["agop_directions", "input"].value)[0]) == pytest.approx(1, abs=1e-6)


def test_patches_of_a_convolution() -> None:
    """WᵀW over patches with the average over positions, by unfolding the image by hand."""
    torch.manual_seed(4)
    conv, head = nn.Conv2d(2, 4, 3), nn.Linear(4 * 9, 3)
    module = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head)
    data = ArrayData(torch.randn(60, 2, 5, 5), torch.randint(3, (60,)))
    subject = Subject(module, loss=CrossEntropy())
    (label,) = [m.site for m in subject.matrices() if m.parameter == "0.weight"]
    found = measure(subject, data, label)["nfa_correlation", label]
    kernel = conv.weight.detach().flatten(1)
    grams = []
    for x in data.inputs:
        patches = F.unfold(x[None], 3).clone().requires_grad_(True)
        maps = (kernel @ patches + conv.bias.detach()[:, None]).relu()
        (grad,) = torch.autograd.grad(head(maps.flatten(1))[0].log_softmax(0).max(), patches)
        grams.append((grad[0] @ grad[0].T).double().numpy())
    sums = np.array(grams)
    total = sums.sum(0)
    norm = np.sqrt(((total**2).sum() - (sums**2).sum()) / (60 * 59 * 81))
    nfm = (kernel.T @ kernel).double().numpy()
    cosine = (nfm * total / (60 * 9)).sum() / np.linalg.norm(nfm) / norm
    assert found.value == pytest.approx(cosine, rel=0.02)


def test_effective_dimension_of_a_sample_is_biased_and_ours_is_not() -> None:
    """40 equal directions from 80 gradients: the plain ratio reads about 27."""
    plain, ours, covered = [], [], 0
    for seed in range(60):
        inputs = np.random.default_rng(seed).normal(size=(80, 40))
        subject = Subject(known._Quadratic(np.eye(40) / 2), loss=SquaredError(), sites=INPUT)
        found = measure(subject, ArrayData(inputs, np.zeros((80, 1))), "input")["agop_effective_dimension", "input"]
        plain.append(found.diagnostics["without_bias_correction"])
        ours.append(found.value)
        covered += found.uncertainty.contains(found.value, 40.0)
    assert np.mean(plain) < 28
    assert abs(np.mean(ours) - 40) < 1
    assert covered >= 54


def test_copies_count_once() -> None:
    """Intervals that took every row for independent would miss; ours hold over seeds."""
    held = blind = 0
    for seed in range(80):
        subject, data, truth = known.copies_dimension(Rng(seed))
        found = measure(subject, data, "input")["agop_effective_dimension", "input"]
        held += found.uncertainty.contains(found.value, truth)
        apart = ArrayData(data.inputs, data.targets)
        naive = measure(subject, apart, "input")["agop_effective_dimension", "input"]
        blind += naive.uncertainty.contains(naive.value, truth)
    assert held >= 70
    assert blind <= 60


def test_equal_eigenvalues_give_no_direction() -> None:
    subject, data, _ = known.isotropic_spectrum(Rng(0))
    found = measure(subject, data, "input")["agop_directions", "input"]
    assert found.status == "insufficient"
    assert "cannot be told" in found.reason


def test_directions_stop_at_the_first_that_is_not_told_apart() -> None:
    """Eigenvalues 9, 1, 1: one direction, although two more were asked for."""
    inputs = np.random.default_rng(0).normal(size=(500, 3))
    subject = Subject(known._Quadratic(np.diag([3.0, 1.0, 1.0]) / 2), loss=SquaredError(), sites=INPUT)
    found = measure(subject, ArrayData(inputs, np.zeros((500, 1))), "input")["agop_directions", "input"]
    assert np.shape(found.value) == (1, 3)
    assert np.asarray(found.value)[0, 0] > 0.98
    assert found.diagnostics["angle_error_degrees"][0] < 10


def test_few_examples_and_few_large_ones_are_insufficient() -> None:
    module, data = network()
    subject = Subject(module, loss=CrossEntropy(), sites=INPUT)
    for found in measure(subject, data.take(np.arange(20)), "input", "0.weight").values():
        assert found.status == "insufficient"
        assert found.suffices["examples"] >= 30
    inputs = np.random.default_rng(0).normal(size=(100, 6)) * np.where(np.arange(100) < 3, 100.0, 1.0)[:, None]
    quadratic = Subject(known._Quadratic(np.eye(6)), loss=SquaredError(), sites=INPUT)
    for found in measure(quadratic, ArrayData(inputs, np.zeros((100, 1))), "input").values():
        assert found.status == "insufficient"
        assert "far larger than others" in found.reason
        assert found.suffices["examples"] > 100


def test_wide_and_hardly_sampled_spectrum_is_insufficient() -> None:
    inputs = np.random.default_rng(0).normal(size=(40, 500))
    subject = Subject(known._Quadratic(np.eye(500)), loss=SquaredError(), sites=INPUT)
    found = measure(subject, ArrayData(inputs, np.zeros((40, 1))), "input")
    assert found["agop_spectrum", "input"].status == "insufficient"
    assert "factor" in found["agop_spectrum", "input"].reason


def test_no_gradient_says_so() -> None:
    class Constant(nn.Module):
        def forward(self, x):
            return 0.0 * x[:, :2]

    data = ArrayData(torch.randn(50, 3), torch.zeros(50, dtype=torch.long))
    found = measure(Subject(Constant(), loss=CrossEntropy(), sites=INPUT), data, "input")
    assert all("zero" in m.reason for m in found.values())


def test_clusters_and_examples_without_prediction() -> None:
    """Texts of one token hold no prediction, and leave no gradient."""
    torch.manual_seed(0)

    class Bigram(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = nn.Embedding(9, 4), nn.Linear(4, 9)

        def forward(self, input_ids, attention_mask=None):
            return self.out(self.embed(input_ids).tanh())

    generator = np.random.default_rng(0)
    data = TokenData([generator.integers(9, size=n) for n in [1] * 20 + [5] * 160], clusters=np.arange(180) // 2)
    subject = Subject(Bigram(), loss=NextToken(), data=data)
    found = measure(subject, data, "embed")["agop_effective_dimension", "embed"]
    assert found.status == "ok"
    assert found.diagnostics["gradients"] == 160
    assert found.diagnostics["clusters"] == 80


def test_a_layer_that_is_called_twice_is_refused_and_the_others_read() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.shared, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.shared(self.shared(self.first(x).tanh()).tanh()).tanh())

    torch.manual_seed(0)
    data = ArrayData(torch.randn(80, 4), torch.randint(3, (80,)))
    subject = Subject(Twice(), loss=CrossEntropy(), data=data)
    labels = {m.parameter: m.site for m in subject.matrices()}
    found = measure(subject, data, *labels.values())
    assert found["nfa_correlation", labels["first.weight"]].status == "ok"
    refused = found["nfa_correlation", labels["shared.weight"]]
    assert refused.status == "insufficient"
    assert "2 times" in refused.reason


def test_where_it_does_not_apply() -> None:
    data = ArrayData(torch.zeros(4, 2))
    assert "no loss" in AverageGradientOuterProduct().inapplicable(Subject(nn.Linear(2, 2)), data)
    assert "data" in AverageGradientOuterProduct().inapplicable(Subject(nn.Linear(2, 2), loss=CrossEntropy()), None)
    with pytest.raises(GnomonError, match="at least 1"):
        AverageGradientOuterProduct(rows=0)


def test_budget_limits_the_examples() -> None:
    module, data = network()
    subject = Subject(module, loss=CrossEntropy(), sites=INPUT)
    estimator = AverageGradientOuterProduct()
    assert estimator.cost(subject, data, ["input"], Budget(examples=70)).forward_passes == 70
    found = estimator.measure(subject, data, sites=["input"], budget=Budget(examples=70), rng=Rng(0))
    assert found[0].diagnostics["gradients"] == 70
