"""Weight matrices whose true values are known in closed form."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import Subject

Array = NDArray[np.float64]
Known = tuple[Subject, None, Value]

# What α would be if there were no tail; no power law has it, so that any reading is a miss.
_NO_TAIL = 0.0


def matrix_subject(matrix: Array) -> Subject:
    """A linear layer with the given weight, ``(outputs, inputs)``, in float64."""
    outputs, inputs = matrix.shape
    layer = nn.Linear(inputs, outputs, bias=False, dtype=torch.float64, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(matrix))
    return Subject(layer)


def with_singular_values(values: Array, rows: int, columns: int, rng: Rng) -> Array:
    """A matrix of these singular values and uniformly random singular vectors."""
    left, right = (_orthonormal(side, len(values), rng.child(i)) for i, side in enumerate((rows, columns)))
    return np.asarray(((left * torch.from_numpy(values.copy())) @ right.T).numpy())


def _orthonormal(n: int, k: int, rng: Rng) -> Tensor:
    vectors, triangle = torch.linalg.qr(torch.from_numpy(rng.numpy().normal(size=(n, k))))
    return torch.mul(vectors, triangle.diagonal().sign())


def _planted(rng: Rng) -> tuple[Subject, Array]:
    values = np.sort(rng.child("values").numpy().gamma(0.5, size=20))[::-1]
    return matrix_subject(with_singular_values(values, 20, 35, rng)), values


def planted_frobenius(rng: Rng) -> Known:
    """Root of the sum of squares of the planted values."""
    subject, values = _planted(rng)
    return subject, None, float(np.sqrt(np.square(values).sum()))


def planted_spectral(rng: Rng) -> Known:
    """The largest planted value."""
    subject, values = _planted(rng)
    return subject, None, float(values[0])


def planted_stable_rank(rng: Rng) -> Known:
    """From the planted values."""
    subject, values = _planted(rng)
    return subject, None, float(np.square(values / values[0]).sum())


def planted_effective_rank(rng: Rng) -> Known:
    """From the planted values."""
    subject, values = _planted(rng)
    shares = values / values.sum()
    return subject, None, float(np.exp(-(shares * np.log(shares)).sum()))


def gaussian(rng: Rng, rows: int, columns: int, *, scale: float = 1.0) -> Array:
    """Independent Gaussian entries."""
    return scale * rng.numpy().normal(size=(rows, columns))


def initial(rng: Rng, rows: int, columns: int) -> Array:
    """The weight of a linear layer as torch initialises it: uniform within one over the root of its inputs."""
    bound = columns**-0.5
    return rng.numpy().uniform(-bound, bound, size=(rows, columns))


def spiked(rng: Rng, rows: int, columns: int, strengths: Array) -> Array:
    """Unit noise with spikes, in units of the threshold above which they leave the bulk."""
    spikes = with_singular_values(strengths * (rows * columns) ** 0.25, rows, columns, rng.child("spikes"))
    return gaussian(rng.child("noise"), rows, columns) + spikes


def gaussian_scale(rng: Rng) -> Known:
    """Standard deviation 0.02, as language models are initialised."""
    return matrix_subject(gaussian(rng, 64, 172, scale=0.02)), None, 0.02


def initial_scale(rng: Rng) -> Known:
    """Standard deviation of a uniform law."""
    return matrix_subject(initial(rng, 128, 96)), None, 288**-0.5


def spiked_scale(rng: Rng) -> Known:
    """The noise's, not the spikes'."""
    return matrix_subject(spiked(rng, 100, 150, np.array([6.0, 3.0, 2.5]))), None, 1.0


def gaussian_spikes(rng: Rng) -> Known:
    """None."""
    return matrix_subject(gaussian(rng, 64, 172)), None, 0.0


def initial_spikes(rng: Rng) -> Known:
    """None."""
    return matrix_subject(initial(rng, 128, 96)), None, 0.0


def planted_spikes(rng: Rng) -> Known:
    """Three."""
    return matrix_subject(spiked(rng, 100, 150, np.array([6.0, 3.0, 2.5]))), None, 3.0


def pareto(rng: Rng, alpha: float, rows: int, columns: int) -> Known:
    """Eigenvalues that are independent draws from a power law throughout."""
    n = min(rows, columns)
    eigenvalues = rng.child("eigenvalues").numpy().random(n) ** (-1 / (alpha - 1))
    return matrix_subject(with_singular_values(np.sqrt(eigenvalues), rows, columns, rng)), None, alpha


pareto_2_5 = functools.partial(pareto, alpha=2.5, rows=300, columns=300)
pareto_3 = functools.partial(pareto, alpha=3.0, rows=400, columns=250)
pareto_4 = functools.partial(pareto, alpha=4.0, rows=300, columns=300)


def pareto_tail(rng: Rng, alpha: float = 2.5, n: int = 400) -> Known:
    """Six eigenvalues in ten from a power law above 1, the others uniform below 1."""
    generator = rng.child("eigenvalues").numpy()
    tail = generator.random(n) ** (-1 / (alpha - 1))
    eigenvalues = np.where(generator.random(n) < 0.6, tail, generator.random(n))
    return matrix_subject(with_singular_values(np.sqrt(eigenvalues), n, n, rng)), None, alpha


def gaussian_tail(rng: Rng) -> Known:
    """No tail."""
    return matrix_subject(gaussian(rng, 200, 200)), None, _NO_TAIL


def initial_tail(rng: Rng) -> Known:
    """No tail."""
    return matrix_subject(initial(rng, 100, 300)), None, _NO_TAIL


def spiked_tail(rng: Rng) -> Known:
    """Ten directions beyond the noise are not a tail."""
    return matrix_subject(spiked(rng, 200, 200, np.geomspace(1.8, 12, 10))), None, _NO_TAIL
