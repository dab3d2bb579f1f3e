"""Subjects whose tangent kernel is written down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from gnomon.estimators.tangent.jackknife import Floats
from gnomon.estimators.tangent.statistics import spread_over
from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, SquaredError, Subject

Known = tuple[Subject, Data, Value]

_N, _FEATURES, _CLASSES, _MANY = 32, 10, 3, 40
_DRAWS = 400
_VARIANCES = 2.0 ** -np.arange(_FEATURES, dtype=np.float64)


def _linear(weights: Floats) -> nn.Linear:
    outputs, inputs = weights.shape
    module: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=False)  # type: ignore[no-untyped-call]
    module.weight.data = torch.from_numpy(weights).float()
    return module


def _single(array: Floats) -> Floats:
    """As rounded to single precision."""
    return array.astype(np.float32).astype(np.float64)


def _normal(rng: Rng, *shape: int) -> Floats:
    return _single(rng.numpy().normal(size=shape))


def _classes(rng: Rng, n: int, classes: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return rng.child("classes").numpy().integers(classes, size=n)


def _expected(statistic: Callable[[Floats], Floats], covariance: Floats, rng: Rng) -> Floats:
    """Mean of a statistic of the eigenvalues of XXᵀ / n, for n Gaussian rows, over many draws."""
    half = np.linalg.cholesky(covariance)
    rows = rng.child("truth").numpy().normal(size=(_DRAWS, _N, len(covariance))) @ half.T
    found = np.linalg.eigvalsh(rows.transpose(0, 2, 1) @ rows / _N)[:, ::-1]
    return np.asarray(statistic(np.asarray(found, dtype=np.float64)).mean(axis=0))


def _gaussian_linear(rng: Rng) -> tuple[Subject, Data]:
    x = _normal(rng.child("inputs"), _N, _FEATURES) * np.sqrt(_VARIANCES)
    module = _linear(_normal(rng.child("weights"), _CLASSES, _FEATURES))
    return Subject(module, loss=CrossEntropy()), ArrayData(x, _classes(rng, _N, _CLASSES))


def linear_spectrum(rng: Rng) -> Known:
    """K = XXᵀ, whatever the weights: the eigenvalues of a sample covariance, on average over samples."""
    truth = np.zeros(16)
    truth[:_FEATURES] = _expected(np.copy, np.diag(_VARIANCES), rng)
    return *_gaussian_linear(rng), truth


def linear_rank(rng: Rng) -> Known:
    """The effective rank of the same."""
    return *_gaussian_linear(rng), float(_expected(spread_over, np.diag(_VARIANCES), rng))


def many_outputs_rank(rng: Rng) -> Known:
    r"""Two linear layers, :math:`f = V W x`: K = Xᵀ(WᵀW + ‖V‖² I / C)X, estimated through random signs."""
    width = 6
    w = _normal(rng.child("first"), width, _FEATURES)
    v = _normal(rng.child("second"), _MANY, width) / 4
    v = _single(v)
    metric = w.T @ w + np.square(v).sum() / _MANY * np.eye(_FEATURES)
    half = np.linalg.cholesky(metric)
    truth = _expected(spread_over, half.T @ np.diag(_VARIANCES) @ half, rng)
    _, data = _gaussian_linear(rng)
    subject = Subject(nn.Sequential(_linear(w), _linear(v)), loss=CrossEntropy())
    return subject, data, float(truth)


def linear_alignment(rng: Rng) -> Known:
    r"""Clouds around class means: :math:`\lVert C_{xy} \rVert^2 / \lVert C_{xx} \rVert \lVert C_{yy} \rVert`."""
    means = _normal(rng.child("means"), _CLASSES, _FEATURES)
    classes = _classes(rng, _N, _CLASSES)
    x = means[classes] + np.sqrt(_VARIANCES) * _normal(rng.child("inputs"), _N, _FEATURES)
    module = _linear(_normal(rng.child("weights"), _CLASSES, _FEATURES))
    centred = means - means.mean(axis=0)
    within = np.eye(_CLASSES) / _CLASSES - 1 / _CLASSES**2
    cross, inputs = centred.T / _CLASSES, centred.T @ centred / _CLASSES + np.diag(_VARIANCES)
    truth = np.square(cross).sum() / (np.linalg.norm(inputs) * np.linalg.norm(within))
    return Subject(module, loss=CrossEntropy()), ArrayData(x, classes), float(truth)


def linear_smallest(rng: Rng) -> Known:
    """K = XXᵀ ⊗ I, whose smallest eigenvalue is that of XXᵀ, four orders below the largest."""
    left, _ = np.linalg.qr(rng.child("left").numpy().normal(size=(_N, _N)))
    right, _ = np.linalg.qr(rng.child("right").numpy().normal(size=(2 * _N, _N)))
    x = _single((left * np.geomspace(1, 1e-2, _N)) @ right.T)
    module = _linear(_normal(rng.child("weights"), _CLASSES, 2 * _N))
    data = ArrayData(x, _classes(rng, _N, _CLASSES))
    return Subject(module, loss=CrossEntropy()), data, float(np.linalg.eigvalsh(x @ x.T)[0] / _N)


def two_layers_smallest(rng: Rng) -> Known:
    r"""Outputs A relu(W x): K = relu(XWᵀ) relu(XWᵀ)ᵀ ⊗ I, plus products of inputs through the units that both pass."""
    hidden = 64
    x = _normal(rng.child("inputs"), _N, _FEATURES)
    w, a = _normal(rng.child("first"), hidden, _FEATURES), _normal(rng.child("second"), 2, hidden)
    units = x @ w.T
    last = np.maximum(units, 0)
    through = ((units > 0)[:, None, :] * a).reshape(2 * _N, hidden)
    both = np.ones((2, 2))
    kernel = np.kron(last @ last.T, np.eye(2)) + (through @ through.T) * np.kron(x @ x.T, both)
    truth = np.linalg.eigvalsh(kernel)[0] / _N
    subject = Subject(nn.Sequential(_linear(w), nn.ReLU(), _linear(a)), loss=SquaredError())
    return subject, ArrayData(x, _normal(rng.child("targets"), _N, 2)), float(truth)


def twice_smallest(rng: Rng) -> Known:
    """The same, with one of the inputs there twice: the smallest eigenvalue is zero."""
    subject, data, _ = two_layers_smallest(rng)
    assert isinstance(data, ArrayData)
    again = np.arange(_N)
    again[-1] = 0
    return subject, data.take(again), 0.0


def _drift(rng: Rng) -> tuple[Subject, Data, Callable[[Floats, Floats], float], Floats, Floats]:
    r"""Output a · W x at two points: K = Xᵀ(‖a‖² I + WᵀW)X.

    Also the expected :math:`\sum_{ij} A_{ij} B_{ij}` of two such kernels, over draws of the inputs.
    """
    metrics, networks = [], []
    w, a = _normal(rng.child("first"), 8, _FEATURES), _normal(rng.child("second"), 1, 8)
    for step in (0.0, 0.3):
        w = _single(w + step * _normal(rng.child("first", "moves"), 8, _FEATURES))
        a = _single(a + step * _normal(rng.child("second", "moves"), 1, 8))
        metrics.append(np.square(a).sum() * np.eye(_FEATURES) + w.T @ w)
        networks.append(nn.Sequential(_linear(w), _linear(a)))
    loss = SquaredError()
    subject = Subject(networks[1], loss=loss, initial=Subject(networks[0], loss=loss))
    x = _normal(rng.child("inputs"), _N, _FEATURES) * np.sqrt(_VARIANCES)
    data = ArrayData(x, _normal(rng.child("targets"), _N, 1))

    def inner(one: Floats, other: Floats) -> float:
        p, q = one * _VARIANCES, other * _VARIANCES
        different = np.trace(p @ q)
        return float((_N - 1) * different + 2 * different + np.trace(p) * np.trace(q))

    return subject, data, inner, metrics[1], metrics[0]


def drift_change(rng: Rng) -> Known:
    """Ratio of the expected squared norms of the change and of the first kernel."""
    subject, data, inner, now, before = _drift(rng)
    change = now - before
    return subject, data, float(np.sqrt(inner(change, change) / inner(before, before)))


def drift_distance(rng: Rng) -> Known:
    """One minus the cosine, from expected products."""
    subject, data, inner, now, before = _drift(rng)
    return subject, data, 1 - inner(now, before) / float(np.sqrt(inner(now, now) * inner(before, before)))


def lazy_change(rng: Rng) -> Known:
    """A linear network's kernel does not depend on its weights."""
    subject, data = _gaussian_linear(rng)
    before, _ = _gaussian_linear(rng.child("before"))
    subject.initial = before
    return subject, data, 0.0
