"""Subjects whose features are known in closed form.

All read their features at the site ``input``, the network's input.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from torch import Tensor, nn

from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Loss, Site, SquaredError, Subject

Known = tuple[Subject, Data, Value]

_INPUT = Site("input", "", "input")
_EXAMPLES = 512


class _Quadratic(nn.Module):
    """f(x) = xᵀAx."""

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.from_numpy(matrix).float())

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.matrix) * x).sum(dim=1, keepdim=True)


class _Sines(nn.Module):
    """f(x) = Σ_i c_i sin(u_i · x)."""

    def __init__(self, directions: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.from_numpy(directions).float())
        self.weights = nn.Parameter(torch.from_numpy(weights).float())

    def forward(self, x: Tensor) -> Tensor:
        return (torch.sin(x @ self.directions) @ self.weights)[:, None]


def _linear(weight: NDArray[np.float64]) -> nn.Linear:
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")  # no draw from the global random state
    layer.weight = nn.Parameter(torch.from_numpy(weight).float())
    return layer


def _subject(module: nn.Module, loss: Loss | None = None) -> Subject:
    return Subject(module, loss=loss or SquaredError(), sites=[_INPUT, Site("logits", "")])


def _data(inputs: NDArray[np.float64], outputs: int = 1, clusters: NDArray[np.int64] | None = None) -> ArrayData:
    return ArrayData(inputs, np.zeros((len(inputs), outputs)), clusters=clusters)


def _orthonormal(rng: Rng, width: int, number: int) -> NDArray[np.float64]:
    """Columns, ``(width, number)``."""
    return np.asarray(np.linalg.qr(rng.child("orthonormal").numpy().normal(size=(width, number)))[0])


def _participation(matrix: NDArray[np.float64]) -> float:
    return float(np.trace(matrix) ** 2 / np.square(matrix).sum())


def _leading(matrix: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Eigenvectors of the largest eigenvalues as rows, each with its entry of largest size positive."""
    vectors = np.linalg.eigh(matrix)[1][:, ::-1][:, :number].T
    return np.asarray(vectors * np.sign(vectors[np.arange(number), np.abs(vectors).argmax(axis=1)])[:, None])


def _linear_predictor(rng: Rng) -> tuple[Subject, Data, NDArray[np.float64]]:
    generator = rng.numpy()
    weight = generator.normal(size=(1, 10))
    weight[0, 3] += 4.0  # one entry is the largest, so that the sign of the direction is beyond doubt
    layer = _linear(weight)
    exact = layer.weight.detach().numpy().astype(np.float64)
    return _subject(layer), _data(generator.normal(size=(100, 10))), exact.T @ exact


def linear_spectrum(rng: Rng) -> Known:
    """With f = w·x: one eigenvalue |w|², the others 0."""
    subject, data, matrix = _linear_predictor(rng)
    return subject, data, np.array([np.trace(matrix)] + [0.0] * 9)


def linear_dimension(rng: Rng) -> Known:
    """With f = w·x: rank 1."""
    subject, data, _ = _linear_predictor(rng)
    return subject, data, 1.0


def linear_directions(rng: Rng) -> Known:
    """With f = w·x: the direction is w."""
    subject, data, matrix = _linear_predictor(rng)
    return subject, data, _leading(matrix, 1)


def _quadratic(rng: Rng, width: int = 8) -> tuple[Subject, NDArray[np.float64], NDArray[np.float64]]:
    """A random quadratic form, inputs x ~ N(0, Σ) with a random Σ, and M = 4AΣA."""
    generator = rng.numpy()
    root, half = generator.normal(size=(2, width, width)) / np.sqrt(width)
    matrix, covariance = (half + half.T) / 2, root @ root.T + 0.3 * np.eye(width)
    inputs = generator.multivariate_normal(np.zeros(width), covariance, size=_EXAMPLES)
    return _subject(_Quadratic(matrix)), inputs, 4 * matrix @ covariance @ matrix


def quadratic_spectrum(rng: Rng) -> Known:
    """With f = xᵀAx with x ~ N(0, Σ): eigenvalues of 4AΣA."""
    subject, inputs, matrix = _quadratic(rng)
    return subject, _data(inputs), np.sort(np.linalg.eigvalsh(matrix))[::-1]


def quadratic_dimension(rng: Rng) -> Known:
    """With f = xᵀAx with x ~ N(0, Σ): participation ratio of 4AΣA."""
    subject, inputs, matrix = _quadratic(rng)
    return subject, _data(inputs), _participation(matrix)


def isotropic_spectrum(rng: Rng) -> Known:
    """With f = |x|²/2 with standard normal x in 8 dimensions: all eigenvalues are 1."""
    inputs = rng.numpy().normal(size=(_EXAMPLES, 8))
    return _subject(_Quadratic(np.eye(8) / 2)), _data(inputs), np.ones(8)


def copies_dimension(rng: Rng) -> Known:
    """As `quadratic_dimension`, a quarter of the examples and each of them four times over."""
    subject, inputs, matrix = _quadratic(rng)
    copied = np.repeat(inputs[: _EXAMPLES // 4], 4, axis=0)
    return subject, _data(copied, clusters=np.arange(_EXAMPLES) // 4), _participation(matrix)


def teacher_dimension(rng: Rng) -> Known:
    """Three sines along orthonormal directions of standard normal x in 20 dimensions.

    E cos² z = (1 + e⁻²)/2 and E cos z = e^(−1/2), so M is known on the three directions, and 0 elsewhere.
    """
    weights = np.array([1.0, 0.8, 0.6])
    matrix = np.outer(weights, weights) * np.exp(-1.0)
    np.fill_diagonal(matrix, weights**2 * (1 + np.exp(-2.0)) / 2)
    inputs = rng.child("inputs").numpy().normal(size=(_EXAMPLES, 20))
    return _subject(_Sines(_orthonormal(rng, 20, 3), weights)), _data(inputs), _participation(matrix)


def teacher_directions(rng: Rng) -> Known:
    """With f = Σ c_i (u_i · x)² / 2 with c = (2, 1): two directions, u_1 and u_2, and no third."""
    directions = _orthonormal(rng, 10, 2)
    matrix = directions @ np.diag([2.0, 1.0]) @ directions.T
    inputs = rng.child("inputs").numpy().normal(size=(_EXAMPLES, 10))
    return _subject(_Quadratic(matrix / 2)), _data(inputs), _leading(matrix @ matrix, 2)


def wide_dimension(rng: Rng) -> Known:
    """A linear map to 12 outputs: JᵀJ = WᵀW at every input, read with random probes."""
    weight = rng.child("weight").numpy().normal(size=(12, 20)) * np.linspace(0.3, 1.0, 12)[:, None]
    inputs = rng.child("inputs").numpy().normal(size=(_EXAMPLES, 20))
    return _subject(_linear(weight)), _data(inputs, outputs=12), _participation(weight.T @ weight)


def softmax_spectrum(rng: Rng) -> Known:
    """Two classes with log-odds s = a·x of standard normal x: M = E[(1 − σ(|s|))²] aaᵀ."""
    generator = rng.numpy()
    along = generator.normal(size=6)
    inputs = generator.normal(size=(_EXAMPLES, 6))
    size = float(np.linalg.norm(along))
    squared_miss = quad(lambda t: 2 * norm.pdf(t) * expit(-size * t) ** 2, 0, np.inf)[0]
    subject = _subject(_linear(np.stack([along / 2, -along / 2])), CrossEntropy())
    return subject, ArrayData(inputs, np.zeros(len(inputs), np.int64)), np.array([size**2 * squared_miss] + [0.0] * 5)


class _Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square() / 2


def _two_layers(rng: Rng, middle: nn.Module) -> tuple[Subject, Data, NDArray[np.float64], NDArray[np.float64]]:
    """A network of two linear layers, standard normal inputs, and the two weights."""
    generator = rng.numpy()
    first, last = generator.normal(size=(8, 6)) * np.linspace(0.5, 1.5, 8)[:, None], generator.normal(size=(1, 8))
    inputs = generator.normal(size=(_EXAMPLES, 6))
    return _subject(nn.Sequential(_linear(first), middle, _linear(last))), _data(inputs), first, last


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def first_layer(rng: Rng) -> Known:
    """With f = Σ a_k (w_k · x)² / 2 of standard normal x: M = B², where B = WᵀDW and D = diag(a)."""
    subject, data, first, last = _two_layers(rng, _Square())
    form = first.T @ (last.T * first)
    return subject, data, _cosine(first.T @ first, form @ form)


def last_layer(rng: Rng) -> Known:
    """At the input of the last layer the gradient is its weight: correlation 1."""
    subject, data, _, _ = _two_layers(rng, _Square())
    return subject, data, 1.0


def deep_linear(rng: Rng) -> Known:
    """With f = a·Wx: M = vvᵀ for v = Wᵀa at every input."""
    subject, data, first, last = _two_layers(rng, nn.Identity())
    total = first.T @ last.T
    return subject, data, _cosine(first.T @ first, total @ total.T)


_LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def linear_local(rng: Rng) -> Known:
    """A linear map to five outputs: every context has the participation ratio of WᵀW."""
    generator = rng.numpy()
    weight = generator.normal(size=(5, 8)) * np.linspace(0.5, 1.5, 5)[:, None]
    inputs = generator.normal(size=(100, 8))
    return _subject(_linear(weight)), _data(inputs, outputs=5), np.full(5, _participation(weight.T @ weight))


def squares_local(rng: Rng) -> Known:
    """With f = (x_1², x_2²)/2 of standard normal x: J = diag(x), so the dimension is 1/(1 − sin²(2θ)/2), θ uniform."""
    inputs = rng.numpy().normal(size=(100, 2))
    return _subject(_Square()), _data(inputs, outputs=2), 1 / (1 - np.sin(np.pi * _LEVELS / 2) ** 2 / 2)


def few_classes_local(rng: Rng) -> Known:
    """A softmax of six classes, exactly."""
    return _classes_local(rng, classes=6, width=8)


def many_classes_local(rng: Rng) -> Known:
    """A softmax of 200 classes, with probes."""
    return _classes_local(rng, classes=200, width=12)


def _classes_local(rng: Rng, *, classes: int, width: int) -> Known:
    """Linear logits z = Wx over five contexts that come equally often: G = Wᵀ(diag p − ppᵀ)W at each.

    The quantile of each level is the dimension of one of the five, because no level is a multiple of 1/5.
    """
    generator = rng.numpy()
    layer = _linear(generator.normal(size=(classes, width)) / np.sqrt(width))
    weight = layer.weight.detach().numpy().astype(np.float64)
    contexts = generator.normal(size=(5, width)) * np.linspace(0.5, 4.0, 5)[:, None]
    contexts = contexts.astype(np.float32).astype(np.float64)
    dimensions = []
    for logits in contexts @ weight.T:
        p = np.exp(logits - logits.max())
        p /= p.sum()
        dimensions.append(_participation(weight.T @ (np.diag(p) - np.outer(p, p)) @ weight))
    inputs = contexts[generator.integers(5, size=100)]
    data = ArrayData(inputs, np.zeros(len(inputs), np.int64))
    return _subject(layer, CrossEntropy()), data, np.sort(dimensions)


def many_outputs_local(rng: Rng) -> Known:
    """A linear map to 40 outputs, with probes: every context has the participation ratio of WᵀW."""
    generator = rng.numpy()
    weight = generator.normal(size=(40, 10)) * np.linspace(0.3, 1.5, 10)
    inputs = generator.normal(size=(100, 10))
    return _subject(_linear(weight)), _data(inputs, outputs=40), np.full(5, _participation(weight.T @ weight))
