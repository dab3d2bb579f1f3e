"""Hessians written out whole, in float64, by torch's own double backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.subjects import Subject


def in_float64(subject: Subject) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy of the network in float64 and evaluation mode, and its parameters."""
    twin = copy.deepcopy(subject.module).double().eval()
    return twin, {n: p.detach() for n, p in twin.named_parameters()}


def of_flat(parameters: dict[str, Tensor], flat: Tensor) -> dict[str, Tensor]:
    """A flat vector in the parameters' shapes."""
    parts = flat.split([p.numel() for p in parameters.values()])
    return {n: v.view_as(p) for (n, p), v in zip(parameters.items(), parts, strict=True)}


def dense_hessian(subject: Subject, loss: Callable[[nn.Module], Tensor]) -> NDArray[np.float64]:
    """The Hessian of ``loss``, a function of (a copy of) the network."""
    twin, parameters = in_float64(subject)

    class Caller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twin = twin

        def forward(self) -> Tensor:
            return loss(self.twin)

    caller = Caller()

    def value(flat: Tensor) -> Tensor:
        named = {f"twin.{n}": v for n, v in of_flat(parameters, flat).items()}
        return torch.func.functional_call(caller, named, ())

    start = torch.cat([p.reshape(-1) for p in parameters.values()])
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        found: Tensor = torch.autograd.functional.hessian(value, start)
    return found.numpy()
