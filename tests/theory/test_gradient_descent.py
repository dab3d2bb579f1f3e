"""Gradient descent on quadratics: the closed forms against torch's own optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.gradient_descent import (
    CriticalLearningRate,
    QuadraticDescent,
    critical_learning_rate,
    distances,
)

MOMENTA = [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)]


def descent(
    hessian: NDArray[np.float64], start: NDArray[np.float64], steps: int, rate: float, momentum: float, nesterov: bool
) -> NDArray[np.float64]:
    """The parameters after 0, …, ``steps`` steps of `torch.optim.SGD` in float64."""
    h = torch.from_numpy(hessian)
    w = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimiser = torch.optim.SGD([w], lr=rate, momentum=momentum, nesterov=nesterov)
    path = [start]
    for _ in range(steps):
        w.grad = h @ w.detach()
        optimiser.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def quadratic(rng: np.random.Generator, eigenvalues: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A Hessian with these eigenvalues, and its eigenvectors in columns."""
    q = np.linalg.qr(rng.normal(size=(len(eigenvalues),) * 2)).Q
    return q @ np.diag(eigenvalues) @ q.T, q


@pytest.mark.parametrize(("momentum", "nesterov"), MOMENTA, ids=str)
def test_the_path_is_that_of_the_optimiser(momentum: float, nesterov: bool) -> None:
    rng, steps = Rng(0).child("path", momentum, nesterov).numpy(), 60
    for _ in range(5):
        # a flat mode, a saddle, modes with complex and with real roots, one that diverges
        eigenvalues = np.concatenate([[0.0, -0.3, 12.0], rng.uniform(0.1, 4.0, size=4)])
        hessian, modes = quadratic(rng, eigenvalues)
        start = rng.normal(size=len(eigenvalues))
        found = descent(hessian, start, steps, 0.3, momentum, nesterov) @ modes
        theory = distances(eigenvalues, start @ modes, 0.3, np.arange(steps + 1), momentum=momentum, nesterov=nesterov)
        # modes mix by rounding: each is as exact as the largest of them
        scale = np.abs(found).max(axis=1, keepdims=True)
        assert (np.abs(theory - found) < 1e-11 * scale).all()


@pytest.mark.parametrize("eigenvalue", [0.4, 1.0, 2.5, 4.0], ids=str)
@pytest.mark.parametrize("nesterov", [False, True], ids=str)
def test_where_the_roots_coincide_or_vanish_the_path_is_still_exact(eigenvalue: float, nesterov: bool) -> None:
    # momenta at which both roots are one (Polyak: β = (1 − √ηλ)²; Nesterov: (1 − √x)/(1 + √x), x = ηλ), or nearly
    rate = 0.4
    x = rate * eigenvalue
    critical = (1 - x**0.5) / (1 + x**0.5) if nesterov else (1 - x**0.5) ** 2
    for momentum in {abs(critical), abs(critical) + 1e-9, abs(critical) + 1e-5}:
        c = [1.0, 1 - x * (1 + momentum * nesterov)]
        for _ in range(80):
            trace, last = (1 - x) + momentum, momentum * c[-2]
            if nesterov:
                trace, last = (1 + momentum) * (1 - x), momentum * (1 - x) * c[-2]
            c.append(trace * c[-1] - last)
        found = distances([eigenvalue], [1.0], rate, np.arange(82), momentum=momentum, nesterov=nesterov)[:, 0]
        assert found == pytest.approx(c, rel=1e-6, abs=1e-14)


@pytest.mark.parametrize(("momentum", "nesterov"), MOMENTA, ids=str)
def test_the_optimiser_diverges_at_the_critical_learning_rate_and_not_below(momentum: float, nesterov: bool) -> None:
    rng = Rng(1).child("edge", momentum, nesterov).numpy()
    for _ in range(3):
        eigenvalues = rng.uniform(0.5, 20.0, size=6)
        hessian, _ = quadratic(rng, eigenvalues)
        edge = CriticalLearningRate(
            largest_eigenvalue=float(eigenvalues.max()),
            smallest_eigenvalue=float(eigenvalues.min()),
            momentum=momentum,
            nesterov=nesterov,
        ).predict()
        assert edge.uncertainty.systematic == 0.0
        start = rng.normal(size=6)
        ends = [
            np.linalg.norm(descent(hessian, start, 1500, factor * edge.value, momentum, nesterov)[-1])
            for factor in (0.98, 1.02)
        ]
        assert ends[0] < 1e-3 * np.linalg.norm(start)
        assert ends[1] > 1e3 * np.linalg.norm(start)


def test_least_squares_diverges_where_the_hessian_says() -> None:
    rng = Rng(2).child("regression").numpy()
    x, y = rng.normal(size=(40, 8)) * rng.uniform(0.2, 2.0, size=8), rng.normal(size=40)
    largest = float(np.linalg.eigvalsh(x.T @ x / 40).max())
    edge = critical_learning_rate(largest, 0.8)
    final = {}
    for factor in (0.99, 1.01):
        w = torch.nn.Parameter(torch.zeros(8, dtype=torch.float64))
        optimiser = torch.optim.SGD([w], lr=factor * edge, momentum=0.8)
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        for _ in range(2000):
            optimiser.zero_grad()
            (0.5 * (inputs @ w - targets).square().mean()).backward()
            optimiser.step()
        final[factor] = float((w.detach() - torch.linalg.lstsq(inputs, targets[:, None]).solution[:, 0]).norm())
    assert final[0.99] < 1e-3
    assert final[1.01] > 1e2


def test_the_loss_is_within_rounding_of_the_optimisers() -> None:
    rng = Rng(3).child("loss").numpy()
    for momentum, nesterov in MOMENTA:
        eigenvalues = np.concatenate([[-0.1], rng.uniform(0.1, 4.0, size=5)])
        starts = rng.normal(size=6)
        path = descent(np.diag(eigenvalues), starts, 100, 0.2, momentum, nesterov)
        for step in (0, 1, 7, 100):
            theory = QuadraticDescent(
                eigenvalues=eigenvalues,
                starts=starts,
                learning_rate=0.2,
                step=step,
                momentum=momentum,
                nesterov=nesterov,
            )
            found = theory.predict()
            assert found.uncertainty.covered(found.value, 0.5 * np.sum(eigenvalues * path[step] ** 2)) == 1.0
            assert theory.systematic() < 1e-9 * (1 + abs(found.value))


def test_outside_the_domain_it_refuses() -> None:
    saddle = CriticalLearningRate(largest_eigenvalue=4.0, smallest_eigenvalue=-0.5)
    with pytest.raises(OutOfDomainError, match="not bounded below"):
        saddle.predict()
    # and rightly: below the threshold of the largest eigenvalue the saddle is left all the same
    assert abs(distances([4.0, -0.5], [1.0, 1e-3], 0.9 * critical_learning_rate(4.0), 200)[1]) > 1e5
    with pytest.raises(OutOfDomainError, match="never decays"):
        CriticalLearningRate(largest_eigenvalue=4.0, momentum=1.0).predict()
    late = distances([4.0], [1.0], 0.1, np.arange(4000, 5000), momentum=1.0)
    assert np.abs(late).max() > 0.5
    with pytest.raises(OutOfDomainError, match="flat"):
        CriticalLearningRate(largest_eigenvalue=0.0).predict()
    with pytest.raises(OutOfDomainError, match="overflows"):
        QuadraticDescent(eigenvalues=np.ones(1), starts=np.ones(1), learning_rate=4.0, step=10_000).predict()


@pytest.mark.parametrize(
    "fields",
    [{"momentum": -0.1}, {"largest_eigenvalue": float("nan")}, {"smallest_eigenvalue": 5.0}],
    ids=str,
)
def test_thresholds_without_meaning_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(GnomonError):
        CriticalLearningRate(**{"largest_eigenvalue": 4.0} | fields)


@pytest.mark.parametrize(
    "fields",
    [{"starts": np.ones(2)}, {"learning_rate": 0.0}, {"step": -1}, {"momentum": -1.0}],
    ids=lambda f: next(iter(f)),
)
def test_paths_without_meaning_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(GnomonError):
        QuadraticDescent(**{"eigenvalues": np.ones(3), "starts": np.ones(3), "learning_rate": 0.1, "step": 1} | fields)
