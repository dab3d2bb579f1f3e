"""Gradient descent on the full batch, whose sharpness is measured along the way."""

from __future__ import annotations

import itertools
import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnomon.estimators.curvature.hessian import HessianOperator
from gnomon.estimators.curvature.lanczos import lanczos, start_vectors
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.digits import digits
from gnomon.organisms.initial import linear
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, SquaredError, Subject

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
_INPUT_NORM = 4.0
_CLASSES = 10
_DIVERGED = 100.0


class Descent(Spec):
    r"""One run of :math:`v_{t+1} = \beta v_t + \nabla L(\theta_t)`, :math:`\theta_{t+1} = \theta_t - \eta v_{t+1}`.

    L is the mean squared error, over examples and classes, of a tanh network without biases on digits, whose targets
    are one-hot less their mean 0.1. Inputs are centred and scaled to a mean square norm of 16.

    Parameters
    ----------
    learning_rate, momentum : η and β.
    time : how long, in units in which the loss falls alike for all η and β while it is stable:
        :math:`\eta t / (1 - \beta)`.
    readings : about how often the sharpness is measured.
    lanczos_steps : products with the Hessian a reading.
    examples : size of the batch, drawn from the digits.
    width, depth : of the hidden layers; depth 0 is linear regression.
    init_scale : entries of a layer with m inputs have standard deviation ``init_scale / √m``.
    seed : of examples and weights.
    """

    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    time: Positive = 4000.0
    readings: Count = 60
    lanczos_steps: Annotated[int, Field(ge=2)] = 30
    examples: Annotated[int, Field(ge=2, le=1796)] = 100
    width: Count = 32
    depth: Annotated[int, Field(ge=0)] = 2
    init_scale: Positive = 0.4
    seed: int = 0

    @property
    def steps(self) -> int:
        """The number of updates."""
        return math.ceil(self.time * (1 - self.momentum) / self.learning_rate)

    @property
    def edge(self) -> float:
        r"""The curvature :math:`(2 + 2\beta) / \eta` above which descent on a quadratic diverges.

        Source: Polyak (1964); Cohen et al., arXiv:2103.00065.
        """
        return (2 + 2 * self.momentum) / self.learning_rate


def regression(spec: Descent) -> tuple[nn.Sequential, ArrayData]:
    """The network before training, and its examples."""
    rng = Rng(spec.seed)
    drawn, _ = digits().split(spec.examples, rng.child("examples"))
    centred = drawn.images - drawn.images.mean(axis=0)
    inputs = centred * (_INPUT_NORM / np.sqrt(np.square(centred).sum(axis=1).mean()))
    targets = np.eye(_CLASSES)[drawn.classes] - 1 / _CLASSES
    generator = rng.child("weights").torch()
    dims = [inputs.shape[1], *[spec.width] * spec.depth, _CLASSES]
    layers: list[nn.Module] = []
    for m, n in itertools.pairwise(dims):
        layers += [linear(m, n, spec.init_scale / math.sqrt(m), generator), nn.Tanh()]
    return nn.Sequential(*layers[:-1]), ArrayData(torch.tensor(inputs).float(), torch.tensor(targets).float())


@experiment("sharpness_of_descent")
def descend(spec: Descent) -> Outcome:
    r"""Sharpness and loss along one run.

    The sharpness is the largest Ritz value of Lanczos, from below the largest eigenvalue of the Hessian; its residual
    says how far an eigenvalue is at most.

    Returns
    -------
    ``steps`` at which it was read; ``sharpness`` and ``loss`` there, ``residual`` (largest of all, relative), and
    ``rises``: the share of steps since the last reading at which the loss rose. ``diverged``: whether the loss grew
    beyond a hundred times the first, where the run ends.

    Cost: 0.5 ms a step and 20 ms a reading at the default size.
    """
    network, data = regression(spec)
    subject = Subject(network, loss=SquaredError(), data=data)
    weights = list(network.parameters())
    velocity = [torch.zeros_like(w) for w in weights]
    hessian = HessianOperator(subject, data)
    start = start_vectors(hessian.dimension, 1, Rng(spec.seed).child("lanczos"))
    # odd, for at the edge the weights go back and forth with period two, and both sides are to be read
    every = (spec.steps // spec.readings) | 1
    found: dict[str, list[float]] = {"steps": [], "sharpness": [], "loss": [], "rises": []}
    residual, rises, last, limit, diverged = 0.0, 0, math.inf, math.inf, False
    assert isinstance(data.targets, Tensor)
    for step in range(spec.steps + 1):
        loss = (network(data.inputs) - data.targets).square().mean()
        value = loss.item()
        limit = _DIVERGED * value if step == 0 else limit
        if not value <= limit:
            diverged = True
            break
        rises += value > last
        last = value
        if step % every == 0:
            with hessian.keeping():
                (run,) = lanczos(hessian, start, spec.lanczos_steps)
            top = float(run.ritz_values[-1])
            residual = max(residual, float(run.residuals[-1]) / top)
            for name, number in zip(found, (step, top, value, rises / min(every, max(step, 1))), strict=True):
                found[name].append(number)
            rises = 0
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, v, g in zip(weights, velocity, gradients, strict=True):
                v.mul_(spec.momentum).add_(g)
                w.sub_(v, alpha=spec.learning_rate)
    return {**found, "residual": residual, "diverged": diverged}
