"""Regression on digits with random features, or with the kernel that infinitely many of them have."""

from __future__ import annotations

import functools
import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.digits import Digits, digits
from gnomon.organisms.label_noise import wrong_labels
from gnomon.organisms.least_squares import LeastSquares, minimum_norm, ridge
from gnomon.randomness import Rng
from gnomon.theory.infinite_width import FullyConnected

Matrix = NDArray[np.float64]
Count = Annotated[int, Field(ge=1)]
KERNEL = FullyConnected(hidden=1, weight_variance=1.0)
"""Its NNGP kernel is that of infinitely many of the features, up to the factor 2 that `kernel` puts back."""
_POOL = 897
_CLASSES = 10


class DigitsRegression(Spec):
    r"""Ridge regression on :math:`\phi_j(x) = \sqrt{2/N}\,\max(0, w_j \cdot x)` with standard normal :math:`w_j`.

    The images come from 900 of the digits; the other 897, the *pool*, are never trained or tested on: a theory may
    look at them. Images are centred by the mean of the pool and scaled to its mean square norm of 1; targets are
    one-hot less 1/10, one output a class.

    Parameters
    ----------
    examples, tested : training and test images.
    features : N; ``None``: the kernel of infinitely many.
    penalty : λ of :math:`\lVert y - \Phi w \rVert^2 + \lambda \lVert w \rVert^2`; 0: the solution of least norm.
    noise : share of wrong labels among the training images.
    seed : of images, labels and features.
    """

    examples: Annotated[int, Field(ge=2, le=500)]
    tested: Annotated[int, Field(ge=1, le=400)] = 400
    features: Count | None = None
    penalty: Annotated[float, Field(ge=0)] = 0.0
    noise: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    seed: int = 0


@experiment("digits_regression")
def regress(spec: DigitsRegression) -> Outcome:
    """``excess_risk``: the squared error on test images with right labels, summed over outputs.

    Raises GnomonError for a kernel without a penalty.
    """
    if spec.features is None and spec.penalty == 0:
        raise GnomonError("regression with the kernel needs a penalty", mend="raise penalty")
    rng = Rng(spec.seed)
    train, rest = _halves()[1].split(spec.examples, rng.child("images"))
    x, z = prepared(train.images), prepared(rest.images[: spec.tested])
    y, truth = (
        one_hot(wrong_labels(train.classes, spec.noise, rng.child("noise"))),
        one_hot(rest.classes[: spec.tested]),
    )
    if spec.features is None:
        gram = kernel(x, x)
        output = kernel(z, x) @ np.linalg.solve(gram + spec.penalty * np.eye(len(x)), y)
    else:
        directions = rng.child("features").numpy().standard_normal((x.shape[1], spec.features))
        known, unknown = (math.sqrt(2 / spec.features) * np.maximum(part @ directions, 0) for part in (x, z))
        output = unknown @ LeastSquares(known, y).weights(ridge(spec.penalty) if spec.penalty else minimum_norm)
    return {"excess_risk": float(np.square(output - truth).sum(axis=1).mean())}


def pool() -> tuple[Matrix, Matrix]:
    """What a theory may look at: images as the regression sees them ``(897, 64)``, and their targets ``(897, 10)``."""
    seen = _halves()[0]
    return prepared(seen.images), one_hot(seen.classes)


def kernel(x: Matrix, z: Matrix) -> Matrix:
    r""":math:`E[\phi(x) \cdot \phi(z)]`, ``(n, m)``.

    Source: Cho & Saul, NIPS 2009 (arc-cosine kernel of order 1).
    """
    # d undoes the 1/d of the network's first layer
    found: Matrix = 2 * x.shape[1] * KERNEL.nngp(x, z)
    return found


def prepared(images: Matrix) -> Matrix:
    """Images as the regression sees them."""
    seen = _halves()[0].images
    centre = seen.mean(axis=0)
    scaled: Matrix = (images - centre) / math.sqrt(np.square(seen - centre).sum(axis=1).mean())
    return scaled


def one_hot(classes: NDArray[np.int64]) -> Matrix:
    """Targets."""
    targets: Matrix = np.eye(_CLASSES)[classes] - 1 / _CLASSES
    return targets


@functools.cache
def _halves() -> tuple[Digits, Digits]:
    """The pool, and the images that are trained and tested on."""
    return digits().split(_POOL, Rng(0).child("predictions", "pool"))
