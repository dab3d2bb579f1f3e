"""The tangent kernel of a ReLU network of infinite width, in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def limit(x: NDArray[np.float64], hidden: int) -> NDArray[np.float64]:
    r"""Kernel of `NormalisedReLU` with ``hidden`` hidden layers as their width grows.

    :math:`\Sigma \mapsto 2 \mathrm E[\mathrm{relu}(u)\,\mathrm{relu}(v)]` and its derivative, for u and v with
    covariance Σ, are arc-cosine kernels of order 1 and 0; :math:`\Theta \leftarrow \Sigma' + \Theta \dot\Sigma'`.

    Source: Cho & Saul, NIPS (2009); Jacot, Gabriel & Hongler, arXiv:1806.07572; Lee et al., arXiv:1902.06720.
    """
    sigma = x @ x.T / x.shape[1]
    theta = sigma.copy()
    for _ in range(hidden):
        norms = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
        angle = np.arccos(np.clip(sigma / norms, -1, 1))
        derivative = (math.pi - angle) / math.pi
        sigma = norms * (np.sin(angle) + (math.pi - angle) * np.cos(angle)) / math.pi
        theta = sigma + theta * derivative
    return theta


class NormalisedReLU(nn.Module):
    """A fully connected network in the parametrisation that has a limit: standard normal weights, scaled outputs."""

    def __init__(self, inputs: int, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [inputs, *[width] * hidden, 1]
        self.weights = nn.ParameterList(
            torch.randn(after, before, generator=generator) for before, after in itertools.pairwise(sizes)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x @ self.weights[0].T / math.sqrt(x.shape[1])
        for weight in list(self.weights)[1:]:
            x = nn.functional.linear(math.sqrt(2) * torch.relu(x), weight) / math.sqrt(weight.shape[1])
        return x
