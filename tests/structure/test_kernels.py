"""Kernels against scikit-learn's, their gradients against autograd, and what a metric does."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.metrics.pairwise import polynomial_kernel
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernels import ExponentialPower, Gaussian, Kernel, Laplace, Polynomial
from gnomon.structure.kernels.pairs import Pairs

KERNELS = [
    Gaussian(1.3),
    Laplace(2.0),
    ExponentialPower(1.5, 0.6),
    ExponentialPower(1.5, 1.4),
    ExponentialPower(1.5, 2.0),
    Polynomial(),
    Polynomial(1),
    Polynomial(3, offset=0.7),
]
NAMES = [f"{type(k).__name__} {vars(k)}" for k in KERNELS]


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def metric(seed: int, d: int) -> Tensor:
    root = drawn(seed, d, d)
    return root.T @ root / d


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_the_slopes_are_the_gradient_by_autograd(kernel: Kernel) -> None:
    u = torch.linspace(0.1, 4, 9, dtype=torch.float64).requires_grad_()
    (truth,) = torch.autograd.grad(kernel.profile(u.clone()).sum(), u)
    torch.testing.assert_close(kernel.slope(u.detach().clone()), truth, rtol=1e-12, atol=0)


@pytest.mark.parametrize("radial", [True, False], ids=str)
def test_pairs_are_those_of_the_definition(radial: bool) -> None:
    x, z, m = drawn(0, 5, 3) + 3, drawn(1, 4, 3) + 3, metric(2, 3)
    pairs = Pairs(z, m, radial=radial)
    off = x[:, None] - z
    truth = torch.einsum("nmd,de,nme->nm", off, m, off) if radial else x @ m @ z.T
    torch.testing.assert_close(pairs.arguments(pairs.shifted(x)), truth)
    torch.testing.assert_close(pairs.arguments(pairs.shifted(x), 2), truth[:, 2:])
    own = torch.zeros(5, dtype=torch.float64) if radial else (x @ m @ x.T).diagonal()
    torch.testing.assert_close(pairs.own(pairs.shifted(x)), own)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_a_metric_is_a_linear_map_of_the_points(kernel: Kernel) -> None:
    x, z, a = drawn(0, 6, 4), drawn(1, 5, 4), drawn(2, 3, 4)
    mapped = kernel.matrix(x @ a.T, z @ a.T, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(kernel.matrix(x, z, a.T @ a), mapped)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_kernels_are_positive_and_symmetric(kernel: Kernel) -> None:
    x = drawn(3, 40, 3)
    values = kernel.matrix(x, x, metric(4, 3))
    torch.testing.assert_close(values, values.T)
    assert torch.linalg.eigvalsh(values).min() > -1e-10 * values.diagonal().max()


def test_they_agree_with_scikit_learn() -> None:
    x, z, one = drawn(5, 7, 3), drawn(6, 4, 3), torch.eye(3, dtype=torch.float64)
    pairs = [
        (Gaussian(1.3), RBF(1.3)(x.numpy(), z.numpy())),
        (Laplace(2.0), Matern(2.0, nu=0.5)(x.numpy(), z.numpy())),
        (ExponentialPower(1.3 * math.sqrt(2), 2.0), RBF(1.3)(x.numpy(), z.numpy())),
        (Polynomial(3, offset=0.7), polynomial_kernel(x.numpy(), z.numpy(), degree=3, gamma=1.0, coef0=0.7)),
    ]
    for kernel, truth in pairs:
        torch.testing.assert_close(kernel.matrix(x, z, one), torch.from_numpy(truth))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_points_far_from_the_origin_are_equal(dtype: torch.dtype) -> None:
    x = (drawn(7, 20, 3) + 1e4).to(dtype)
    m = metric(8, 3).to(dtype)
    for kernel in (Gaussian(0.5), Laplace(0.5), ExponentialPower(0.5, 0.7)):
        assert torch.equal(kernel.matrix(x, x, m).diagonal(), torch.ones(20, dtype=dtype))
        pairs = kernel.pairs(x, m)
        slopes = kernel.slope(pairs.arguments(pairs.points, equal=math.inf))
        assert torch.isfinite(slopes).all()
    assert torch.equal(slopes.diagonal(), torch.zeros(20, dtype=dtype))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gaussian(0.0), "bandwidth 0.0 is not a positive number"),
        (lambda: Laplace(float("nan")), "bandwidth nan"),
        (lambda: ExponentialPower(1.0, 2.5), "exponent 2.5 is not in"),
        (lambda: Polynomial(0), "degree 0"),
        (lambda: Polynomial(2, offset=-1.0), "offset -1.0 is negative"),
    ],
)
def test_bad_parameters_are_refused(make: object, words: str) -> None:
    with pytest.raises(GnomonError, match=words):
        make()  # type: ignore[operator]
