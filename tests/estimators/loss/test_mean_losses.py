"""Means over predictions: right values, cluster-robust intervals, and honest refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.estimators import Budget, measure_together
from gnomon.estimators.loss import (
    Accuracy,
    CalibrationError,
    MeanSquaredError,
    NegativeLogLikelihood,
    Perplexity,
    PredictiveEntropy,
    known,
)
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, SquaredError, Subject, TokenData

CATEGORICAL = (NegativeLogLikelihood, Perplexity, PredictiveEntropy, Accuracy, CalibrationError)


def measure(kind, subject: Subject, data: Data) -> Measurement:
    (found,) = kind().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    return found


def uniform(n: int, classes: int = 4) -> tuple[Subject, ArrayData]:
    return Subject(nn.Identity(), loss=CrossEntropy()), ArrayData(torch.zeros(n, classes), torch.arange(n) % classes)


def test_uniform_scores_read_the_logarithm_of_the_number_of_classes() -> None:
    subject, data = uniform(40)
    nll, entropy, perplexity = (
        measure(kind, subject, data) for kind in (NegativeLogLikelihood, PredictiveEntropy, Perplexity)
    )
    assert nll.value == pytest.approx(np.log(4), abs=1e-6)
    assert entropy.value == pytest.approx(np.log(4), abs=1e-6)
    assert perplexity.value == pytest.approx(4, abs=1e-5)
    assert str(nll.unit) == "nat/prediction"
    assert nll.diagnostics["a_prediction_is_one"] == "example"
    assert nll.uncertainty.covers == {"data"}


def test_perplexity_is_the_exponential_of_nll_with_its_interval() -> None:
    subject, data, _ = known.softmax_nll(Rng(3))
    nll, perplexity = measure(NegativeLogLikelihood, subject, data), measure(Perplexity, subject, data)
    for a, b in (
        (nll.value, perplexity.value),
        (nll.uncertainty.low, perplexity.uncertainty.low),
        (nll.uncertainty.high, perplexity.uncertainty.high),
    ):
        assert np.exp(a) == pytest.approx(b, rel=1e-12)


def test_all_of_them_take_one_forward_pass() -> None:
    subject, data = uniform(100)
    sizes = []
    handle = subject.module.register_forward_hook(lambda _module, inputs, _output: sizes.append(len(inputs[0])))
    estimators = [kind() for kind in CATEGORICAL]
    measure_together(estimators, subject, data, {e.name: () for e in estimators}, budget=Budget(), rng=Rng(0))
    handle.remove()
    # besides, copies of one example show how much memory a batch takes
    assert sorted(sizes)[-1] == 100
    assert sum(sizes[:-1]) <= 6


@pytest.mark.parametrize("kind", CATEGORICAL)
def test_one_example_or_one_cluster_is_insufficient(kind) -> None:
    subject, data = uniform(1)
    assert measure(kind, subject, data).status == "insufficient"
    subject, data = uniform(50)
    one = ArrayData(data.inputs, data.targets, clusters=np.zeros(50, np.int64))
    found = measure(kind, subject, one)
    assert found.status == "insufficient"
    assert found.suffices["examples"] >= 2


def test_no_prediction_at_all_is_insufficient() -> None:
    class Scores(nn.Module):
        def forward(self, input_ids, attention_mask=None):
            return torch.zeros(*input_ids.shape, 5)

    subject = Subject(Scores(), loss=NextToken())
    found = measure(NegativeLogLikelihood, subject, TokenData([[1], [2], [3]]))
    assert found.status == "insufficient"
    assert "no example holds a prediction" in found.reason


def test_probability_zero_for_what_happened_fails_with_a_reason() -> None:
    class Excludes(nn.Module):
        def forward(self, x):
            return torch.tensor([0.0, -torch.inf]).expand(len(x), 2)

    subject = Subject(Excludes(), loss=CrossEntropy())
    data = ArrayData(torch.zeros(10, 1), torch.arange(10) % 2)
    for kind in (NegativeLogLikelihood, Perplexity):
        found = measure(kind, subject, data)
        assert found.status == "failed"
        assert "probability 0" in found.reason
    assert measure(PredictiveEntropy, subject, data).value == 0.0
    assert measure(Accuracy, subject, data).value == 0.5


def test_each_says_where_it_does_not_apply() -> None:
    subject, data = uniform(4)
    regression = Subject(nn.Identity(), loss=SquaredError())
    floats = ArrayData(torch.zeros(4, 2), torch.zeros(4, 2))
    without = Subject(nn.Identity())
    assert NegativeLogLikelihood().inapplicable(subject, data) == ""
    assert "gives no probabilities" in NegativeLogLikelihood().inapplicable(regression, floats)
    assert "no loss" in NegativeLogLikelihood().inapplicable(without, data)
    assert "no loss" in MeanSquaredError().inapplicable(without, floats)
    assert "cross_entropy" in MeanSquaredError().inapplicable(subject, data)
    assert MeanSquaredError().inapplicable(regression, floats) == ""
    assert "not classes" in Accuracy().inapplicable(regression, floats)
    assert Accuracy().inapplicable(regression, data) == ""


def test_naive_errors_would_miss_where_cluster_robust_ones_do_not() -> None:
    """Eight copies of each example: the interval of independent rows covers far less than it states."""
    robust = naive = 0
    trials = 300
    for seed in range(trials):
        subject, data, truth = known.copies_nll(Rng(seed))
        found = measure(NegativeLogLikelihood, subject, data)
        robust += found.uncertainty.contains(found.value, truth)
        apart = measure(NegativeLogLikelihood, subject, ArrayData(data.inputs, data.targets))
        naive += apart.uncertainty.contains(apart.value, truth)
    assert 0.91 <= robust / trials <= 0.98
    assert naive / trials < 0.65
