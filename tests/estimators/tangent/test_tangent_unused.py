"""Parameters that the scores do not depend on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.estimators import Budget
from gnomon.estimators.tangent import TangentKernel, tangent_kernel
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Subject


class Recurrent(nn.Module):
    """A layer that is not taken apart, and perhaps one that is but does nothing."""

    def __init__(self, unused: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.recurrent = nn.LSTM(5, 3)
        if unused:
            self.unused = nn.Linear(5, 7)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.recurrent(x)[0]
        return found


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 3)


def _data() -> ArrayData:
    inputs = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    return ArrayData(inputs, (inputs[:, 0] > 0).long())


def test_an_unused_layer_beside_layers_that_are_not_known_adds_nothing() -> None:
    used, both = (tangent_kernel(Subject(Recurrent(unused), loss=CrossEntropy()), _data()) for unused in (False, True))
    assert used.any()
    np.testing.assert_array_equal(used, both)


def test_a_network_that_uses_no_parameter_has_no_kernel() -> None:
    subject = Subject(Constant(), loss=CrossEntropy())
    assert not tangent_kernel(subject, _data()).any()
    found = TangentKernel().measure(subject, _data(), sites=(), budget=Budget(), rng=Rng(0))
    assert {(m.status, m.reason) for m in found} == {("insufficient", "all gradients are zero")}
