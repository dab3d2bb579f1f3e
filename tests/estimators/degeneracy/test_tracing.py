"""Gradients run from a trace against the same without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.estimators.degeneracy import tracing
from gnomon.estimators.degeneracy.potential import Potential
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, Subject, TokenData
from subjects.tiny_networks import CNN, MLP, network


def labelled(shape: tuple[int, ...], n: int = 50) -> ArrayData:
    generator = np.random.default_rng(0)
    return ArrayData(generator.normal(size=(n, *shape)), generator.integers(3, size=n))


def texts() -> TokenData:
    generator = np.random.default_rng(0)
    return TokenData([generator.integers(3, 60, size=k) for k in (6, 9, 9, 12, 7, 11)])


def both_ways(subject: Subject, data: Data, batch_size: int | None) -> Potential:
    """Every batch thrice, from the trace and directly; the potential, that its traces can be looked at."""
    potential = Potential(subject, data, Rng(0), batch_size=batch_size)
    assert potential.batched
    rows = 1e-2 * torch.randn(3, potential.dimension, generator=torch.Generator().manual_seed(0))
    with potential.computing():
        for batch in list(range(potential.batches)) * 3:
            found = potential._traced(rows, potential._pieces_of(batch)[0])
            potential._reseed()
            direct = potential._at_once(rows, potential._pieces_of(batch)[0])
            for a, b in zip(found, direct, strict=True):
                assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)
    return potential


class Noisy(nn.Module):
    """A network that draws numbers in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP()

    def forward(self, x: Tensor) -> Tensor:
        drawn: Tensor = self.inner(x + torch.randn(x.shape))
        return drawn


@pytest.mark.parametrize(
    ("make", "data"),
    [(MLP, labelled((5,))), (CNN, labelled((3, 8, 8), 16)), (Noisy, labelled((5,)))],
    ids=["mlp", "cnn", "noisy"],
)
@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_trace_gives_the_same(make: Callable[[], nn.Module], data: ArrayData, batch_size: int | None) -> None:
    torch.manual_seed(0)
    potential = both_ways(Subject(make(), loss=CrossEntropy()), data, batch_size)
    traces = potential._traced._traces
    assert traces
    assert all(trace is not None for trace in traces.values())
    lengths = {len(batch) for batch in potential._batches}
    assert len(traces) == len(lengths)  # one for each shape


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_language_model_that_looks_at_its_inputs_is_left_as_it_was(name: str, batch_size: int | None) -> None:
    """Those of transformers ask whether a mask is needed, which a trace cannot hold."""
    fresh = network.__wrapped__(name)  # transformers leaves hooks on a model that was asked for its hidden states
    potential = both_ways(Subject(fresh, loss=NextToken()), texts(), batch_size)
    traces = potential._traced._traces
    assert traces
    assert all(trace is None for trace in traces.values())


class Peeking(nn.Module):
    """A network that reads its inputs outside of torch, where no trace sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP()

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.inner(x) * max(max(row) for row in x.tolist())
        return scaled


class Deciding(nn.Module):
    """A network whose control flow looks at its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP()

    def forward(self, x: Tensor) -> Tensor:
        decided: Tensor = self.inner(x) * (2.0 if float(x.max()) > 2.5 else 1.0)
        return decided


@pytest.mark.parametrize("make", [Peeking, Deciding])
def test_a_network_that_looks_at_its_inputs_is_not_run_from_a_trace(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    potential = both_ways(Subject(make(), loss=CrossEntropy()), labelled((5,)), 10)
    assert list(potential._traced._traces.values()) == [None]


def test_traces_are_bounded_in_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, data = Subject(MLP(), loss=CrossEntropy()), labelled((5,))
    monkeypatch.setattr(tracing, "_MOST_SHAPES", 1)
    assert len(both_ways(subject, data, 7)._traced._traces) == 1
    monkeypatch.setattr(tracing, "_SMALL", 1.0)
    assert list(both_ways(subject, data, 10)._traced._traces.values()) == [None]


def test_hooks_see_every_pass() -> None:
    module, seen = MLP(), []
    handle = module.register_forward_pre_hook(lambda _module, args: seen.append(len(args[0])))
    potential = both_ways(Subject(module, loss=CrossEntropy()), labelled((5,)), 10)
    handle.remove()
    assert not potential._traced._traces
    assert len(seen) >= 6 * potential.batches
