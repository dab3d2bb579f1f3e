"""Directions against scikit-learn's, and where they are known."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from test_kernels import drawn
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure import RecursiveFeatureMachine
from gnomon.structure.directions.linear import agop_direction, logistic, mean_difference
from gnomon.structure.kernels import Gaussian, Polynomial


def two_classes(seed: int, n: int, d: int, shift: float = 1.0) -> tuple[Tensor, Tensor]:
    classes = torch.ones(n, dtype=torch.float64)
    classes[: n // 3] = -1
    x = drawn(seed, n, d)
    x[:, 0] += shift * classes
    return x + 3.0, classes


@pytest.mark.parametrize("penalty", [1e-4, 0.03, 2.0])
@pytest.mark.parametrize("shift", [0.3, 6.0])  # overlapping, and separable by far
def test_logistic_is_that_of_scikit_learn(penalty: float, shift: float) -> None:
    x, y = two_classes(0, 90, 5, shift)
    peer = LogisticRegression(C=1 / (len(x) * penalty), tol=1e-12, max_iter=10_000).fit(x.numpy(), y.numpy())
    truth = torch.from_numpy(peer.coef_[0])
    torch.testing.assert_close(logistic(x, y, penalty=penalty), truth / truth.norm(), rtol=1e-5, atol=1e-6)


def test_with_a_large_penalty_logistic_is_the_mean_difference() -> None:
    x, y = two_classes(1, 60, 4)
    balanced = torch.cat([x[y > 0][:20], x[y < 0][:20]]), torch.cat([torch.ones(20), -torch.ones(20)]).double()
    found = logistic(*balanced, penalty=1e4)
    torch.testing.assert_close(found, mean_difference(*balanced), rtol=0, atol=1e-3)


def test_the_agop_of_a_linear_machine_is_its_weight() -> None:
    x, y = two_classes(2, 80, 4)
    x = x - x.mean(dim=0)
    weight = torch.linalg.solve(x.T @ x + 0.1 * torch.eye(4), x.T @ y)
    found = agop_direction(x, y, RecursiveFeatureMachine(kernel=Polynomial(1), ridge=0.1, rounds=0))
    torch.testing.assert_close(found, weight / weight.norm())


def test_agop_finds_a_direction_along_which_the_classes_alternate() -> None:
    for seed in range(3):
        x = drawn(seed, 500, 10)
        y = torch.where(x[:, 0].abs() > 0.6745, 1.0, -1.0).double()
        machine = RecursiveFeatureMachine(kernel=Gaussian(10**0.5), ridge=1.0, rounds=3)
        assert float(agop_direction(x, y, machine)[0] ** 2) > 0.95
        assert float(mean_difference(x, y)[0] ** 2) < 0.5


def test_bad_input_is_refused() -> None:
    x, y = two_classes(3, 12, 3)
    for classes in (torch.ones(12).double(), (y > 0).double(), 2 * y):
        with pytest.raises(GnomonError, match="classes are not"):
            mean_difference(x, classes)
    with pytest.raises(GnomonError, match="do not belong together"):
        logistic(x, y[:5], penalty=1.0)
    with pytest.raises(GnomonError, match="penalty 0 is not positive"):
        logistic(x, y, penalty=0)
    with pytest.raises(GnomonError, match="the direction is zero"):
        mean_difference(torch.zeros(12, 3), y)
