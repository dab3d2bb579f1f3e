"""Subjects whose curvature is known in closed form.

Regressions are linear networks with written-down Hessians; planted spectra are networks whose output, taken as the
loss itself, is a quadratic form of the parameters.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.estimators.curvature.quadrature import density_grid, gaussian
from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Batch, CrossEntropy, Data, Loss, Predictions, SquaredError, Subject

Known = tuple[Subject, Data, Value]
Array = NDArray[np.float64]

_FEATURES, _EXAMPLES, _CLASSES, _PLANTED = 60, 200, 4, 120
_STEPS = 16  # of the default HessianSpectrum: they fix the grid of its density


def _inputs(rng: Rng) -> Array:
    """Correlated inputs: variances from 2 down to 1/30, and one direction that all share."""
    generator = rng.child("inputs").numpy()
    scales = np.sqrt(2 / np.arange(1, _FEATURES + 1))
    shared = generator.normal(size=(_EXAMPLES, 1)) * generator.normal(size=_FEATURES) / 4
    return (generator.normal(size=(_EXAMPLES, _FEATURES)) * scales + shared).astype(np.float32).astype(np.float64)


def _linear(outputs: int, rng: Rng) -> tuple[nn.Linear, Array]:
    module = nn.utils.skip_init(nn.Linear, _FEATURES, outputs, bias=False)  # type: ignore[no-untyped-call]
    values = (rng.child("weights").numpy().normal(size=(outputs, _FEATURES)) / 4).astype(np.float32)
    module.weight.data = torch.from_numpy(values)
    return module, values.astype(np.float64)


def _linear_regression(rng: Rng) -> tuple[Subject, Data, Array]:
    x = _inputs(rng)
    targets = rng.child("targets").numpy().normal(size=(_EXAMPLES, 1))
    module, _ = _linear(1, rng)
    return Subject(module, loss=SquaredError()), ArrayData(x, targets), 2 * x.T @ x / _EXAMPLES


def _softmax_regression(rng: Rng, classes: int) -> tuple[Subject, Data, Array]:
    x = _inputs(rng)
    module, weights = _linear(classes, rng)
    logits = x @ weights.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    bend = p[:, :, None] * np.eye(classes) - p[:, :, None] * p[:, None, :]
    hessian = np.einsum("nab,ni,nj->aibj", bend, x, x).reshape(classes * _FEATURES, -1) / _EXAMPLES
    labels = rng.child("targets").numpy().integers(classes, size=_EXAMPLES)
    return Subject(module, loss=CrossEntropy()), ArrayData(x, labels), hessian


def _top(made: tuple[Subject, Data, Array]) -> Known:
    return made[0], made[1], float(np.linalg.eigvalsh(made[2])[-1])


def _trace(made: tuple[Subject, Data, Array]) -> Known:
    return made[0], made[1], float(np.trace(made[2]))


def linear_regression_top(rng: Rng) -> Known:
    """Largest eigenvalue of (2/N) XᵀX."""
    return _top(_linear_regression(rng))


def linear_regression_trace(rng: Rng) -> Known:
    """Trace of (2/N) XᵀX."""
    return _trace(_linear_regression(rng))


def logistic_top(rng: Rng) -> Known:
    """Two classes: twice the largest eigenvalue of XᵀDX / N with D = p(1 − p)."""
    return _top(_softmax_regression(rng, 2))


def logistic_trace(rng: Rng) -> Known:
    """Two classes: twice the trace of XᵀDX / N with D = p(1 − p)."""
    return _trace(_softmax_regression(rng, 2))


def softmax_top(rng: Rng) -> Known:
    """Largest eigenvalue of the mean of (diag p − ppᵀ) ⊗ xxᵀ."""
    return _top(_softmax_regression(rng, _CLASSES))


def softmax_trace(rng: Rng) -> Known:
    """Trace of the mean of (diag p − ppᵀ) ⊗ xxᵀ."""
    return _trace(_softmax_regression(rng, _CLASSES))


class OutputLoss(Loss):
    """The network's output, as it is, is the loss."""

    name = "output"
    categorical = False

    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """One for each example."""
        del batch
        rows = torch.arange(len(output), device=output.device)
        return Predictions(output, torch.zeros_like(rows), rows, torch.zeros_like(rows))

    def values(self, predictions: Predictions) -> Tensor:
        """The outputs themselves."""
        return predictions.scores[:, 0]


class PlantedQuadratic(nn.Module):
    r"""Output :math:`\tfrac12 \sum_j (\lambda_j + a_j) z_j^2 + \sum_j b_j z_j` with :math:`z = Q^\top \theta`.

    The first half of an input is a, the second half b. The mean loss has the eigenvalues :math:`\lambda + \bar a`
    and the gradient :math:`Q ((\lambda + \bar a) z + \bar b)`.
    """

    def __init__(self, eigenvalues: Array, rng: Rng, *, z: Array | None = None) -> None:
        super().__init__()
        d = len(eigenvalues)
        q, _ = np.linalg.qr(rng.child("rotation").numpy().normal(size=(d, d)))
        start = np.zeros(d) if z is None else q @ z
        self.theta = nn.Parameter(torch.from_numpy(start).float())
        self.rotation = nn.Buffer(torch.from_numpy(q).float())
        self.eigenvalues = nn.Buffer(torch.from_numpy(eigenvalues).float())

    def forward(self, inputs: Tensor) -> Tensor:
        """Losses ``(batch, 1)`` of inputs ``(batch, 2d)``."""
        d = len(self.theta)
        z = self.theta @ self.rotation
        out: Tensor = ((self.eigenvalues + inputs[:, :d]) * z.square() / 2 + inputs[:, d:] * z).sum(dim=1, keepdim=True)
        return out


def planted(
    eigenvalues: Array, rng: Rng, *, z: Array | None = None, examples: int = 64, wobble: float = 0.1, noise: float = 1.0
) -> tuple[Subject, Data, Array]:
    """A planted quadratic, its data, and the eigenvalues of the mean loss over just these examples.

    ``wobble`` and ``noise`` are the standard deviations of single examples' curvature and slope in each direction.
    """
    generator = rng.child("examples").numpy()
    d = len(eigenvalues)
    a = (wobble * generator.normal(size=(examples, d))).astype(np.float32)
    b = noise * generator.normal(size=(examples, d))
    module = PlantedQuadratic(eigenvalues, rng, z=z)
    data = ArrayData(np.concatenate([a, b], axis=1))
    found = eigenvalues.astype(np.float32) + a.astype(np.float64).mean(axis=0)
    return Subject(module, loss=OutputLoss()), data, np.sort(found)


def bulk_top(rng: Rng) -> Known:
    """Eigenvalues uniform on [0, 1]: no gap at the top, so Lanczos does not reach it."""
    subject, data, found = planted(rng.child("spectrum").numpy().uniform(size=_PLANTED), rng)
    return subject, data, float(found[-1])


def _saddle(rng: Rng) -> tuple[Subject, Data, Array]:
    """Outliers above, a bulk around 0.1, and ten negative eigenvalues."""
    generator = rng.child("spectrum").numpy()
    bulk = np.abs(0.1 * generator.normal(size=_PLANTED - 15))
    return planted(np.concatenate([[8.0, 5.0, 4.0, 3.0, 2.0], bulk, -generator.uniform(0.2, 0.5, size=10)]), rng)


def saddle_bottom(rng: Rng) -> Known:
    """The smallest of ten negative eigenvalues close together."""
    subject, data, found = _saddle(rng)
    return subject, data, float(found[0])


def saddle_trace(rng: Rng) -> Known:
    """Trace with terms of both signs."""
    subject, data, found = _saddle(rng)
    return subject, data, float(found.sum())


def flat_trace(rng: Rng) -> Known:
    """Eigenvalues uniform on [0, 1]: there is nothing to deflate."""
    subject, data, found = planted(rng.child("spectrum").numpy().uniform(size=_PLANTED), rng)
    return subject, data, float(found.sum())


def outliers_trace(rng: Rng) -> Known:
    """Eigenvalues 10/i²."""
    subject, data, found = planted(10 / np.arange(1.0, _PLANTED + 1) ** 2, rng)
    return subject, data, float(found.sum())


def planted_density(rng: Rng) -> Known:
    """A bulk between two lone eigenvalues, which fix the grid."""
    bulk = rng.child("spectrum").numpy().uniform(-0.5, 1.5, size=_PLANTED - 2)
    subject, data, found = planted(np.concatenate([[-2.0], bulk, [4.0]]), rng)
    grid, width = density_grid(found[0], found[-1], _STEPS)
    return subject, data, gaussian(grid, found, width).mean(axis=1)


class _Product(nn.Module):
    r"""Output :math:`\sum_j x_j u_j v_j`, whose own curvature couples each pair."""

    def __init__(self, u: Array, v: Array) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.from_numpy(u).float())
        self.v = nn.Parameter(torch.from_numpy(v).float())

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs * self.u * self.v).sum(dim=1, keepdim=True)


def product_trace(rng: Rng) -> Known:
    """Squared error: tr G = 2 Σ_j mean(x_j²) (u_j² + v_j²), whatever the targets."""
    generator = rng.numpy()
    u, v = (generator.normal(size=_FEATURES).astype(np.float32).astype(np.float64) for _ in range(2))
    x = generator.normal(size=(_EXAMPLES, _FEATURES)).astype(np.float32).astype(np.float64)
    data = ArrayData(x, generator.normal(size=(_EXAMPLES, 1)))
    trace = 2 * (np.square(x).mean(axis=0) * (u**2 + v**2)).sum()
    return Subject(_Product(u, v), loss=SquaredError()), data, float(trace)


def _critical(eigenvalues: Array, rng: Rng, *, z: Array | None = None, wobble: float = 0.1) -> tuple[Subject, Data]:
    """A planted quadratic seen through 256 examples, each with a slope of its own."""
    subject, data, _ = planted(eigenvalues, rng, z=z, examples=256, wobble=wobble, noise=0.1)
    return subject, data


def _valley(rng: Rng) -> Array:
    return rng.child("spectrum").numpy().uniform(0.05, 1.0, size=_PLANTED)


def minimum_verdict(rng: Rng) -> Known:
    """All eigenvalues positive, at the bottom."""
    return *_critical(_valley(rng), rng), 1.0


def minimum_norm(rng: Rng) -> Known:
    """At a minimum the gradient is zero, whatever the sample's."""
    return *_critical(_valley(rng), rng), 0.0


def saddle_verdict(rng: Rng) -> Known:
    """Three of the eigenvalues are negative."""
    eigenvalues = _valley(rng)
    eigenvalues[:3] = -0.2, -0.1, -0.1
    return *_critical(eigenvalues, rng), -1.0


def _slope(rng: Rng) -> tuple[Array, Array]:
    """A valley, and a point off its bottom whose gradient is about twice its sampling noise."""
    z = rng.child("offset").numpy().normal(size=_PLANTED)
    return _valley(rng), 0.25 * z / np.linalg.norm(z)


def slope_verdict(rng: Rng) -> Known:
    """Off the bottom of a valley."""
    eigenvalues, z = _slope(rng)
    return *_critical(eigenvalues, rng, z=z), 0.0


def slope_norm(rng: Rng) -> Known:
    """The gradient's norm off the bottom of a valley."""
    eigenvalues, z = _slope(rng)
    return *_critical(eigenvalues, rng, z=z), float(np.linalg.norm(eigenvalues * z))


def noisy_curvature(rng: Rng) -> Known:
    """Thirty flat directions, along which the curvature of single examples has either sign, as a sample's has."""
    eigenvalues = _valley(rng)
    eigenvalues[:30] = 0.0
    return *_critical(eigenvalues, rng, wobble=1.0), 1.0
