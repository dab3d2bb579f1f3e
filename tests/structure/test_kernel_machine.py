"""Kernel machines against scikit-learn's ridge, and their gradients and features against autograd."""

from __future__ import annotations

import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from test_kernels import drawn, metric
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure import KernelMachine
from gnomon.structure.kernel_machine import fit
from gnomon.structure.kernels import ExponentialPower, Gaussian, Kernel, Laplace, Polynomial

KERNELS = [Gaussian(1.3), Laplace(2.0), ExponentialPower(1.5, 1.4), Polynomial(), Polynomial(3, offset=0.7)]
NAMES = [type(k).__name__ for k in KERNELS]


def machine_of(kernel: Kernel, *, outputs: int = 3, dtype: torch.dtype = torch.float64) -> KernelMachine:
    centres, coefficients = drawn(0, 30, 4).to(dtype), drawn(1, 30, outputs).to(dtype)
    return KernelMachine(kernel, centres, coefficients, metric(2, 4).to(dtype))


def brute_force_jacobian(machine: KernelMachine, inputs: Tensor) -> Tensor:
    # one example a row, by autograd through the kernel itself
    return torch.stack(
        [torch.autograd.functional.jacobian(lambda x: machine.predict(x[None])[0], row) for row in inputs]  # type: ignore[no-untyped-call]
    )


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_jacobian_and_agop_are_those_of_autograd(kernel: Kernel) -> None:
    machine, inputs = machine_of(kernel), drawn(3, 9, 4)
    truth = brute_force_jacobian(machine, inputs)
    torch.testing.assert_close(machine.jacobian(inputs), truth, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(machine.agop(inputs), torch.einsum("ncd,nce->de", truth, truth) / 9)
    about = truth - truth.mean(dim=0)
    torch.testing.assert_close(machine.agop(inputs, centred=True), torch.einsum("ncd,nce->de", about, about) / 9)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_blocks_do_not_change_the_result(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, inputs = machine_of(kernel), drawn(3, 9, 4)
    whole = machine.predict(inputs), machine.jacobian(inputs), machine.agop(inputs, centred=True)
    monkeypatch.setattr(KernelMachine, "_outputs", 2)
    monkeypatch.setattr(KernelMachine, "_rows", lambda self, outputs: 2)
    parts = machine.predict(inputs), machine.jacobian(inputs), machine.agop(inputs, centred=True)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_single_precision_accumulates_in_double(kernel: Kernel) -> None:
    inputs = drawn(3, 50, 4)
    truth = machine_of(kernel).agop(inputs)
    found = machine_of(kernel, dtype=torch.float32).agop(inputs.float())
    assert found.dtype == torch.float64
    assert (found - truth).norm() < 1e-5 * truth.norm()


def test_an_example_on_a_centre_of_a_laplace_kernel_has_the_mean_slope_of_its_surroundings() -> None:
    machine = machine_of(Laplace(2.0), outputs=1)
    at = machine.centres[:1]
    step = 1e-5 * torch.cat([torch.eye(4), -torch.eye(4)]).to(at)
    around = machine.jacobian(at + step).mean(dim=0)
    torch.testing.assert_close(machine.jacobian(at)[0], around, rtol=0, atol=1e-4)


@pytest.mark.parametrize("ridge", [1e-3, 0.5])
def test_ridge_regression_is_that_of_scikit_learn(ridge: float) -> None:
    x, y, new, m = drawn(0, 40, 3), drawn(1, 40, 2), drawn(2, 11, 3), metric(3, 3)
    for kernel in KERNELS:
        gram = kernel.matrix(x, x, m).numpy()
        peer = KernelRidge(alpha=ridge, kernel="precomputed").fit(gram, y.numpy())
        machine = fit(kernel, x, y, metric=m, ridge=ridge)
        truth = torch.from_numpy(peer.predict(kernel.matrix(new, x, m).numpy()))
        torch.testing.assert_close(machine.predict(new), truth, rtol=1e-6, atol=1e-8)


def test_a_linear_kernel_is_linear_ridge_in_closed_form() -> None:
    x, y = drawn(0, 50, 4), drawn(1, 50, 2)
    machine = fit(Polynomial(1), x, y, metric=torch.eye(4, dtype=torch.float64), ridge=0.3)
    weights = torch.linalg.solve(x.T @ x + 0.3 * torch.eye(4), x.T @ y)
    torch.testing.assert_close(machine.predict(x), x @ weights)
    torch.testing.assert_close(machine.agop(x), weights @ weights.T)


def test_bad_input_is_refused() -> None:
    x, y, m = drawn(0, 6, 3), drawn(1, 6, 1), torch.eye(3, dtype=torch.float64)
    with pytest.raises(GnomonError, match="two matrices with as many rows"):
        fit(Gaussian(1.0), x, y[:5], metric=m, ridge=0.0)
    with pytest.raises(GnomonError, match="two matrices with as many rows"):
        fit(Gaussian(1.0), x, y[:, 0], metric=m, ridge=0.0)
    with pytest.raises(GnomonError, match="not finite"):
        fit(Gaussian(1.0), x, y * float("nan"), metric=m, ridge=0.0)
    with pytest.raises(GnomonError, match=r"ridge -1.0 is negative"):
        fit(Gaussian(1.0), x, y, metric=m, ridge=-1.0)
    with pytest.raises(GnomonError, match="singular; raise ridge"):
        fit(Polynomial(1), x, y, metric=m, ridge=0.0)
