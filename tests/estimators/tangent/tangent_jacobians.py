"""The tangent kernel from Jacobians that are written out, one backward pass a score."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.estimators.tangent.predictions import scored
from gnomon.subjects import Data, Parametric, Subject


class Double(nn.Module):
    """A network in double precision that takes inputs in single."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).double()

    def forward(self, x: Tensor) -> Tensor:
        out = self.network(x.double() if x.is_floating_point() else x)
        return getattr(out, "logits", out)


def jacobian(subject: Subject, data: Data) -> NDArray[np.float64]:
    """``(predictions, classes, parameters)``, by automatic differentiation of one score after another."""
    parameters = [p for p in subject.module.parameters() if p.requires_grad]
    rows = []
    with Parametric(subject).computing():
        for example in range(len(data)):
            scores = scored(subject, data.batch([example])).scores
            for row in scores:
                grads = [torch.autograd.grad(s, parameters, retain_graph=True, allow_unused=True) for s in row]
                rows.append([_flat(g, parameters) for g in grads])
    return np.array(rows)


def _flat(grads: tuple[Tensor | None, ...], parameters: list[nn.Parameter]) -> NDArray[np.float64]:
    parts = [torch.zeros_like(p) if g is None else g for g, p in zip(grads, parameters, strict=True)]
    return torch.cat([p.reshape(-1) for p in parts]).double().numpy()


def full(jacobians: NDArray[np.float64]) -> NDArray[np.float64]:
    """The full kernel of a Jacobian."""
    flat = jacobians.reshape(-1, jacobians.shape[-1])
    return flat @ flat.T


def per_class(jacobians: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel of each class."""
    return np.einsum("icp,jcp->cij", jacobians, jacobians)
