"""The marginal likelihood against scikit-learn and finite differences; leave-one-out against leaving one out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from test_kernels import drawn, metric

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import fit
from gnomon.structure.kernels import ExponentialPower, Gaussian, Kernel, Laplace, Polynomial
from gnomon.structure.marginal_likelihood import leave_one_out, marginal_likelihood, most_likely

IDENTITY = torch.eye(3, dtype=torch.float64)


def test_the_likelihood_is_that_of_scikit_learn_at_the_best_scale() -> None:
    x, y = drawn(0, 40, 3), drawn(1, 40, 1)
    values = Gaussian(1.7).matrix(x, x, IDENTITY) + 0.2 * torch.eye(40, dtype=torch.float64)
    scale = float((y.T @ torch.linalg.solve(values, y)).squeeze() / 40)
    peer = GaussianProcessRegressor(
        ConstantKernel(scale) * RBF(1.7) + WhiteKernel(0.2 * scale), optimizer=None, alpha=0.0
    ).fit(x.numpy(), y.numpy())
    found = marginal_likelihood(Gaussian(1.7), x, y, metric=IDENTITY, ridge=0.2)
    assert found.value == pytest.approx(peer.log_marginal_likelihood(), rel=1e-9)


@pytest.mark.parametrize("kernel", [Gaussian(1.3), Laplace(2.0), ExponentialPower(1.5, 1.4)], ids=["2", "1", "1.4"])
def test_its_gradient_is_that_of_finite_differences(kernel: ExponentialPower) -> None:
    x, y, m, step = drawn(2, 30, 3), drawn(3, 30, 2), metric(4, 3), 1e-5

    def value(bandwidth: float, ridge: float) -> float:
        return marginal_likelihood(kernel.rescaled(bandwidth), x, y, metric=m, ridge=0.1 * ridge).value

    found = marginal_likelihood(kernel, x, y, metric=m, ridge=0.1)
    up, down = math.exp(step), math.exp(-step)
    assert found.by_bandwidth == pytest.approx((value(up, 1) - value(down, 1)) / (2 * step), rel=1e-6)
    assert found.by_ridge == pytest.approx((value(1, up) - value(1, down)) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("kernel", [Laplace(2.0), Polynomial(2, offset=1.0)], ids=["laplace", "quadratic"])
def test_leave_one_out_is_leaving_one_out(kernel: Kernel) -> None:
    x, y, m = drawn(5, 25, 3), drawn(6, 25, 2), metric(7, 3)
    found = leave_one_out(kernel, x, y, metric=m, ridge=0.05)
    for i in range(25):
        others = torch.arange(25) != i
        machine = fit(kernel, x[others], y[others], metric=m, ridge=0.05)
        torch.testing.assert_close(found[i], y[i] - machine.predict(x[i : i + 1])[0], rtol=1e-8, atol=1e-8)


def test_bandwidth_and_noise_of_a_gaussian_process_are_found() -> None:
    # the truth: a path of the process with L = 2 (in 3 dimensions), noise of a tenth of its variance
    ratios = []
    for seed in range(6):
        x = 2 * drawn(10 + seed, 250, 3)
        covariance = Laplace(4.0).matrix(x, x, IDENTITY) + 0.1 * torch.eye(250)
        y = torch.linalg.cholesky(covariance) @ drawn(50 + seed, 250, 1)
        kernel, ridge = most_likely(Laplace(1.0), x, y, metric=IDENTITY, ridge=1.0, rows=250, rng=Rng(seed))
        ratios.append((kernel.bandwidth / 4.0, ridge / 0.1))
    # the ratio of noise to slope is well determined, each alone less
    bandwidths, ridges = np.log(np.array(ratios)).T
    assert abs(bandwidths.mean()) < 3 * bandwidths.std(ddof=1) / math.sqrt(6) + 0.1
    assert bandwidths.std(ddof=1) < 0.6
    assert abs(ridges.mean()) < 3 * ridges.std(ddof=1) / math.sqrt(6) + 0.1
    assert ridges.std(ddof=1) < 0.6


def test_targets_that_do_not_vary_are_refused() -> None:
    x = drawn(8, 12, 3)
    with pytest.raises(GnomonError, match="zero throughout"):
        marginal_likelihood(Laplace(1.0), x, torch.zeros(12, 1), metric=IDENTITY, ridge=0.1)
    with pytest.raises(GnomonError, match="do not vary"):
        most_likely(Laplace(1.0), x, torch.ones(12, 1), metric=IDENTITY, ridge=0.1, rows=12, rng=Rng(0))
