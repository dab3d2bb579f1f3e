"""The 1/N terms of the kernel of random networks, against networks of several widths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from wide_networks import Finite, empirical_tangent_kernel, on_sphere

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.finite_width import FiniteWidth, corrections
from gnomon.theory.infinite_width import Activation, FullyConnected

CASES: dict[str, tuple[Activation, float, float]] = {
    "relu": ("relu", 2.0, 0.0),
    "relu biased": ("relu", 1.5, 0.4),
    "erf": ("erf", 2.5, 0.1),
}


def _kernels(limit: FullyConnected, width: int, networks: int, rng: Rng) -> np.ndarray:
    """K̂ at one input of mean square 1, over networks, drawn as one batch."""
    generator = rng.torch()
    phi = torch.relu if limit.activation == "relu" else torch.erf
    spread = math.sqrt(limit.weight_variance + limit.bias_variance)
    h = phi(spread * torch.randn(networks, width, generator=generator, dtype=torch.float64))
    for _ in range(limit.hidden - 1):
        # given h, the units of the next layer are independent Gaussians of one variance
        variance = limit.weight_variance * h.square().mean(dim=1) + limit.bias_variance
        h = phi(variance.sqrt()[:, None] * torch.randn(networks, width, generator=generator, dtype=torch.float64))
    return (limit.weight_variance * h.square().mean(dim=1) + limit.bias_variance).numpy()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("hidden", [1, 3])
def test_mean_and_variance_at_finite_width(case: str, hidden: int) -> None:
    activation, weights, biases = CASES[case]
    limit = FullyConnected(hidden=hidden, activation=activation, weight_variance=weights, bias_variance=biases)
    found, networks = corrections(limit, 1.0), 8_000
    for width in (96, 384):
        sample = _kernels(limit, width, networks, Rng(7).child(case, hidden, width))
        error = sample.std(ddof=1) / math.sqrt(networks)
        second_order = found.kernel * (found.variance / width / found.kernel**2) ** 2
        assert abs(sample.mean() - found.kernel - found.mean / width) < 3.5 * error + second_order
        theory = FiniteWidth(
            width=width, hidden=hidden, activation=activation, weight_variance=weights, bias_variance=biases
        )
        centred = (sample - sample.mean()) ** 2 / found.kernel**2
        stated = theory.predict()
        assert stated.uncertainty.systematic is not None
        gap = centred.mean() - theory.value()
        assert abs(gap) < 3.5 * centred.std(ddof=1) / math.sqrt(networks) + stated.uncertainty.systematic


def test_the_shift_of_the_mean_is_seen() -> None:
    limit = FullyConnected(hidden=3, activation="erf", weight_variance=2.5, bias_variance=0.1)
    found = corrections(limit, 1.0)
    sample = _kernels(limit, 32, 100_000, Rng(8))
    shift = sample.mean() - found.kernel
    assert abs(shift) > 8 * sample.std() / math.sqrt(100_000)
    assert shift * 32 == pytest.approx(found.mean, rel=0.25)  # O(1/N) of it is of second order


@pytest.mark.parametrize("hidden", [1, 2, 5])
def test_the_bound_holds_the_exact_answer_for_relu(hidden: int) -> None:
    for width in (40, 160, 640):
        theory = FiniteWidth(width=width, hidden=hidden)
        if not theory.outside():
            exact = (1 + 5 / width) ** hidden - 1
            assert abs(exact - theory.value()) <= theory.systematic() + 1e-12


def test_the_tangent_kernel_fluctuates_with_variance_one_over_the_width() -> None:
    limit = FullyConnected(hidden=2, activation="erf", weight_variance=2.0, bias_variance=0.1)
    x, widths, networks = on_sphere(5, 6, Rng(9)), np.array([32, 64, 128]), 120
    truth, logs, errors = limit.ntk(x, x), [], []
    for width in widths:
        off = np.array(
            [empirical_tangent_kernel(Finite(limit, 6, width, Rng(10).child(width, i)), x) for i in range(networks)]
        )
        squares = ((off - truth) ** 2).sum(axis=(1, 2))
        logs.append(math.log(squares.mean()))
        errors.append(squares.std(ddof=1) / squares.mean() / math.sqrt(networks))
    design = np.stack([np.log(widths), np.ones(len(widths))], axis=1) / np.array(errors)[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope = (covariance @ design.T @ (np.array(logs) / errors))[0]
    assert math.sqrt(covariance[0, 0]) < 0.1
    assert abs(slope + 1) < 3 * math.sqrt(covariance[0, 0])


def test_outside_its_domain_it_refuses() -> None:
    with pytest.raises(OutOfDomainError, match="8 layers of 16 units"):
        FiniteWidth(width=16, hidden=8).predict()
    with pytest.raises(GnomonError, match="width"):
        FiniteWidth(width=0, hidden=1)
    with pytest.raises(GnomonError, match="mean square"):
        FiniteWidth(width=10, hidden=1, mean_square=0.0)
