"""The kernels of infinite width against Monte Carlo, quadrature, finite networks and another derivation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from wide_networks import Finite, empirical_kernel, empirical_tangent_kernel, on_sphere

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory.infinite_width import MOMENTS, Activation, FullyConnected, Gaussians

ACTIVATIONS: tuple[Activation, ...] = ("relu", "erf")


def _inputs(n: int = 6, d: int = 4) -> np.ndarray:
    return Rng(3).child("inputs").numpy().normal(size=(n, d))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_moments_are_those_of_gaussian_pairs(activation: Activation) -> None:
    a, b, c = 1.7, 0.6, -0.5
    value, slope = MOMENTS[activation](Gaussians(own=np.array([[a]]), other=np.array([b]), both=np.array([[c]])))
    g = Rng(0).numpy().normal(size=(2, 2_000_000))
    u = math.sqrt(a) * g[0]
    v = c / math.sqrt(a) * g[0] + math.sqrt(b - c**2 / a) * g[1]
    if activation == "relu":
        samples = np.maximum(u, 0) * np.maximum(v, 0), (u > 0) * (v > 0) * 1.0
    else:
        erf = torch.erf(torch.as_tensor(np.stack([u, v]))).numpy()
        samples = erf[0] * erf[1], 4 / math.pi * np.exp(-(u**2) - v**2)
    for truth, sample in zip((value, slope), samples, strict=True):
        assert abs(sample.mean() - truth.item()) < 4 * sample.std() / math.sqrt(sample.size)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_the_tangent_kernel_is_the_mean_over_networks(activation: Activation, hidden: int) -> None:
    limit = FullyConnected(hidden=hidden, activation=activation, weight_variance=1.6, bias_variance=0.3)
    x, width, networks = _inputs(), 256, 60
    rng = Rng(1).child(activation, hidden)
    kernels = np.array([empirical_tangent_kernel(Finite(limit, 4, width, rng.child(i)), x) for i in range(networks)])
    error = kernels.std(axis=0, ddof=1) / math.sqrt(networks)
    # the mean is off by O(1/N) beside the error of the sample
    assert (
        np.abs(kernels.mean(axis=0) - limit.ntk(x, x)) < 4 * error + 4 * hidden * limit.ntk(x, x).max() / 2560
    ).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_kernel_of_random_networks_is_the_mean(activation: Activation) -> None:
    limit = FullyConnected(hidden=1, activation=activation, weight_variance=1.6, bias_variance=0.3)
    x, networks = _inputs(), 400
    kernels = np.array(
        [empirical_kernel(Finite(limit, 4, 64, Rng(2).child(activation, i)), x) for i in range(networks)]
    )
    error = kernels.std(axis=0, ddof=1) / math.sqrt(networks)
    assert (np.abs(kernels.mean(axis=0) - limit.nngp(x, x)) < 4.5 * error).all()  # with one layer it has no bias


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("biases", [True, False], ids=["biases", "none"])
def test_standard_parametrisation(activation: Activation, biases: bool) -> None:
    width, networks = 300, 40
    limit = FullyConnected(
        hidden=2, activation=activation, weight_variance=1.6, bias_variance=0.0, standard_width=width, biases=biases
    )
    x = _inputs()
    kernels = np.array(
        [empirical_tangent_kernel(Finite(limit, 4, width, Rng(4).child(activation, i)), x) for i in range(networks)]
    )
    truth = limit.ntk(x, x)
    error = kernels.std(axis=0, ddof=1) / math.sqrt(networks)
    assert (np.abs(kernels.mean(axis=0) - truth) < 4 * error + 0.01 * truth.max()).all()


def test_relu_agrees_with_an_independent_derivation() -> None:
    """The normalised arc-cosine recursion on correlations (Cho & Saul), by quadrature over the angle of one layer."""
    x = on_sphere(5, 7, Rng(5))
    ours = FullyConnected(hidden=4, weight_variance=2.0).kernels(x, x)
    rho, theta = x @ x.T / 7, 2 * (x @ x.T / 7)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    kernel = rho
    for _ in range(4):
        angle = np.arccos(np.clip(kernel, -1, 1))
        # the pair of half-planes overlaps in a wedge of π − θ: integrate over its directions, radius in closed form
        half = (math.pi - angle)[..., None] / 2
        direction = half * nodes
        wedge = np.cos(direction - angle[..., None] / 2) * np.cos(direction + angle[..., None] / 2)
        kernel, slope = 2 * (wedge * weights * half).sum(-1) / math.pi, (weights * half).sum(-1) / math.pi
        theta = 2 * kernel + slope * theta
    np.testing.assert_allclose(ours[0], 2 * kernel, atol=1e-6)
    np.testing.assert_allclose(ours[1], theta, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_symmetric_positive_and_exact_on_the_diagonal(activation: Activation) -> None:
    limit = FullyConnected(hidden=3, activation=activation, weight_variance=1.6, bias_variance=0.1)
    x = _inputs(40, 6)
    for kernel in limit.kernels(x, x):
        np.testing.assert_allclose(kernel, kernel.T, rtol=1e-12)
        assert np.linalg.eigvalsh(kernel)[0] > 0
    np.testing.assert_allclose(np.diag(limit.nngp(x, x)), limit.variances(x)[-1], rtol=1e-7)


def test_without_hidden_layers_it_is_the_linear_kernel() -> None:
    x = _inputs()
    limit = FullyConnected(hidden=0, weight_variance=1.0)
    np.testing.assert_allclose(limit.ntk(x, x), x @ x.T / 4)
    np.testing.assert_allclose(limit.nngp(x, x), x @ x.T / 4)


def test_an_input_at_the_origin_has_no_angle() -> None:
    assert np.isfinite(FullyConnected(hidden=2).ntk(np.zeros((1, 3)), np.eye(3))).all()


def test_bad_networks_are_refused() -> None:
    for wrong in ({"hidden": -1}, {"hidden": 1, "weight_variance": 0.0}, {"hidden": 1, "bias_variance": -1.0}):
        with pytest.raises(GnomonError):
            FullyConnected(**wrong)
    with pytest.raises(GnomonError, match="unknown activation"):
        FullyConnected(hidden=1, activation="tanh")  # type: ignore[arg-type]
    with pytest.raises(GnomonError, match="left out"):
        FullyConnected(hidden=1, bias_variance=1.0, biases=False)
    with pytest.raises(GnomonError, match="columns"):
        FullyConnected(hidden=1).nngp(np.ones((2, 3)), np.ones((2, 4)))
