"""What wide networks predict: against the posterior by conditioning, ODE integration, and networks that are trained."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel
from wide_networks import on_sphere, trained

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.infinite_width import Activation, FullyConnected
from gnomon.theory.tangent_regression import TangentFlow, bayesian
from gnomon.theory.wide_network import WideNetwork

NETWORK = FullyConnected(hidden=2, activation="erf", weight_variance=1.5, bias_variance=0.1)


def _problem(n: int = 20, m: int = 7, d: int = 5, scale: float = 1.0) -> tuple[np.ndarray, ...]:
    rng = Rng(11)
    x, z = on_sphere(n, d, rng.child("train")), on_sphere(m, d, rng.child("test"))
    return x, scale * x[:, :1] * x[:, 1:2], z, scale * z[:, :1] * z[:, 1:2]


class _OfNetwork(Kernel):
    def __init__(self) -> None:
        pass

    def __call__(self, X, Y=None, eval_gradient=False):  # type: ignore[no-untyped-def]
        found = NETWORK.nngp(X, X if Y is None else Y)
        return (found, np.empty((*found.shape, 0))) if eval_gradient else found

    def diag(self, X):  # type: ignore[no-untyped-def]
        return NETWORK.variances(X)[-1]

    def is_stationary(self) -> bool:
        return False


def test_the_posterior_is_that_of_scikit_learn() -> None:
    x, y, z, _ = _problem()
    mean, spread = GaussianProcessRegressor(_OfNetwork(), alpha=0.01).fit(x, y[:, 0]).predict(z, return_std=True)
    ours = bayesian(NETWORK, x, y, z, noise=0.01)
    np.testing.assert_allclose(ours.mean[:, 0], mean, rtol=1e-8)
    np.testing.assert_allclose(ours.variance, spread**2, rtol=1e-6)


def test_repeated_inputs_need_noise() -> None:
    x, y, z, _ = _problem()
    x = np.concatenate([x, x[:1]])
    with pytest.raises(GnomonError, match="singular"):
        bayesian(NETWORK, x, np.concatenate([y, y[:1]]), z, noise=0.0)


def test_flow_is_the_solution_of_its_differential_equation() -> None:
    x, y, z, _ = _problem()
    n, tangent, cross = len(x), NETWORK.ntk(x, x), NETWORK.ntk(z, x)
    start = Rng(1).numpy().normal(size=n + len(z))

    def slope(_: float, f: np.ndarray) -> np.ndarray:
        residual = f[:n] - y[:, 0]
        return -np.concatenate([tangent @ residual, cross @ residual]) / n

    time = 30.0
    reached = solve_ivp(slope, (0, time), start, rtol=1e-10, atol=1e-10).y[:, -1]
    flow = TangentFlow.of(NETWORK, x, y, z, start_subtracted=True)
    shifted = TangentFlow.of(NETWORK, x, y - start[:n, None], z, start_subtracted=True)
    np.testing.assert_allclose(start[n:] + shifted.at(time).mean[:, 0], reached[n:], atol=1e-7)
    assert flow.at(0.0).squared_error(np.zeros((len(z), 1))) == 0.0


def test_variance_of_the_flow_is_that_of_linearised_networks() -> None:
    """f_0 drawn from GP(0, K) jointly at both sets of inputs, then moved by the flow: an affine map."""
    x, y, z, _ = _problem()
    n, time = len(x), 20.0
    both = np.concatenate([x, z])
    starts = np.linalg.cholesky(NETWORK.nngp(both, both)) @ Rng(2).numpy().normal(size=(n + len(z), 40_000))
    values, modes = np.linalg.eigh(NETWORK.ntk(x, x))
    operator = NETWORK.ntk(z, x) @ modes @ np.diag((1 - np.exp(-time * values / n)) / values) @ modes.T
    ends = starts[n:] + operator @ (y - starts[:n])
    found = TangentFlow.of(NETWORK, x, y, z).at(time)
    np.testing.assert_allclose(found.variance, ends.var(axis=1), rtol=0.04)  # 5 standard errors
    assert (np.abs(found.mean[:, 0] - ends.mean(axis=1)) < 4.5 * ends.std(axis=1) / math.sqrt(40_000)).all()
    np.testing.assert_allclose(TangentFlow.of(NETWORK, x, y, z).at(0.0).variance, NETWORK.variances(z)[-1])


def test_after_training_the_examples_are_fitted_and_before_it_nothing_is_known() -> None:
    x, y, _, _ = _problem()
    fitted = TangentFlow.of(NETWORK, x, y, x).at()
    np.testing.assert_allclose(fitted.mean, y, atol=1e-8)
    assert (fitted.variance < 1e-8).all()


def test_movement_is_the_norm_in_the_space_of_the_kernel() -> None:
    x, y, z, _ = _problem()
    flow = TangentFlow.of(NETWORK, x, y, z)
    assert flow.movement() == pytest.approx((y.T @ np.linalg.solve(NETWORK.ntk(x, x), y)).item())
    assert flow.movement(1.0) < flow.movement(10.0) < flow.movement()
    with pytest.raises(GnomonError, match="negative"):
        flow.movement(-1.0)


def _theory(problem: tuple[np.ndarray, ...], width: int, **settings: object) -> WideNetwork:
    x, y, z, test = problem
    return WideNetwork(train_inputs=x, train_targets=y, test_inputs=z, test_targets=test, width=width, **settings)  # type: ignore[arg-type]


def _simulated(theory: WideNetwork, networks: int, steps: int, rate: float, name: str) -> tuple[float, float]:
    """Mean test error over networks and its standard error."""
    limit = FullyConnected(
        hidden=theory.hidden,
        activation=theory.activation,
        weight_variance=theory.weight_variance,
        bias_variance=theory.bias_variance,
    )
    predictions = trained(
        limit,
        theory.width,
        (theory.train_inputs, theory.train_targets, theory.test_inputs),
        steps,
        rate,
        [Rng(5).child(name, i) for i in range(networks)],
        start_subtracted=theory.start_subtracted,
    )
    errors = ((predictions - theory.test_targets[:, 0]) ** 2).mean(axis=1)
    return errors.mean(), errors.std(ddof=1) / math.sqrt(networks)


CASES: dict[str, dict[str, object]] = {
    "relu": {"hidden": 1, "bias_variance": 0.1},
    "relu subtracted": {"hidden": 1, "bias_variance": 0.1, "start_subtracted": True},
    "erf": {"hidden": 1, "activation": "erf", "bias_variance": 0.1},
    "relu deep": {"hidden": 2, "bias_variance": 0.1, "start_subtracted": True},
}


@pytest.mark.parametrize("case", CASES)
def test_wide_networks_err_as_foretold(case: str) -> None:
    problem = _problem(50, 200)
    settings, steps, width = CASES[case], 100, 512
    networks = 16 if settings["hidden"] == 1 else 3
    probe = _theory(problem, width, **settings)
    rate = 0.25 * probe.flow.critical_rate
    theory = _theory(problem, width, time=steps * rate, **settings)
    found, error = _simulated(theory, networks, steps, rate, case)
    bound = theory.predict().uncertainty.systematic
    assert bound is not None
    assert abs(found - theory.value()) < bound + 3 * error
    assert bound + 3 * error < 0.45 * theory.value()  # else it says little


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_the_error_approaches_the_limit_as_one_over_the_width(activation: Activation) -> None:
    problem = _problem(50, 200)
    settings: dict[str, object] = {"activation": activation, "bias_variance": 0.1, "start_subtracted": True}
    steps = 150
    gaps, errors, widths = [], [], np.array([64, 128, 256, 512, 1024])
    rate = 0.25 * _theory(problem, 1, **settings).flow.critical_rate
    for width in widths:
        theory = _theory(problem, int(width), time=steps * rate, **settings)
        found, error = _simulated(theory, 60, steps, rate, f"{activation}{width}")
        gaps.append(found / theory.value() - 1)
        errors.append(error / theory.value())
        assert abs(gaps[-1]) < theory._departure() + 3 * errors[-1]
    inverse, weights = 1 / widths, 1 / np.array(errors)
    slope = (weights**2 * inverse * gaps).sum() / (weights * inverse).dot(weights * inverse)
    chi2 = (weights**2 * (gaps - slope * inverse) ** 2).sum()
    assert chi2 < 13.3  # 99 % of χ² with 4 degrees of freedom: c/N describes all widths
    assert abs(slope) * np.sqrt((weights * inverse).dot(weights * inverse)) > 3  # and there is something to describe


def test_outside_its_domain_it_refuses() -> None:
    problem = _problem()
    with pytest.raises(OutOfDomainError, match="width of 32 is small for 20 examples"):
        _theory(problem, 32).predict()
    with pytest.raises(OutOfDomainError, match="deep for a width"):
        _theory(problem, 256, hidden=20, time=1.0).predict()
    with pytest.raises(OutOfDomainError, match="squared movement"):
        _theory(_problem(scale=30.0), 512).predict()  # too great targets move the kernel
    x, y, z, test = problem
    twice = np.concatenate([x, x[:1]]), np.concatenate([y, y[:1]]), z, test
    with pytest.raises(OutOfDomainError, match="cannot tell apart"):
        _theory(twice, 1024).predict()
    assert _theory(twice, 1024, time=10.0).predict().value is not None


def test_what_has_no_meaning_is_refused() -> None:
    x, y, z, test = _problem()
    with pytest.raises(GnomonError, match="do not fit"):
        _theory((x, y[:-1], z, test), 512)
    with pytest.raises(GnomonError, match="do not fit"):
        _theory((x, y, z, test[:-1]), 512)
    with pytest.raises(GnomonError, match="width"):
        _theory((x, y, z, test), 0)
    with pytest.raises(GnomonError, match="negative"):
        _theory((x, y, z, test), 512, time=-1.0)
