"""Subjects and data with nothing to measure: a reading that is true, or a reason; never an error of ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.estimators import Budget
from gnomon.estimators.curvature import Criticality, GaussNewtonTrace, HessianSpectrum, HessianTrace
from gnomon.estimators.curvature.estimating import CurvatureEstimator
from gnomon.estimators.curvature.gradient_noise import gradient_noise
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Subject

EVERY = pytest.mark.parametrize("estimator", [HessianSpectrum(), HessianTrace(), GaussNewtonTrace(), Criticality()])


def classifier(classes: int = 3) -> Subject:
    torch.manual_seed(0)
    return Subject(nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, classes)), loss=CrossEntropy())


def examples(n: int) -> ArrayData:
    inputs = torch.randn(n, 5, generator=torch.Generator().manual_seed(0))
    return ArrayData(inputs, (inputs[:, 0] > 0).long())


def readings(
    estimator: CurvatureEstimator, subject: Subject, data: Data, budget: Budget | None = None
) -> list[Measurement]:
    """Priced, then measured."""
    budget = budget or Budget()
    assert estimator.cost(subject, data, (), budget).forward_passes >= 0
    return estimator.measure(subject, data, sites=(), budget=budget, rng=Rng(0))


@EVERY
def test_one_example_is_too_few(estimator: CurvatureEstimator) -> None:
    few = readings(estimator, classifier(), examples(1))
    allowed = readings(estimator, classifier(), examples(64), Budget(examples=1))
    assert {m.status for m in (*few, *allowed)} == {"insufficient"}
    assert {m.suffices["examples"] for m in (*few, *allowed)} == {2.0}


class Constant(nn.Module):
    """Its parameters enter nothing."""

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(parameters))

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 3)


@pytest.mark.parametrize("subject", [classifier(1), Subject(Constant(4)), Subject(Constant(100))])
def test_a_loss_that_never_changes_has_traces_of_zero_and_no_spectrum(subject: Subject) -> None:
    subject.loss = CrossEntropy()
    data = ArrayData(torch.randn(64, 5), torch.zeros(64, dtype=torch.long))
    for estimator in (HessianTrace(), GaussNewtonTrace()):
        (trace,) = readings(estimator, subject, data)
        assert trace.status == "ok"
        assert trace.value == 0.0
    assert {m.reason for m in readings(HessianSpectrum(), subject, data)} == {"the Hessian is zero"}
    norm, verdict = readings(Criticality(), subject, data)
    assert norm.value == 0.0
    assert verdict.status == "insufficient"


def test_one_example_many_times_has_a_gradient_without_noise() -> None:
    one = examples(1)
    data = ArrayData(one.inputs.expand(64, -1), one.targets.expand(64) if one.targets is not None else None)
    norm, verdict = readings(Criticality(), classifier(), data)
    assert norm.status == "ok"
    assert 1e6 * norm.diagnostics["gradient_noise"] < np.asarray(norm.value)
    assert verdict.value == 0


def test_residuals_below_zero_by_rounding_are_no_noise() -> None:
    counts = np.full(32, 2.0)
    for seed in range(40):
        gram = np.full((32, 32), 0.7) + 1e-17 * np.random.default_rng(seed).normal(size=(32, 32))
        assert np.isfinite(gradient_noise(gram + gram.T, counts, Rng(0)).noise)


@pytest.mark.parametrize("width", [1, 8])
def test_second_derivatives_that_are_wrong_are_noticed(width: int) -> None:
    """Those of torch's weight normalisation take the norms for constants: H is not symmetric."""
    torch.manual_seed(0)
    normed = nn.utils.parametrizations.weight_norm
    network = nn.Sequential(normed(nn.Linear(5, width)), nn.Tanh(), normed(nn.Linear(width, 3)))
    subject = Subject(network, loss=CrossEntropy())
    parameters = [p for p in network.parameters() if p.requires_grad]
    loss = nn.functional.cross_entropy(network(examples(64).inputs), examples(64).targets)
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    rows = [torch.autograd.grad(g, parameters, retain_graph=True, materialize_grads=True) for g in gradient]
    hessian = torch.stack([torch.cat([r.reshape(-1) for r in row]) for row in rows])
    if float((hessian - hessian.T).norm()) < 1e-3 * float(hessian.norm()):
        pytest.skip("this torch has mended it")
    for estimator in (HessianSpectrum(), HessianTrace()):
        assert all("not those of a symmetric matrix" in m.reason for m in readings(estimator, subject, examples(64)))
    # of first derivatives only, which are right
    assert readings(GaussNewtonTrace(), subject, examples(64))[0].status == "ok"
