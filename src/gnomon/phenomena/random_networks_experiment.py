"""Many random ReLU networks: how far their outputs are from a Gaussian process."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.randomness import Rng

Count = Annotated[int, Field(ge=1)]
_DIMENSION = 8
_ANGLES = (0.0, math.pi / 3, 2 * math.pi / 3, math.pi)
_CHUNK = 2**22


class RandomNetworks(Spec):
    r"""Random networks :math:`f(x) = N^{-1/2} a \cdot h_L(x)` with standard normal weights, without biases.

    :math:`h_1 = \sqrt2\, \mathrm{relu}(W_1 x / \sqrt d)` and
    :math:`h_{l+1} = \sqrt2\, \mathrm{relu}(W_{l+1} h_l / \sqrt N)`, so that :math:`E f(x)^2 = |x|^2 / d` at every
    width N and depth L. Inputs: four of norm :math:`\sqrt 8` in 8 dimensions, 0°, 60°, 120° and 180° from the first.
    """

    width: Annotated[int, Field(ge=2)]
    depth: Count = 1
    networks: Annotated[int, Field(ge=2)] = 2000
    seed: int = 0


@experiment("outputs_of_random_networks")
def draw_networks(spec: RandomNetworks) -> Outcome:
    r"""Excess kurtosis of the output at the first input, and its covariance over all four.

    Given the hidden layers the output is exactly normal with variance :math:`\sigma^2 = |h_L|^2/N`, so that
    :math:`E f^4 / (E f^2)^2 - 3 = 3 \mathrm{Var}(\sigma^2) / (E \sigma^2)^2`. The sample variance of
    :math:`\sigma^2` over networks has a far smaller error than that of fourth powers of f (Rao and Blackwell).

    Returns
    -------
    ``excess_kurtosis``; ``covariance``, 4 × 4.

    Cost: L · N² normal draws a network.
    """
    generator = Rng(spec.seed).child("networks", spec.width, spec.depth).torch()
    inputs = _inputs()
    per_chunk = max(1, _CHUNK // (spec.width * max(spec.width if spec.depth > 1 else 0, _DIMENSION)))
    grams = []
    for begin in range(0, spec.networks, per_chunk):
        m = min(per_chunk, spec.networks - begin)
        hidden = inputs.expand(m, *inputs.shape)
        for _ in range(spec.depth):
            weights = torch.randn(m, hidden.shape[2], spec.width, generator=generator)
            hidden = torch.relu(hidden @ weights) * math.sqrt(2 / hidden.shape[2])
        grams.append((hidden @ hidden.mT / spec.width).double())
    gram = torch.cat(grams).numpy()
    variance = gram[:, 0, 0]
    return {
        "excess_kurtosis": float(3 * variance.var(ddof=1) / variance.mean() ** 2),
        "covariance": gram.mean(axis=0).tolist(),
    }


def exact_excess_kurtosis(width: int, depth: int) -> float:
    r""":math:`3 ((1 + 5/N)^L - 1)`; :math:`15/N` for one hidden layer.

    Each layer multiplies :math:`|h|^2/N` by an independent mean of N copies of :math:`2\,\mathrm{relu}(g)^2`, whose
    mean is 1 and variance 5. Source: Hanin & Nica, arXiv:1812.05994 (products of random layers).

    >>> exact_excess_kurtosis(30, 1)
    0.5
    """
    return 3 * math.expm1(depth * math.log1p(5 / width))


def arc_cosine_covariance(depth: int) -> NDArray[np.float64]:
    r"""Covariance of the limiting Gaussian process at the four inputs.

    From layer to layer the correlation becomes
    :math:`\rho \mapsto (\sqrt{1 - \rho^2} + (\pi - \arccos\rho)\,\rho) / \pi`; variances stay 1.
    Source: Cho & Saul (2009), the arc-cosine kernel of order 1.
    """
    x = _inputs().double().numpy()
    rho = x @ x.T / _DIMENSION
    for _ in range(depth):
        rho = np.clip(rho, -1.0, 1.0)
        rho = (np.sqrt(1 - rho**2) + (np.pi - np.arccos(rho)) * rho) / np.pi
    return np.asarray(rho, dtype=np.float64)


def _inputs() -> Tensor:
    angles = torch.tensor(_ANGLES, dtype=torch.float64)
    found = torch.zeros(len(_ANGLES), _DIMENSION, dtype=torch.float64)
    found[:, 0], found[:, 1] = torch.cos(angles), torch.sin(angles)
    return (found * math.sqrt(_DIMENSION)).float()
