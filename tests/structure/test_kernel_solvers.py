"""Solvers against dense linear algebra in float64, and each other."""

from __future__ import annotations

import pytest
import torch
from test_kernels import drawn, metric
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import fit
from gnomon.structure.kernels import ExponentialPower, Gaussian, Kernel, Laplace, Polynomial
from gnomon.structure.solvers import iterative, solve_exactly, solve_iteratively
from gnomon.structure.solvers.preconditioner import Preconditioner, randomly_pivoted

KERNELS = [Gaussian(2.0), Laplace(3.0), ExponentialPower(2.0, 1.5), Polynomial(2, offset=1.0)]
NAMES = [type(kernel).__name__ for kernel in KERNELS]


def identity(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-10), (torch.float32, 3e-4)], ids=["double", "single"])
def test_the_exact_solution_is_that_of_dense_algebra(kernel: Kernel, dtype: torch.dtype, error: float) -> None:
    x, y, m = (values.to(dtype).double() for values in (drawn(0, 300, 5), drawn(1, 300, 2), metric(2, 5)))
    ridge = 0.1 * float(kernel.matrix(x, x, m).diagonal().mean())
    truth = torch.linalg.solve(kernel.matrix(x, x, m) + ridge * identity(300), y)
    found = solve_exactly(kernel, x.to(dtype), y.to(dtype), metric=m.to(dtype), ridge=ridge)
    assert found.dtype == dtype
    assert (found - truth).norm() < error * truth.norm()


def test_single_precision_is_left_where_it_does_not_carry() -> None:
    # λ is below the rounding of float32: what it would factorise is noise
    x, y, m = drawn(0, 300, 2), drawn(1, 300, 1), torch.eye(2, dtype=torch.float64)
    x, y = x.float().double(), y.float().double()
    truth = torch.linalg.solve(Gaussian(2.0).matrix(x, x, m) + 1e-6 * identity(300), y)
    found = solve_exactly(Gaussian(2.0), x.float(), y.float(), metric=m.float(), ridge=1e-6)
    assert (found - truth).norm() < 1e-5 * truth.norm()


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_the_iterative_solution_keeps_its_tolerance(kernel: Kernel, dtype: torch.dtype) -> None:
    x, y, m = (values.to(dtype).double() for values in (drawn(0, 400, 5), drawn(1, 400, 2), metric(2, 5)))
    gram = kernel.matrix(x, x, m)
    ridge = 3e-3 * float(torch.linalg.matrix_norm(gram, 2))
    values = gram + ridge * identity(400)
    exact = torch.linalg.solve(values, y)
    for tolerance in (1e-2, 1e-4):
        found = solve_iteratively(
            kernel, x.to(dtype), y.to(dtype), metric=m.to(dtype), ridge=ridge, tolerance=tolerance, rank=50, rng=Rng(0)
        ).to(torch.float64)
        residual = (y - values @ found).norm(dim=0)
        rounding = 1e-5 if dtype == torch.float32 else 0.0
        assert (residual <= (tolerance + rounding) * y.norm(dim=0)).all()
        assert ((found - exact).norm(dim=0) <= (tolerance + rounding) / ridge * y.norm(dim=0)).all()


@pytest.mark.parametrize("kept", [0, 10**5, 10**9], ids=["none", "some", "all"])
@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_products_are_those_of_the_whole_matrix(kernel: Kernel, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterative, "_KEPT_BYTES", kept)
    x, m, vectors = drawn(0, 230, 3), metric(1, 3), drawn(2, 230, 2)
    monkeypatch.setattr(iterative, "_BLOCK_BYTES", {"cpu": 1})  # blocks of 64 rows, the last one shorter
    matrix = iterative._Matrix(kernel, kernel.pairs(x, m), 0.7)
    truth = (kernel.matrix(x, x, m) + 0.7 * identity(230)) @ vectors
    for _ in range(2):
        torch.testing.assert_close(matrix @ vectors, truth)


def test_iterations_go_on_in_double_where_single_precision_does_not_carry() -> None:
    x, y, m = drawn(0, 300, 2).float(), drawn(1, 300, 1).float(), torch.eye(2)
    gram = Gaussian(2.0).matrix(x.double(), x.double(), m.double())
    truth = torch.linalg.solve(gram + 1e-5 * identity(300), y.double())
    found = solve_iteratively(Gaussian(2.0), x, y, metric=m, ridge=1e-5, tolerance=1e-7, rng=Rng(0))
    # the tolerance allows 1e-2 |y|; single precision ends far above it
    assert (found - truth).norm() < 1e-2 * y.norm()
    with pytest.raises(GnomonError, match="stays at"):
        solve_iteratively(Gaussian(2.0), x, y, metric=m, ridge=1e-5, tolerance=1e-30, rng=Rng(0))


def test_the_preconditioner_is_an_inverse_and_saves_iterations() -> None:
    kernel, x = Gaussian(3.0), drawn(3, 250, 3)
    m = torch.eye(3, dtype=torch.float64)
    pairs = kernel.pairs(x, m)
    low = randomly_pivoted(kernel, pairs, 120, Rng(0))
    inverse = torch.linalg.inv(low @ low.T + 1e-2 * identity(250))
    vectors = drawn(4, 250, 2)
    torch.testing.assert_close(Preconditioner(low, 1e-2)(vectors), inverse @ vectors, rtol=1e-5, atol=1e-6)
    values = kernel.matrix(x, x, m)
    # what is left of K is positive, and little of its trace
    left = values - low @ low.T
    assert torch.linalg.eigvalsh(left).min() > -1e-9
    assert left.trace() < 1e-3 * values.trace()
    spent = {"metric": m, "ridge": 1e-3, "tolerance": 1e-6, "rng": Rng(0)}
    with pytest.raises(GnomonError, match=r"above 1\.0e-06, after up to 25 iterations"):
        solve_iteratively(kernel, x, vectors, rank=1, most=25, **spent)
    solve_iteratively(kernel, x, vectors, rank=200, most=25, **spent)


def test_the_machine_is_the_same_by_either_solver() -> None:
    x, y, new, m = drawn(5, 300, 4), drawn(6, 300, 1), drawn(7, 20, 4), metric(8, 4)
    exact, iterative = (
        fit(Laplace(3.0), x, y, metric=m, ridge=0.1, solver=solver) for solver in ("exact", "iterative")
    )
    assert (exact.predict(new) - iterative.predict(new)).norm() < 1e-3 * exact.predict(new).norm()


def test_a_ridge_of_zero_is_refused_by_the_iterative_solver() -> None:
    x, m = drawn(0, 10, 2), torch.eye(2, dtype=torch.float64)
    with pytest.raises(GnomonError, match="needs a positive ridge"):
        solve_iteratively(Laplace(1.0), x, x[:, :1], metric=m, ridge=0.0, rng=Rng(0))
