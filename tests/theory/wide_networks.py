"""Fully connected networks of finite width, drawn, differentiated and trained by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.randomness import Rng
from gnomon.theory.infinite_width import Array, FullyConnected


class Finite(nn.Module):
    """A network of ``width`` whose limit is ``limit``: scaled in the NTK parametrisation, plain in the standard one."""

    def __init__(self, limit: FullyConnected, inputs: int, width: int, rng: Rng) -> None:
        super().__init__()
        generator = rng.torch()
        self.limit, sizes = limit, list(itertools.pairwise([inputs, *[width] * limit.hidden, 1]))
        standard = limit.standard_width is not None
        scales = [math.sqrt(limit.weight_variance / before) for before, _ in sizes]
        bias = math.sqrt(limit.bias_variance)
        self.weights = nn.ParameterList(
            torch.randn(after, before, generator=generator, dtype=torch.float64) * (scale if standard else 1.0)
            for (before, after), scale in zip(sizes, scales, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.randn(after, generator=generator, dtype=torch.float64) * (bias if standard else 1.0)
            for _, after in sizes
        )
        self.factors = [(1.0, float(limit.biases)) if standard else (scale, bias) for scale in scales]

    def features(self, x: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        phi = torch.relu if self.limit.activation == "relu" else torch.erf
        for i in range(self.limit.hidden):
            x = phi(self._affine(i, x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self._affine(self.limit.hidden, self.features(x))

    def _affine(self, i: int, x: Tensor) -> Tensor:
        weight, bias = self.factors[i]
        return weight * x @ self.weights[i].T + bias * self.biases[i]


def empirical_tangent_kernel(network: Finite, x: Array) -> Array:
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def output(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(network, parameters, (one,)).squeeze()

    per_example = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0))(parameters, torch.as_tensor(x))
    rows = torch.cat([g.reshape(len(x), -1) for g in per_example.values()], dim=1)
    return (rows @ rows.T).numpy()


def empirical_kernel(network: Finite, x: Array) -> Array:
    """σ_w² φ·φ/N + σ_b² at the last hidden layer."""
    with torch.no_grad():
        features = network.features(torch.as_tensor(x)).numpy()
    return network.limit.weight_variance * features @ features.T / features.shape[1] + network.limit.bias_variance


def trained(
    limit: FullyConnected,
    width: int,
    data: tuple[Array, Array, Array],
    steps: int,
    rate: float,
    rngs: list[Rng],
    *,
    start_subtracted: bool,
) -> Array:
    """Predictions at the test inputs after full-batch gradient descent, ``(networks, m)``; trained as one batch."""
    x, y, z = (torch.as_tensor(a) for a in data)
    networks = [Finite(limit, x.shape[1], width, rng) for rng in rngs]
    parameters, _ = torch.func.stack_module_state(networks)

    def outputs(parameters: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return torch.func.functional_call(networks[0], parameters, (inputs,))

    every = torch.func.vmap(outputs, in_dims=(0, None))
    with torch.no_grad():
        first, first_test = every(parameters, x), every(parameters, z)
    shift, test_shift = (first, first_test) if start_subtracted else (0 * first, 0 * first_test)
    for _ in range(steps):
        loss = (every(parameters, x) - shift - y).square().mean(dim=(1, 2)).sum() / 2
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        parameters = {
            name: (p - rate * g).detach().requires_grad_()
            for (name, p), g in zip(parameters.items(), gradients, strict=True)
        }
    with torch.no_grad():
        found = every(parameters, z) - test_shift
    return found.squeeze(-1).numpy()


def on_sphere(n: int, d: int, rng: Rng) -> Array:
    """Uniform on the sphere of radius √d."""
    x = rng.numpy().normal(size=(n, d))
    return x * math.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
