"""Superposition: more sparse features than dimensions, in the toy model of Elhage et al., and its exact loss."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.organisms.ensemble import Ensemble
from gnomon.organisms.ensemble_optimizers import AdamW
from gnomon.organisms.recipe import Count, Positive
from gnomon.randomness import Rng

_MOST_FEATURES = 400
EXACT_FEATURES = 6  # the quadrature has so many axes at most
_JUDGED = 64  # batches on which the loss is taken where it cannot be had exactly


class Superposition(Spec):
    r"""Recipe of the toy model of superposition, :math:`\hat x = \mathrm{ReLU}(W^\top W x + b)`.

    Each of n features is 0 with probability :math:`1 - d` and else uniform in [0, 1], independently; all are of equal
    importance. Minimised is :math:`\mathrm{E}\|x - \hat x\|^2` on fresh samples at every step, by Adam with a learning
    rate that falls linearly to zero. As the loss has local minima, several networks are trained from as many draws of
    W (entries :math:`N(0, 1/n)`, b = 0) on the same samples.

    Parameters
    ----------
    features : n; the columns of W.
    dimensions : m, the rows of W.
    density : d, the chance that a feature is there; 1 − d is called sparsity.
    restarts : networks trained.
    steps, batch : of training, and fresh samples in each.
    learning_rate : at the first step.
    seed : of samples and initial weights.

    Raises
    ------
    GnomonError : one line that names each bad field.

    Source: Elhage et al., Toy Models of Superposition, arXiv:2209.10652.
    """

    features: int = Field(default=5, ge=2, le=_MOST_FEATURES)
    dimensions: int = Field(default=2, ge=1, le=_MOST_FEATURES)
    density: float = Field(default=0.05, gt=0, le=1)
    restarts: Count = 8
    steps: Count = 1000
    batch: Count = 1024
    learning_rate: Positive = 0.03
    seed: int = Field(default=0, ge=0)

    def samples(self, step: int) -> Tensor:
        """The samples of ``step``, ``(batch, features)``."""
        generator = Rng(self.seed).child("samples", step).torch()
        shape = (self.batch, self.features)
        there = torch.rand(shape, generator=generator) < self.density
        return torch.rand(shape, generator=generator) * there

    def network(self, restart: int) -> ToyModel:
        """A network before training."""
        generator = Rng(self.seed).child("weights", restart).torch()
        return ToyModel(torch.randn(self.dimensions, self.features, generator=generator) / math.sqrt(self.features))


class ToyModel(nn.Module):
    """The network: its output is ``relu(x Wᵀ W + b)``."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(weight.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(batch, n)`` to their reconstruction."""
        return torch.relu(x @ self.weight.T @ self.weight + self.bias)


@dataclass(frozen=True, kw_only=True, eq=False)
class Superposed:
    """Trained networks: ``weights`` ``(restarts, m, n)``, ``biases`` ``(restarts, n)``, ``losses`` ``(restarts,)``.

    The losses are expectations by quadrature (`expected_loss`) up to 6 features, beyond that means over 64 fresh
    batches.
    """

    spec: Superposition
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    losses: NDArray[np.float64]


def superpose(spec: Superposition) -> Superposed:
    """Train the networks of ``spec``, all restarts at once.

    The same spec gives the same weights on one machine; the global random state is neither read nor changed.

    Cost: about 1.6 ms a step for 8 restarts on 1,024 samples of 5 features.

    >>> superpose(Superposition(steps=3, restarts=2)).weights.shape
    (2, 2, 5)
    """
    ensemble = Ensemble([spec.network(restart) for restart in range(spec.restarts)])
    optimizer = AdamW(spec.learning_rate, weight_decay=0.0)
    for step in range(spec.steps):
        optimizer.learning_rate = spec.learning_rate * (1 - step / spec.steps)
        samples = spec.samples(step)
        ensemble.step(optimizer, _squared_error, samples, samples)
    weights, biases = (ensemble.parameters[name].double().numpy() for name in ("weight", "bias"))
    if spec.features <= EXACT_FEATURES:
        losses = np.array([expected_loss(w, b, spec.density) for w, b in zip(weights, biases, strict=True)])
    else:
        fresh = torch.cat([spec.samples(spec.steps + i) for i in range(_JUDGED)])
        losses = ensemble.evaluate(_squared_error, fresh, fresh).double().numpy()
    return Superposed(spec=spec, weights=weights, biases=biases, losses=losses)


def expected_loss(weight: NDArray[np.float64], bias: NDArray[np.float64], density: float, nodes: int = 12) -> float:
    r""":math:`\mathrm{E}\|x - \mathrm{ReLU}(W^\top W x + b)\|^2` over the features, by quadrature.

    Summed over the sets A of features that may be there, each of probability :math:`d^{|A|}(1-d)^{n-|A|}`, with
    Gauss–Legendre nodes in the cube :math:`[0, 1]^{|A|}`. The kinks of the ReLU leave a relative error of about
    :math:`10^{-3}` with 12 nodes in the worst case, far less where features are sparse.

    Parameters
    ----------
    weight, bias : ``(m, n)`` and ``(n,)``, n at most 6.
    nodes : along each axis; half as many for sets of more than three features.

    Raises GnomonError for more features.
    """
    n = weight.shape[1]
    if n > EXACT_FEATURES:
        raise GnomonError(f"no quadrature over {n} features", mend=f"give at most {EXACT_FEATURES}, or sample")
    gram, total = weight.T @ weight, 0.0
    for size in range(n + 1):
        chance = density**size * (1 - density) ** (n - size)
        if chance == 0:
            continue
        cube, masses = _cube(size, nodes if size <= 3 else nodes // 2)
        for chosen in itertools.combinations(range(n), size):
            x = np.zeros((len(cube), n))
            x[:, list(chosen)] = cube
            error = np.square(x - np.maximum(x @ gram + bias, 0.0)).sum(axis=1)
            total += chance * float(masses @ error)
    return total


@functools.cache
def _cube(size: int, nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points ``(nodes ** size, size)`` of [0, 1]^size and their masses."""
    at, mass = np.polynomial.legendre.leggauss(nodes)
    which = np.array(list(itertools.product(range(nodes), repeat=size)), dtype=np.int64).reshape(nodes**size, size)
    return (at[which] + 1) / 2, (mass[which] / 2).prod(axis=1)


def _squared_error(output: Tensor, features: Tensor) -> Tensor:
    return (output - features).square().sum(dim=-1).mean()
