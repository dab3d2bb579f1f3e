"""A network of one hidden layer trained to a given error, whose tangent kernel is known in closed form throughout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.randomness import Rng

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Target = Literal["single_index", "quadratic_form"]
# a step of half of 1/λ_max(K) keeps descent close to its flow; K is looked at again every so many steps
_STEP, _RENEWED = 0.5, 10


class Lazy(Spec):
    r"""Gradient descent on :math:`\frac{1}{2\alpha^2} \sum_i (\alpha (f - f_0)(x_i) - y_i)^2`.

    :math:`f(x) = N^{-1/2} \sum_i a_i\, \phi(w_i \cdot x / \sqrt d)` with the SiLU :math:`\phi(z) = z / (1 + e^{-z})`
    and standard normal weights, all of them trained. :math:`\phi` has to be smooth: where a ReLU changes sign the
    kernel jumps, which adds terms that fall more slowly than 1/N and 1/α. Inputs are uniform on the sphere of
    radius :math:`\sqrt d`.

    Parameters
    ----------
    width : N. Output scale 1 is the NTK parametrisation; ``scale`` :math:`\propto N^{-1/2}` the mean-field one.
    scale : α.
    target : ``single_index``: :math:`x_1^2 - 1`, which depends on one direction; ``quadratic_form``: a random traceless
        form :math:`x^\top A x`, which prefers none. Both are scaled to a mean square of 1.
    examples, tested : number of training and test inputs; dimension : d.
    error : of the initial loss, where training stops.
    most_steps : where it gives up.
    seed : of the inputs; draw : which of several initial weights for them.
    """

    width: Count
    scale: Positive = 1.0
    target: Target = "single_index"
    examples: Annotated[int, Field(ge=2)] = 100
    tested: Count = 500
    dimension: Annotated[int, Field(ge=2)] = 20
    error: Annotated[float, Field(gt=0, lt=1)] = 1e-2
    most_steps: Count = 20_000
    seed: int = 0
    draw: int = 0


@dataclass(frozen=True)
class HiddenLayer:
    """First weights ``(N, d)`` and second ``(N,)`` of the network above, in float64."""

    first: Tensor
    second: Tensor

    @classmethod
    def drawn(cls, width: int, dimension: int, rng: Rng) -> HiddenLayer:
        """Standard normal weights."""
        generator = rng.torch()
        first = torch.randn(width, dimension, generator=generator, dtype=torch.float64)
        return cls(first, torch.randn(width, generator=generator, dtype=torch.float64))

    def activations(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """φ and φ′ of every unit, each ``(n, N)``."""
        z = inputs @ self.first.T / math.sqrt(inputs.shape[1])
        gate = torch.sigmoid(z)
        return z * gate, gate * (1 + z * (1 - gate))

    def outputs(self, inputs: Tensor) -> Tensor:
        """f, ``(n,)``."""
        return self.activations(inputs)[0] @ self.second / math.sqrt(len(self.second))

    def tangent_kernel(self, inputs: Tensor) -> Tensor:
        r""":math:`\frac1N \phi\phi^\top + \frac1N (\phi' a)(\phi' a)^\top \odot X X^\top / d`, ``(n, n)``."""
        value, slope = self.activations(inputs)
        weighted = slope * self.second
        second, first = value @ value.T, (weighted @ weighted.T) * (inputs @ inputs.T) / inputs.shape[1]
        return (first + second) / len(self.second)


def problem(spec: Lazy) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training inputs and targets, then those of the test, all float64."""
    generator = Rng(spec.seed).child("inputs").torch()
    n, d = spec.examples + spec.tested, spec.dimension
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    x *= math.sqrt(d) / x.norm(dim=1, keepdim=True)
    if spec.target == "single_index":
        y = (x[:, 0].square() - 1) * math.sqrt((d + 2) / (2 * d - 2))
    else:
        form = torch.randn(d, d, generator=Rng(spec.seed).child("form").torch(), dtype=torch.float64)
        form = form + form.T
        form -= torch.eye(d, dtype=torch.float64) * form.trace() / d
        y = torch.einsum("ni,ij,nj->n", x, form, x)
        y /= y.square().mean().sqrt()
    k = spec.examples
    return x[:k], y[:k], x[k:], y[k:]


@experiment("tangent_drift_of_training")
def train_lazily(spec: Lazy) -> Outcome:
    r"""Train, and compare the tangent kernel at the training inputs with the one before.

    Returns
    -------
    ``drift``: :math:`\lVert K - K_0 \rVert_F / \lVert K_0 \rVert_F`; ``distance``: one minus the cosine of K and
    :math:`K_0`; ``moved``: :math:`\lVert W - W_0 \rVert_F / \lVert W_0 \rVert_F` of the first weights;
    ``test_error``: mean squared error over the mean square of the targets; ``steps``.

    Raises
    ------
    GnomonError : when the error is not reached.

    Cost: about 6 n N d floating-point operations a step; some 100 to 700 steps.
    """
    x, y, test_x, test_y = problem(spec)
    network = start = HiddenLayer.drawn(spec.width, spec.dimension, Rng(spec.seed).child("weights", spec.draw))
    before, initial = start.outputs(x), start.tangent_kernel(x)
    aimed = spec.error * y.square().sum()
    rate = 0.0
    for step in range(spec.most_steps + 1):
        value, slope = network.activations(x)
        residual = spec.scale * (value @ network.second / math.sqrt(spec.width) - before) - y
        if residual.square().sum() <= aimed:
            break
        if step % _RENEWED == 0:
            rate = _STEP / float(torch.linalg.eigvalsh(network.tangent_kernel(x))[-1])
        pull = rate / (spec.scale * math.sqrt(spec.width))
        first = ((slope * residual[:, None]).T @ x) * network.second[:, None] / math.sqrt(spec.dimension)
        network = HiddenLayer(network.first - pull * first, network.second - pull * (value.T @ residual))
    else:
        raise GnomonError(f"not fitted within {spec.most_steps} steps", mend="raise most_steps or the width")
    kernel = network.tangent_kernel(x)
    predicted = spec.scale * (network.outputs(test_x) - start.outputs(test_x))
    return {
        "drift": float((kernel - initial).norm() / initial.norm()),
        "distance": float(1 - (kernel * initial).sum() / (kernel.norm() * initial.norm())),
        "moved": float((network.first - start.first).norm() / start.first.norm()),
        "test_error": float((predicted - test_y).square().mean() / test_y.square().mean()),
        "steps": step,
    }
