"""Blocks of examples and of outputs: the same kernel within any memory, and never beyond it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tangent_jacobians import Double, full, jacobian, per_class
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators.tangent import tangent_kernel
from gnomon.estimators.tangent.factors import Dense, Outer, contract
from gnomon.estimators.tangent.gradients import Gradients
from gnomon.estimators.tangent.kernel import kernel_of
from gnomon.estimators.tangent.predictions import choose, running
from gnomon.subjects import ArrayData, Data, NextToken, Subject, TokenData
from gnomon.subjects.memory import PeakMemory
from subjects import tiny_networks


def _network(inputs: int = 5, hidden: int = 7, outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


def _case(name: str) -> tuple[Subject, Data]:
    torch.manual_seed(0)
    if name == "mlp":
        return Subject(Double(_network())), ArrayData(torch.randn(9, 5))
    if name == "cnn":
        return Subject(Double(tiny_networks.CNN())), ArrayData(torch.randn(9, 3, 9, 9))
    subject = Subject(copy.deepcopy(tiny_networks.network("llama")).double(), loss=NextToken())
    generator = np.random.default_rng(0)
    return subject, TokenData([generator.integers(3, 64, size=k) for k in (3, 2, 5, 4)])


def _gradients(subject: Subject, data: Data) -> Gradients:
    with running(subject), torch.enable_grad():
        return Gradients(subject, choose(subject, data), None, 2**29)


@pytest.mark.parametrize("name", ["mlp", "cnn", pytest.param("texts", marks=pytest.mark.slow)])
@pytest.mark.parametrize("rows", [1.5, 20.0, pytest.param(4.0, marks=pytest.mark.slow)])
def test_little_memory_gives_the_same_kernel(name: str, rows: float) -> None:
    subject, data = _case(name)
    gradients = _gradients(subject, data)
    limit = int(max(4.1 * gradients._pass_first, rows * gradients.bytes(1, gradients.outputs)))
    jacobians = jacobian(subject, data)
    truth, classes = full(jacobians), per_class(jacobians)
    scale = np.abs(truth).max()
    assert np.abs(tangent_kernel(subject, data, max_bytes=limit) - truth).max() <= 1e-10 * scale
    assert np.abs(tangent_kernel(subject, data, reduce="class", max_bytes=limit) - classes).max() <= 1e-10 * scale
    trace = tangent_kernel(subject, data, reduce="trace", max_bytes=limit)
    assert np.abs(trace - classes.mean(axis=0)).max() <= 1e-10 * scale


@pytest.mark.parametrize("megabytes", [4, 16])
def test_memory_stays_within_its_bound(megabytes: int) -> None:
    subject, data = Subject(_network(64, 512, 10)), ArrayData(torch.randn(200, 64))
    memory = PeakMemory([*subject.module.parameters(), data.inputs])
    with memory:
        tangent_kernel(subject, data, max_bytes=megabytes * 2**20)
    assert memory.peak <= megabytes * 2**20
    # the factors alone would not fit at once
    gradients = _gradients(subject, data)
    assert gradients.bytes(200, 10) > megabytes * 2**20 / 4


def test_an_example_that_needs_more_than_the_bound_is_refused() -> None:
    subject, data = Subject(_network(64, 512, 10)), ArrayData(torch.randn(20, 64))
    with pytest.raises(GnomonError, match="raise the memory limit"):
        tangent_kernel(subject, data, max_bytes=2000)


def test_random_directions_average_to_the_trace() -> None:
    subject, data = _case("mlp")
    with running(subject):
        chosen = choose(subject, data)
        signs = torch.tensor([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=torch.float64)
        found = kernel_of(subject, chosen, reduce="class", directions=signs)
    assert found.shape == (8, 9, 9)
    truth = per_class(jacobian(subject, data)).sum(axis=0)
    assert np.abs(found.mean(axis=0) - truth).max() <= 1e-12 * np.abs(truth).max()


@pytest.mark.parametrize("reduce", ["full", "class", "trace"])
@pytest.mark.parametrize(("positions", "width", "features"), [(1, 4, 3), (3, 20, 30), (12, 2, 3)])
@pytest.mark.parametrize("lookup", [False, True])
def test_outer_products_are_contracted_as_if_written_out(
    reduce: str, positions: int, width: int, features: int, lookup: bool
) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(examples: int, places: int) -> Outer:
        outputs = torch.randn(examples, 2, 3, places, features, generator=generator, dtype=torch.float64)
        if lookup:
            tokens = torch.randint(0, width, (examples, places), generator=generator)
            return Outer(tokens, outputs, width)
        return Outer(torch.randn(examples, places, width, generator=generator, dtype=torch.float64), outputs)

    a, b = draw(4, positions), draw(5, positions if positions == 1 else positions + 1)
    found = contract(a, b, reduce, 3000)
    truth = contract(Dense(a.dense()), Dense(b.dense()), reduce, 3000)
    assert found.shape == truth.shape
    assert torch.allclose(found, truth, rtol=1e-10, atol=1e-10)


def test_networks_that_run_other_layers_for_other_examples_are_refused() -> None:
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.one(x) if float(x.sum()) > 0 else self.two(self.one(x))

    data = ArrayData(torch.tensor([[1.0, 1.0]] * 3 + [[-9.0, -9.0]] * 300))
    with pytest.raises(GnomonError, match="other layers"):
        tangent_kernel(Subject(Fickle()), data)


def test_nothing_to_differentiate_is_said() -> None:
    network = _network()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(GnomonError, match="no trainable parameters"):
        tangent_kernel(Subject(network), ArrayData(torch.randn(3, 5)))
