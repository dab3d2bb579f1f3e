"""Subjects whose local learning coefficient is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, SquaredError, Subject
from gnomon.theory import learning_coefficients
from gnomon.theory.learning_coefficients_at_temperature import crossing_energy

Known = tuple[Subject, Data, Value]

_EXAMPLES = 1000


def linear_regression(rng: Rng, *, features: int = 10, copies: int = 1) -> Known:
    r"""Least squares at its minimum: :math:`\sum_i \frac12 \tau h_i / (\tau h_i + \gamma)` for Hessian eigenvalues h.

    Each feature is given ``copies`` times; all but one of them are redundant.
    """
    generator = rng.numpy()
    x = generator.normal(size=(_EXAMPLES, features)) * generator.uniform(0.5, 2.0, size=features)
    x = np.tile(x, copies).astype(np.float32).astype(np.float64)
    y = x @ generator.normal(size=features * copies) + generator.normal(size=_EXAMPLES)
    y = y.astype(np.float32).astype(np.float64)
    weights = np.linalg.pinv(x) @ y
    module = nn.utils.skip_init(nn.Linear, features * copies, 1, bias=False)  # type: ignore[no-untyped-call]
    module.weight.data = torch.from_numpy(weights[None].astype(np.float32))
    tau = _EXAMPLES / np.log(_EXAMPLES)
    curvatures = tau * np.linalg.eigvalsh(2 * x.T @ x / _EXAMPLES)
    localisation = np.sqrt(len(weights)) / np.mean(np.square(weights))
    truth = 0.5 * np.sum(curvatures / (curvatures + localisation))
    return Subject(module, loss=SquaredError()), ArrayData(x, y[:, None]), float(truth)


def redundant_regression(rng: Rng) -> Known:
    """Every feature three times."""
    return linear_regression(rng, features=5, copies=3)


class Monomial(nn.Module):
    r"""The model :math:`f(x) = w_1^a w_2^b x`, at its singular point w = 0."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.powers = (a, b)
        self.w = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        """Predictions ``(batch, 1)``."""
        a, b = self.powers
        return self.w[0] ** a * self.w[1] ** b * x


def normal_crossing(rng: Rng, *, a: int, b: int, strength: float = 30.0) -> Known:
    r"""The loss :math:`w_1^{2a} w_2^{2b}\, \overline{x^2}`, with :math:`\tau\overline{x^2}` = ``strength``.

    The truth is the integral over the posterior with γ = 1, which is not yet the learning coefficient 1/(2 max(a, b)).
    """
    n = 100
    x = rng.numpy().normal(size=(n, 1))
    x *= np.sqrt(strength / (n / np.log(n)) / np.mean(x**2))
    subject = Subject(Monomial(a, b), loss=SquaredError())
    return subject, ArrayData(x, np.zeros((n, 1))), crossing_energy(strength, a, b)


def crossing(rng: Rng) -> Known:
    """Two lines that cross."""
    return normal_crossing(rng, a=1, b=1)


def squared_crossing(rng: Rng) -> Known:
    """Two double lines that cross."""
    return normal_crossing(rng, a=2, b=2)


class LinearNetwork(nn.Module):
    """The product of matrices of these widths, all zero."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.factors = nn.ParameterList([torch.zeros(shape) for shape in itertools.pairwise(widths)])

    def forward(self, x: Tensor) -> Tensor:
        """Predictions ``(batch, outputs)``."""
        for factor in self.factors:
            x = x @ factor
        return x


def limit_of_regression(rng: Rng) -> Known:
    """Ten regular directions: λ = 5."""
    subject, data, _ = linear_regression(rng)
    return subject, data, learning_coefficients.regular(10)[0]


def limit_of_crossing(rng: Rng, *, a: int = 1, b: int = 2) -> Known:
    """A line and a double line that cross: λ = 1/4."""
    subject, data, _ = normal_crossing(rng, a=a, b=b)
    return subject, data, learning_coefficients.normal_crossing([a, b])[0]


def limit_of_linear_network(rng: Rng, *, widths: tuple[int, ...] = (3, 2, 3), strength: float = 30.0) -> Known:
    """A linear network at zero, with white inputs: λ of `learning_coefficients.deep_linear`."""
    n = 64
    q, _ = np.linalg.qr(rng.numpy().normal(size=(n, widths[0])))
    x = q * np.sqrt(strength * n * widths[-1] / (n / np.log(n)))
    subject = Subject(LinearNetwork(widths), loss=SquaredError())
    return subject, ArrayData(x, np.zeros((n, widths[-1]))), learning_coefficients.deep_linear(widths)[0]


def saddle(rng: Rng) -> Known:
    """The loss (w1 w2 x − y)² at w = 0: lower on one diagonal, higher on the other. There is no truth to read."""
    n = 100
    x = 1 + rng.numpy().uniform(size=(n, 1))
    return Subject(Monomial(1, 1), loss=SquaredError()), ArrayData(x, 2 * x), 0.0
