"""A wide network with one hidden layer, trained on digits by gradient descent from its start."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.digits import digits
from gnomon.randomness import Rng

Matrix = NDArray[np.float32]
Count = Annotated[int, Field(ge=1)]
_CLASSES = 10


class WideNetwork(Spec):
    r"""Gradient descent on :math:`\frac{1}{2n} \sum_i \lVert (f - f_0)(x_i) - y_i \rVert^2`.

    :math:`f(x) = \sqrt{2/N}\, W_2\, \mathrm{relu}(\sqrt{2/d}\, W_1 x)` with standard normal weights, all of them
    trained: the NTK parametrisation, its start subtracted. Images are centred by their own mean and scaled to a mean
    square norm of d = 64; targets are one-hot less 1/10.

    Parameters
    ----------
    width : N.
    examples, tested : number of training and test images.
    learning_rate, steps : of gradient descent on the full batch.
    seed : of images and weights.
    """

    width: Count
    examples: Annotated[int, Field(ge=2, le=1200)] = 100
    tested: Annotated[int, Field(ge=1, le=500)] = 500
    learning_rate: Annotated[float, Field(gt=0)] = 0.4
    steps: Count = 800
    seed: int = 0


class Problem(NamedTuple):
    """Training images ``(n, 64)`` and their targets ``(n, 10)``, then those of the test, float64."""

    inputs: NDArray[np.float64]
    targets: NDArray[np.float64]
    unseen: NDArray[np.float64]
    truth: NDArray[np.float64]


def problem(spec: WideNetwork) -> Problem:
    """The images of a spec, whatever its width."""
    train, rest = digits().split(spec.examples, Rng(spec.seed).child("images"))
    centre = train.images.mean(axis=0)
    scale = math.sqrt(64 / np.square(train.images - centre).sum(axis=1).mean())
    one_hot = np.eye(_CLASSES) - 1 / _CLASSES
    return Problem(
        inputs=(train.images - centre) * scale,
        targets=one_hot[train.classes],
        unseen=(rest.images[: spec.tested] - centre) * scale,
        truth=one_hot[rest.classes[: spec.tested]],
    )


@experiment("wide_network_on_digits")
def train_wide(spec: WideNetwork) -> Outcome:
    """Train the network of ``spec``.

    Returns
    -------
    ``train_error`` and ``test_error``: mean squared errors over examples and classes.

    Cost: about 6 n N (d + 10) operations a step; 0.6 s at the width 1,024.
    """
    given = problem(spec)
    x, y, z = (part.astype(np.float32) for part in (given.inputs * math.sqrt(2 / 64), given.targets, given.unseen))
    z *= np.float32(math.sqrt(2 / 64))
    generator = Rng(spec.seed).child("weights").numpy()
    first = generator.standard_normal((64, spec.width), dtype=np.float32)
    second = generator.standard_normal((spec.width, _CLASSES), dtype=np.float32)
    out = np.float32(math.sqrt(2 / spec.width))
    start, start_unseen = (out * np.maximum(inputs @ first, 0) @ second for inputs in (x, z))
    rate = np.float32(spec.learning_rate / len(x)) * out
    for _ in range(spec.steps):
        hidden = np.maximum(x @ first, 0)
        residual = out * hidden @ second - start - y
        back = (residual @ second.T) * (hidden > 0)
        second -= rate * (hidden.T @ residual)
        # the factor √(2/d) of the first layer is in x, in the output and in the gradient
        first -= rate * (x.T @ back)
    found = out * np.maximum(x @ first, 0) @ second - start, out * np.maximum(z @ first, 0) @ second - start_unseen
    return {"train_error": _error(found[0], given.targets), "test_error": _error(found[1], given.truth)}


def _error(output: Matrix, target: NDArray[np.float64]) -> float:
    return float(np.square(output - target).mean())
