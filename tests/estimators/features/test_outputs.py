"""The scalars that are differentiated: which prediction stands for an example, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators.features.outputs import (
    Chosen,
    Component,
    FisherColumn,
    FisherProbe,
    PredictedLogProbability,
    Probe,
    feature_outputs,
    number_of_outputs,
    signs,
)
from gnomon.subjects import ArrayData, Batch, CrossEntropy, Predictions, SquaredError, Subject


def predictions_of(counts: list[int], classes: int = 3) -> Predictions:
    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    positions = torch.cat([torch.arange(c) for c in counts])
    scores = torch.arange(len(rows) * classes, dtype=torch.float32).reshape(len(rows), classes)
    return Predictions(scores, torch.zeros_like(rows), rows, positions)


def batch_of(examples: list[int]) -> Batch:
    return Batch(args=(), examples=torch.tensor(examples))


def test_last_prediction_of_each_example_that_has_one() -> None:
    chosen = Chosen.of(predictions_of([3, 0, 1, 5]), batch_of([7, 8, 9, 10]), "last")
    assert chosen.rows.tolist() == [0, 2, 3]
    assert chosen.index.tolist() == [2, 3, 8]


def test_order_of_predictions_does_not_matter() -> None:
    whole = predictions_of([3, 2])
    turned = Predictions(whole.scores.flip(0), whole.targets, whole.rows.flip(0), whole.positions.flip(0))
    assert Chosen.of(turned, batch_of([0, 1]), "hashed").rows.tolist() == [0, 1]
    picked = turned.rows[Chosen.of(turned, batch_of([0, 1]), "hashed").index]
    assert picked.tolist() == [0, 1]


def test_hashed_choice_depends_on_the_example_alone_and_is_uniform() -> None:
    together = Chosen.of(predictions_of([10] * 2000), batch_of(list(range(2000))), "hashed")
    alone = Chosen.of(predictions_of([10]), batch_of([1234]), "hashed")
    offsets = (together.index - torch.arange(2000) * 10).numpy()
    assert offsets[1234] == int(alone.index)
    counts = np.bincount(offsets, minlength=10)
    assert ((counts - 200.0) ** 2 / 200).sum() < 27.9  # chi-square with 9 degrees of freedom, 0.1 %


def test_examples_without_prediction_give_zero() -> None:
    scalar = PredictedLogProbability()
    values = scalar(torch.empty(0), predictions_of([0, 2]), batch_of([0, 1]))
    assert values[0] == 0
    assert values[1] < 0


def test_log_probability_of_the_predicted_class() -> None:
    scores = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)).double()
    expected = scores.log_softmax(1).gather(1, scores.argmax(1, keepdim=True))[:, 0]
    torch.testing.assert_close(PredictedLogProbability().of_scores(scores, np.arange(20)), expected)


def gradients(scalar, scores: torch.Tensor, examples: np.ndarray) -> torch.Tensor:
    leaf = scores.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(scalar.of_scores(leaf, examples).sum(), leaf)
    return grad


def fisher(scores: torch.Tensor) -> torch.Tensor:
    p = scores.softmax(1)
    return torch.diag_embed(p) - p[:, :, None] * p[:, None, :]


def test_fisher_columns_add_up_to_the_metric() -> None:
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)).double() * 3
    total = torch.zeros(4, 6, 6).double()
    for rank in range(6):
        g = gradients(FisherColumn(rank=rank), scores, np.arange(4))
        total += g[:, :, None] * g[:, None, :]
    torch.testing.assert_close(total, fisher(scores))


def test_fisher_probes_have_the_rest_as_expectation() -> None:
    scores = (torch.randn(1, 8, generator=torch.Generator().manual_seed(2)).double() * 2).expand(20000, 8)
    exact = torch.zeros(8, 8).double()
    for rank in range(3):
        g = gradients(FisherColumn(rank=rank), scores[:1], np.arange(1))[0]
        exact += torch.outer(g, g)
    g = gradients(FisherProbe(number=0, exact=3), scores, np.arange(20000))
    rest = fisher(scores[:1])[0] - exact
    torch.testing.assert_close(g.T @ g / 20000, rest, atol=0.02 * float(rest.diagonal().max()), rtol=0)


def test_metric_does_not_see_a_shift_of_all_logits() -> None:
    scores = torch.randn(3, 7, generator=torch.Generator().manual_seed(3)).double()
    for scalar in (FisherColumn(rank=1), FisherProbe(number=2, exact=2), PredictedLogProbability()):
        assert gradients(scalar, scores, np.arange(3)).sum(1).abs().max() < 1e-12


def test_saturated_scores_have_an_exact_and_tiny_metric() -> None:
    """Differences of probabilities near one are taken in double precision."""
    g = gradients(FisherColumn(rank=0), torch.tensor([[40.0, 0.0]]).double(), np.arange(1))
    assert 0 < g.abs().max() < 1e-15


def test_probes_are_independent_signs() -> None:
    like = torch.empty(500, 40)
    first, second = signs(0, np.arange(500), like), signs(1, np.arange(500), like)
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(first.mean())) < 0.03
    assert abs(float((first * second).mean())) < 0.03
    assert abs(float((first[:, :20] * first[:, 20:]).mean())) < 0.04
    torch.testing.assert_close(signs(0, np.array([7]), torch.empty(1, 40)), first[[7]])


def test_the_fewest_scalars_are_differentiated() -> None:
    data = ArrayData(torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
    classifier = Subject(nn.Linear(4, 5), loss=CrossEntropy())
    assert feature_outputs(classifier, data, "last") == (PredictedLogProbability("last"),)
    few, many = Subject(nn.Linear(4, 3), loss=SquaredError()), Subject(nn.Linear(4, 30), loss=SquaredError())
    assert feature_outputs(few, data, "hashed") == tuple(Component(index=i) for i in range(3))
    assert feature_outputs(many, data, "hashed") == tuple(Probe(number=i, of=4) for i in range(4))
    assert number_of_outputs(many, data) == 30


def test_without_loss_there_is_nothing_to_differentiate() -> None:
    with pytest.raises(GnomonError, match="no loss"):
        number_of_outputs(Subject(nn.Linear(2, 2)), ArrayData(torch.zeros(1, 2)))
