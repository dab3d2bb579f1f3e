"""Hessian products on real architectures against differences of gradients that gnomon has no part in."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from gnomon.estimators.curvature import EmpiricalFisherOperator, GaussNewtonOperator, HessianOperator
from gnomon.subjects import ArrayData, CrossEntropy, Data, MaskedToken, Masking, NextToken, Subject, TokenData
from subjects.tiny_networks import network


def _data(name: str) -> tuple[Subject, Data]:
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(3, 64, (n,), generator=generator).tolist() for n in (11, 8, 5)]
    module = network(name)
    if name == "vit":
        return Subject(module, loss=CrossEntropy()), ArrayData(
            torch.randn(3, 3, 8, 8, generator=generator), torch.tensor([0, 1, 2])
        )
    if name == "bert_classifier":
        return Subject(module, loss=CrossEntropy()), TokenData(texts, targets=np.array([0, 1, 2]))
    if name == "bert":
        return Subject(module, loss=MaskedToken()), TokenData(texts, masking=Masking(token=2))
    return Subject(module, loss=NextToken()), TokenData(texts)


def _gradient(subject: Subject, data: Data, step: Tensor) -> Tensor:
    """The mean loss's gradient at the parameters plus ``step``, one example at a time."""
    moved = Subject(copy.deepcopy(subject.module).eval(), loss=subject.loss)
    parameters = list(moved.module.parameters())
    with torch.no_grad():
        for parameter, part in zip(parameters, step.split([p.numel() for p in parameters]), strict=True):
            parameter.add_(part.view_as(parameter))
    losses = []
    for i in range(len(data)):
        batch = data.batch([i])
        assert moved.loss is not None
        losses.append(moved.loss.values(moved.loss.predictions(moved.output(batch), batch)))
    found = torch.autograd.grad(torch.cat(losses).mean(), parameters, materialize_grads=True, allow_unused=True)
    return torch.cat([g.reshape(-1).double() for g in found])


@pytest.mark.parametrize(
    "name", ["gpt2", "llama", "opt", "gemma2", "mixtral", "mamba", "bert", "bert_classifier", "vit"]
)
def test_products_are_derivatives_of_the_gradient(name: str) -> None:
    subject, data = _data(name)
    hessian = HessianOperator(subject, data)
    vector = torch.randn(hessian.dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    vector /= vector.norm()
    product = hessian.matvec(vector)
    step = 1e-3
    difference = (_gradient(subject, data, step * vector) - _gradient(subject, data, -step * vector)) / (2 * step)
    assert float((product - difference).norm()) <= 3e-3 * float(difference.norm())
    ((gradient, again, count),) = hessian.group_gradients(vector)
    assert torch.equal(again / count, product)
    expected = _gradient(subject, data, torch.zeros_like(vector))
    assert float((gradient / count - expected).norm()) <= 1e-5 * float(expected.norm())
    for kind in (GaussNewtonOperator, EmpiricalFisherOperator):
        assert float(vector @ kind(subject, data).matvec(vector)) > 0
