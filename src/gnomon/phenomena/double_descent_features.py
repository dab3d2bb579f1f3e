"""Double descent of random features on digits: one experiment for a ladder of widths or of samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.digits import digits
from gnomon.organisms.label_noise import wrong_labels
from gnomon.organisms.least_squares import LeastSquares, Shrink, gradient_flow, minimum_norm, ridge
from gnomon.organisms.random_features import ReluFeatures
from gnomon.randomness import Rng

Matrix = NDArray[np.float64]
Sizes = Annotated[tuple[Annotated[int, Field(ge=2, le=20_000)], ...], Field(min_length=1)]

NAME = "random_features_ladder"
VALIDATION = 300
PENALTIES = np.logspace(-6, 1, 22)
TIMES = np.logspace(-1, 7, 33)


class FeatureLadder(Spec):
    """Random features regression on digits at every pair of a number of examples and a width.

    Parameters
    ----------
    examples : training images; those of a smaller number are among those of a larger.
    widths : numbers of features, likewise.
    noise : share of wrong labels among the training images.
    """

    examples: Sizes
    widths: Sizes
    noise: float = Field(ge=0, le=1)
    seed: int = 0


@experiment(NAME)
def feature_ladder(spec: FeatureLadder) -> Outcome:
    """Errors of the minimum-norm fit, the tuned ridge and the flow stopped early, as lists over examples × widths.

    Errors are squared errors to the one-hot classes without noise (less 1/10), in units of what predicting zero gives;
    ``train_error`` is to the labels with their noise. Penalty and stopping time are chosen by validation images
    with right labels, the test images are the others that no cell of the ladder trains on.
    """
    rng = Rng(spec.seed)
    train, rest = digits().split(max(spec.examples), rng.child("split"))
    labels = _one_hot(wrong_labels(train.classes, spec.noise, rng.child("noise")))
    truth = _one_hot(rest.classes)
    validation, test = slice(0, VALIDATION), slice(VALIDATION, None)
    widest = ReluFeatures.drawn(train.images, max(spec.widths), rng.child("features"))
    rows = []
    for n, width in product(spec.examples, spec.widths):
        features = ReluFeatures(widest.weights[:width], widest.centre, widest.scale)
        known, unknown = features(train.images[:n]), features(rest.images)
        fit = LeastSquares(known, labels[:n])
        weights = fit.weights(minimum_norm)
        output = unknown[test] @ weights

        def tuned(shrinks: Sequence[Shrink], fit: LeastSquares = fit, unknown: Matrix = unknown) -> float:
            weights = min(map(fit.weights, shrinks), key=lambda w: _error(unknown[validation] @ w, truth[validation]))
            return _error(unknown[test] @ weights, truth[test])

        rows.append(
            {
                "train_error": _error(known @ weights, labels[:n]),
                "test_error": _error(output, truth[test]),
                "misclassified": float((output.argmax(axis=1) != rest.classes[test]).mean()),
                "ridge": tuned([ridge(p) for p in PENALTIES]),
                "stopped": tuned([gradient_flow(t) for t in TIMES]),
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def _one_hot(classes: NDArray[np.int64]) -> Matrix:
    targets: Matrix = np.eye(10)[classes] - 0.1
    return targets


def _error(output: Matrix, target: Matrix) -> float:
    return float(((output - target) ** 2).sum() / (target**2).sum())
