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
_DECAY: Floats = 0.9 ** np.arange(_WIDTH, dtype=np.float64)
_SEEDS = (8, 100)


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
        "sequences of dependent rows": dependent_rows,
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


def curve_answer() -> KnownAnswer:
    """The known answer for a whole scale curve."""
    return KnownAnswer(name="two-sphere", quantity="gride_curve", make=sphere_curve, seeds=_SEEDS)


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


def isotropic(rng: Rng) -> Known:
    """A standard Gaussian with as many rows as dimensions."""
    return _points(rng.numpy().normal(size=(100, 100)), 100.0)


def decaying(rng: Rng) -> Known:
    """A Gaussian whose standard deviations fall geometrically."""
    deviations = _DECAY
    return _points(_turned(rng.numpy().normal(size=(400, _WIDTH)) * deviations, rng), _participation(deviations**2))


def dependent(rng: Rng) -> Known:
    """The same in sequences of five rows that share most of their variance."""
    deviations = _DECAY
    points, clusters = _sequences(200, _WIDTH, rng)
    return _points(_turned(points * deviations, rng), _participation(deviations**2), clusters)


def linear_layers(rng: Rng) -> Known:
    """Two linear layers on Gaussian inputs."""
    return _layers(rng.numpy().normal(size=(300, 30)), rng)


def few_rows_of_linear_layers(rng: Rng) -> Known:
    """The same with as many rows as inputs."""
    return _layers(rng.numpy().normal(size=(30, 30)), rng)


def linear_layers_on_sequences(rng: Rng) -> Known:
    """The same with inputs in sequences of five that share most of their variance."""
    points, clusters = _sequences(100, 30, rng)
    return _layers(points, rng, clusters)


def norm_of_rows(rng: Rng) -> Known:
    """Gaussian rows of known mean and covariance."""
    return _points(*_shifted(rng.numpy().normal(size=(300, 20))))


def norm_of_sequences(rng: Rng) -> Known:
    """The same in sequences of dependent rows."""
    points, clusters = _sequences(100, 20, rng)
    return _points(*_shifted(points), clusters)


def _shifted(normal: Floats) -> tuple[Floats, float]:
    deviations = 1.0 + np.arange(20)
    return normal * deviations + 3, float(np.sqrt(np.square(deviations).sum() + 20 * 9))


def kurtosis_of_gaussian(rng: Rng) -> Known:
    """Independent Gaussian features: 3 (d - 1) / (d + 1) by the moments of the chi-squared distribution."""
    return _points(rng.numpy().normal(size=(500, 20)), 3 * 19 / 21)


def kurtosis_of_sequences(rng: Rng) -> Known:
    """The same in sequences of dependent rows."""
    points, clusters = _sequences(150, 20, rng)
    return _points(points, 3 * 19 / 21, clusters)


def isotropic_directions(rng: Rng) -> Known:
    """Directions without preference, of random lengths."""
    generator = rng.numpy()
    return _points(generator.normal(size=(300, 30)) * generator.uniform(0.1, 10, size=(300, 1)), 0.0)


def shared_direction(rng: Rng) -> Known:
    """Rows that are one direction with probability 0.6: two rows have mean cosine 0.36."""
    return _points(_sharing(np.ones(400, dtype=np.int64), rng), 0.36)


def shared_in_sequences(rng: Rng) -> Known:
    """The same in sequences of one to five rows, of which all or none are that direction."""
    sizes = rng.child("sizes").numpy().integers(1, 6, size=200)
    return _points(_sharing(sizes, rng), 0.36, np.repeat(np.arange(200), sizes))


def _sharing(sizes: NDArray[np.int64], rng: Rng) -> Floats:
    generator = rng.numpy()
    shared = np.repeat(generator.random(len(sizes)) < 0.6, sizes)
    points = generator.normal(size=(len(shared), 30))
    points[shared] = np.abs(points[shared, :1]) * np.linspace(-1, 2, 30)
    return points


def rank_of_isotropic(rng: Rng) -> Known:
    """A standard Gaussian in 50 dimensions."""
    return _points(rng.numpy().normal(size=(200, 50)), 50.0)


def rank_of_decaying(rng: Rng) -> Known:
    """A Gaussian whose standard deviations fall geometrically."""
    subject, data, _ = decaying(rng)
    return subject, data, _rank(_DECAY**2)


def rank_of_sequences(rng: Rng) -> Known:
    """The same in sequences of dependent rows."""
    subject, data, _ = dependent(rng)
    return subject, data, _rank(_DECAY**2)


def _rank(variances: Floats) -> float:
    shares = variances / variances.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def dominant_share(rng: Rng) -> Known:
    """One direction of variance 25 among 63 of variance 1."""
    deviations = np.concatenate([[5.0], np.ones(_WIDTH - 1)])
    return _points(_turned(rng.numpy().normal(size=(400, _WIDTH)) * deviations, rng), 25 / (25 + _WIDTH - 1))


def share_of_decaying(rng: Rng) -> Known:
    """A Gaussian whose standard deviations fall geometrically."""
    subject, data, _ = decaying(rng)
    return subject, data, float(1 / np.square(_DECAY).sum())


def share_of_sequences(rng: Rng) -> Known:
    """The same in sequences of dependent rows."""
    subject, data, _ = dependent(rng)
    return subject, data, float(1 / np.square(_DECAY).sum())


def _layers(inputs: Floats, rng: Rng, clusters: NDArray[np.int64] | None = None) -> Known:
    generator = rng.child("weights").numpy()
    first = generator.normal(size=(20, inputs.shape[1])) * 0.8 ** np.arange(20)[:, None]
    second = generator.normal(size=(25, 20))
    network = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.Linear(20, 25))
    for layer, weight in zip(network, (first, second), strict=True):
        layer.weight.data = torch.from_numpy(weight).float()
    covariance = first @ first.T
    across, after = covariance @ second.T, second @ covariance @ second.T
    truth = np.square(across).sum() / (np.linalg.norm(covariance) * np.linalg.norm(after))
    return Subject(network), ArrayData(inputs, clusters=clusters), float(truth)


def _sequences(count: int, width: int, rng: Rng) -> tuple[Floats, NDArray[np.int64]]:
    """Standard Gaussian rows in sequences of five; two rows of one have correlation 0.8."""
    generator = rng.child("sequences").numpy()
    shared = np.repeat(generator.normal(size=(count, width)), 5, axis=0)
    own = generator.normal(size=shared.shape)
    return np.sqrt(0.8) * shared + np.sqrt(0.2) * own, np.repeat(np.arange(count), 5)


def _participation(eigenvalues: Floats) -> float:
    return float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum())


def _turned(points: Floats, rng: Rng) -> Floats:
    rotation, _ = np.linalg.qr(rng.child("rotation").numpy().normal(size=(_WIDTH, _WIDTH)))
    return np.asarray(points @ rotation.T)


def dependent_rows(rng: Rng) -> Known:
    """A Gaussian in five dimensions in sequences of five rows that lie close together."""
    points, clusters = _sequences(_ROWS // 5, 5, rng)
    return _points(_embedded(points, rng), 5.0, clusters)


def _with_copies(rng: Rng) -> NDArray[np.int64]:
    generator = rng.child("copies").numpy()
    return generator.permutation(np.concatenate([np.arange(_ROWS), generator.integers(_ROWS, size=_ROWS // 2)]))


def _embedded(points: Floats, rng: Rng) -> Floats:
    isometry, _ = np.linalg.qr(rng.child("isometry").numpy().normal(size=(_WIDTH, points.shape[1])))
    return np.asarray(points @ isometry.T)


def _points(points: Floats, truth: Value, clusters: NDArray[np.int64] | None = None) -> Known:
    return Subject(torch.nn.Identity()), ArrayData(points, clusters=clusters), truth
