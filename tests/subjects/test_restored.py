"""A subject is left as it was found, also after an exception."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from test_architectures import FirstOutput
from tiny_networks import MLP, NAMES
from torch import nn

from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Reads, RowSample, Subject, accumulate, capture, visiting


def state(module: nn.Module) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    return {
        "hooks": [len(getattr(m, h)) for m in module.modules() for h in hooks],
        "modes": [m.training for m in module.modules()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "weights": [t.clone() for t in module.state_dict().values()],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].copy(),  # noqa: NPY002 - the global state is what must not move
        "python": random.getstate(),
        "grad_enabled": torch.is_grad_enabled(),
    }


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def unlike(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [key for key in before if not same(before[key], after[key])]


class Odd(nn.Module):
    """Draws random numbers even in evaluation mode; one parameter is frozen, one has a gradient, one part trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)
        self.dropout = nn.Dropout(0.5)
        self.first.bias.requires_grad_(False)
        self.second.weight.grad = torch.ones_like(self.second.weight)
        self.train()
        self.norm.eval()

    def forward(self, x):
        return self.second(self.dropout(self.norm(self.first(x)))) + 0.1 * torch.rand(())


@pytest.fixture
def data() -> ArrayData:
    return ArrayData(torch.randn(40, 5, generator=torch.Generator().manual_seed(0)))


def test_making_a_subject_and_a_pass_over_data(data):
    module = Odd()
    before = state(module)
    subject = Subject(module, data=data)
    assert unlike(before, state(module)) == []
    accumulate(subject, data, [RowSample("first"), RowSample("logits")], Rng(0))
    assert unlike(before, state(module)) == []
    # networks that draw numbers still give the same for the same seed
    first, second = (accumulate(subject, data, [RowSample("logits")], Rng(3))[0] for _ in range(2))
    a, b = (next(iter(found.values())).values for found in (first, second))
    assert np.array_equal(a, b)


def test_an_exception_in_a_visitor(data):
    module = Odd()
    subject = Subject(module, data=data)
    before = state(module)

    def fails(_activation):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), visiting(subject, {"first": lambda x: x + 1, "second": fails}):
        subject.output(data.batch([0]))
    before["torch"] = torch.get_rng_state()  # the bare call above is the user's own
    assert unlike(before, state(module)) == []


def test_an_exception_in_the_middle_of_a_pass(data):
    module = Odd()
    subject = Subject(module, data=data)
    before = state(module)

    class Fails(FirstOutput):
        def __call__(self, output, predictions, batch):
            raise KeyboardInterrupt

    class Asking(RowSample):
        @property
        def reads(self):
            return Reads(gradients=(Fails(),), gradient_sites=frozenset({"first"}))

    with pytest.raises(KeyboardInterrupt):
        accumulate(subject, data, [Asking("first")], Rng(0))
    assert unlike(before, state(module)) == []


def test_an_exception_in_the_network_while_its_sites_are_found(data):
    class Broken(MLP):
        def forward(self, x):
            super().forward(x)
            raise ValueError("no")

    module = Broken()
    before = state(module)
    with pytest.raises(Exception, match="cannot be run"):
        Subject(module, data=data)
    assert unlike(before, state(module)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_after_reading_and_gradients(name, subject_of, batch_of):
    subject = subject_of(name)
    before = state(subject.module)
    sites = frozenset(subject.sites)
    capture(subject, batch_of(name), Reads(sites, gradients=(FirstOutput(),), gradient_sites=sites))
    assert unlike(before, state(subject.module)) == []
