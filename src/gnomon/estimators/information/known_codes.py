"""Labels whose expected code length is known: by averaging an implementation of its own over a thousand data sets.

It knows two classes and two features only, so that a probe is a ridge-penalised logistic regression in three numbers,
which Newton's method solves for all data sets at once.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Subject

Known = tuple[Subject, Data, Value]

_ROWS, _DATA_SETS = 200, 1000
_ENDS = (16, 32, 64, 128, 200)
_STEEP, _RARE = 2.0, 0.3


def _drawn(generator: np.random.Generator, shape: tuple[int, ...], steep: float) -> tuple[NDArray[np.float64], ...]:
    """Two features ``(…, 2)`` and labels ``(…)``: of the first alone, or of nothing where ``steep`` is 0."""
    features = generator.normal(size=(*shape, 2))
    odds = steep * features[..., 0] if steep else np.full(shape, np.log(_RARE / (1 - _RARE)))
    return features, (generator.random(shape) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def _instance(rng: Rng, steep: float) -> tuple[Subject, Data]:
    features, labels = _drawn(rng.numpy(), (_ROWS,), steep)
    return Subject(torch.nn.Identity(), loss=CrossEntropy()), ArrayData(features, labels.astype(np.int64))


@functools.cache
def expected_lengths(steep: float) -> tuple[float, float]:
    """Mean over data sets of the code length, and of that from frequencies alone, in nats per label."""
    features, labels = _drawn(np.random.default_rng(2024), (_DATA_SETS, _ROWS), steep)
    scaled = (features - features.mean(axis=1, keepdims=True)) / features.std(axis=1, keepdims=True) / np.sqrt(2)
    z = np.concatenate([scaled, np.ones((_DATA_SETS, _ROWS, 1))], axis=2)
    logs = np.full((3, _DATA_SETS, _ROWS), np.log(0.5))
    for sent, end in itertools.pairwise(_ENDS):
        ones = labels[:, :sent].sum(axis=1)
        offset = np.log((ones + 1) / (sent - ones + 1))[:, None]
        for scale, log in zip((0.0, 2.0, 8.0), logs, strict=True):
            weights = np.zeros((_DATA_SETS, 3))
            if scale:
                weights = _newton(z[:, :sent], labels[:, :sent], offset, 1 / (2 * scale**2))
            odds = offset + np.einsum("dif,df->di", z[:, sent:end], weights)
            log[:, sent:end] = -np.logaddexp(0, np.where(labels[:, sent:end] == 1, -odds, odds))
    totals = logs.sum(axis=2)
    highest = totals.max(axis=0)
    mixed = highest + np.log(np.exp(totals - highest).mean(axis=0))
    return float(-mixed.mean() / _ROWS), float(-totals[0].mean() / _ROWS)


def _newton(
    z: NDArray[np.float64], labels: NDArray[np.float64], offset: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Minima of logistic losses with penalty ridge/2 |w|², one for each data set."""
    weights = np.zeros((len(z), z.shape[2]))
    for _ in range(25):
        p = 1 / (1 + np.exp(-(offset + np.einsum("dif,df->di", z, weights))))
        slope = np.einsum("di,dif->df", p - labels, z) + ridge * weights
        curvature = np.einsum("di,dif,dig->dfg", p * (1 - p), z, z) + ridge * np.eye(z.shape[2])
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        step *= np.minimum(1.0, 3.0 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def readable(rng: Rng) -> Known:
    """Two classes, whose odds are a multiple of the first of two features."""
    return *_instance(rng, _STEEP), expected_lengths(_STEEP)[0]


def unreadable(rng: Rng) -> Known:
    """Two classes that the features tell nothing about."""
    return *_instance(rng, 0.0), expected_lengths(0.0)[0]


def saved(rng: Rng) -> Known:
    """What the feature tells of the label, less what it takes to learn how."""
    mixed, alone = expected_lengths(_STEEP)
    return *_instance(rng, _STEEP), alone - mixed


def nothing_saved(rng: Rng) -> Known:
    """Mixing in codes that do not help costs a little."""
    mixed, alone = expected_lengths(0.0)
    return *_instance(rng, 0.0), alone - mixed
