"""Clouds of points whose geometry is known in closed form.

The network passes its inputs through unchanged, so that the points are the activations of its one site.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.estimators import KnownAnswer
from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Subject

Known = tuple[Subject, Data, Value]
Floats = NDArray[np.float64]

_ROWS, _WIDTH = 2000, 64
_SCALES = 6
_SEEDS = (6, 100)


def dimension_answers(quantity: str, names: tuple[str, ...]) -> tuple[KnownAnswer, ...]:
    """The known answers called ``names``, for a quantity that is an intrinsic dimension."""
    makers: dict[str, Callable[[Rng], Known]] = {
        "square": partial(cube, 2),
        "5-cube": partial(cube, 5),
        "10-cube": partial(cube, 10),
        "20-cube": partial(cube, 20),
        "5-sphere": partial(sphere, 5),
        "Swiss roll": swiss_roll,
        "5-cube, a third copied": copied_cube,
        "square, a third copied to float32 rounding": jittered_square,
        "square far from the origin": distant_square,
    }
    too_high = {"20-cube"}  # for 2,000 rows
    return tuple(
        KnownAnswer(
            name=name,
            quantity=quantity,
            make=makers[name],
            reads_ok=0.0 if name in too_high else 0.9,
            insufficient_at_least=0.9 if name in too_high else 0.0,
            seeds=_SEEDS,
        )
        for name in names
    )


def cube(dimension: int, rng: Rng) -> Known:
    """Uniform points of a cube, turned at random into R^64."""
    return _points(_embedded(rng.numpy().random((_ROWS, dimension)), rng), float(dimension))


def sphere(dimension: int, rng: Rng) -> Known:
    """Uniform points of a sphere of ``dimension``, turned at random into R^64."""
    normal = rng.numpy().normal(size=(_ROWS, dimension + 1))
    return _points(_embedded(normal / np.linalg.norm(normal, axis=1, keepdims=True), rng), float(dimension))


def sphere_curve(rng: Rng) -> Known:
    """The two-sphere: within a chord r of a point lies the area πr², exactly, so every scale reads 2."""
    subject, data, truth = sphere(2, rng)
    return subject, data, np.full(_SCALES, truth)


def swiss_roll(rng: Rng) -> Known:
    """A rolled-up sheet: dimension 2, curved in three."""
    generator = rng.numpy()
    angle, height = 1.5 * np.pi * (1 + 2 * generator.random(_ROWS)), 21 * generator.random(_ROWS)
    return _points(_embedded(np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1), rng), 2.0)


def copied_cube(rng: Rng) -> Known:
    """A 5-cube of which a third of the rows are copies of others."""
    points = _embedded(rng.numpy().random((_ROWS, 5)), rng)
    return _points(points[_with_copies(rng)], 5.0)


def jittered_square(rng: Rng) -> Known:
    """A square of which a third of the rows are others to within float32 rounding."""
    points = _embedded(rng.numpy().random((_ROWS, 2)), rng)[_with_copies(rng)]
    jitter = rng.child("jitter").numpy().normal(size=points.shape)
    return _points(points * (1 + 2.0**-24 * jitter), 2.0)


def distant_square(rng: Rng) -> Known:
    """A square so far from the origin that a product of float32 rows loses every distance."""
    return _points(_embedded(rng.numpy().random((_ROWS, 2)), rng) + 30, 2.0)


def _with_copies(rng: Rng) -> NDArray[np.int64]:
    generator = rng.child("copies").numpy()
    return generator.permutation(np.concatenate([np.arange(_ROWS), generator.integers(_ROWS, size=_ROWS // 2)]))


def _embedded(points: Floats, rng: Rng) -> Floats:
    isometry, _ = np.linalg.qr(rng.child("isometry").numpy().normal(size=(_WIDTH, points.shape[1])))
    return np.asarray(points @ isometry.T)


def _points(points: Floats, truth: Value, clusters: NDArray[np.int64] | None = None) -> Known:
    return Subject(torch.nn.Identity()), ArrayData(points, clusters=clusters), truth
