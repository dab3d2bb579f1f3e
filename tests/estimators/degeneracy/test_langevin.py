"""Chains against the distributions they must have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.estimators import Budget
from gnomon.estimators.degeneracy import LocalLearningCoefficient
from gnomon.estimators.degeneracy.langevin import Chains, Scheme, Trace
from gnomon.estimators.degeneracy.potential import Potential
from gnomon.estimators.degeneracy.reading import read
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, SquaredError, Subject

_N, _D = 1000, 10
_TAU = _N / float(np.log(_N))


def regression(seed: int = 0) -> tuple[Subject, ArrayData, np.ndarray]:
    """Least squares of the issue's example, at its minimum, and the eigenvalues of its Hessian."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(_N, _D)).astype(np.float32).astype(np.float64)
    y = x @ generator.normal(size=_D) + 1.5 * generator.normal(size=_N)
    y = y.astype(np.float32).astype(np.float64)
    module = nn.Linear(_D, 1, bias=False)
    module.weight.data = torch.from_numpy(np.linalg.lstsq(x, y, rcond=None)[0][None].astype(np.float32))
    return Subject(module, loss=SquaredError()), ArrayData(x, y[:, None]), np.linalg.eigvalsh(2 * x.T @ x / _N)


def sampled(
    scheme: Scheme,
    *,
    batch_size: int | None = None,
    step: float = 1e-3,
    steps: int = 1500,
    chains: int = 8,
    seed: int = 0,
) -> tuple[Trace, np.ndarray]:
    subject, data, curvatures = regression()
    potential = Potential(subject, data, Rng(seed), batch_size=batch_size)
    with potential.computing():
        made = Chains(
            potential,
            torch.full((chains,), _TAU, dtype=torch.float64),
            1.0,
            scheme,
            Rng(seed),
            step_size=step,
            persistence=1 if scheme != "adjusted" else 8,
        )
        made.run(200)
        return made.run(steps), curvatures


def test_plain_langevin_has_the_energy_that_its_step_size_gives_it() -> None:
    trace, h = sampled("euler")
    total = _TAU * h + 1.0
    exact = np.sum(0.5 * _TAU * h / (total * (1 - 1e-3 * total / 4)))
    reading = read(trace)
    error = trace.energy.mean(axis=0).std(ddof=1) / np.sqrt(trace.energy.shape[1])
    assert abs(reading.uncorrected - exact) < 4 * error
    assert error < 0.1  # sharp enough to tell it from the value without a step
    assert exact - np.sum(0.5 * _TAU * h / total) > 0.35


def test_plain_langevin_is_corrected_to_the_value_without_a_step() -> None:
    for step in (1e-3, 4e-3):
        trace, h = sampled("euler", step=step)
        truth = np.sum(0.5 * _TAU * h / (_TAU * h + 1.0))
        reading = read(trace)
        assert reading.value == pytest.approx(truth, abs=reading.half_width + 0.01)
        assert reading.heating == pytest.approx(reading.uncorrected - truth, abs=0.15 * truth)


def test_the_splitting_is_exact_on_a_quadratic() -> None:
    for step in (1e-3, 4e-3):
        trace, h = sampled("splitting", step=step)
        truth = np.sum(0.5 * _TAU * h / (_TAU * h + 1.0))
        error = trace.energy.mean(axis=0).std(ddof=1) / np.sqrt(trace.energy.shape[1])
        assert abs(trace.energy.mean() - truth) < 4 * error
        assert abs(read(trace).heating) < 0.02 * truth


@pytest.mark.parametrize("scheme", ["euler", "splitting"])
def test_noise_of_minibatches_is_taken_off(scheme: Scheme) -> None:
    # a sampler that ignores it reads 9.74 here, where full gradients give 5.46 by their step size alone
    trace, h = sampled(scheme, batch_size=64)
    truth = np.sum(0.5 * _TAU * h / (_TAU * h + 1.0))
    reading = read(trace)
    assert reading.uncorrected > truth + 0.1
    assert abs(reading.value - truth) < 0.05
    assert abs(reading.value - truth) < reading.half_width + abs(reading.heating)


def test_the_virial_theorem_balances() -> None:
    # what a chain's virial lacks is its heating, noise of mean zero, and what its ends contribute
    trace, _ = sampled("euler", batch_size=100, chains=4)
    left = (trace.virial + trace.spread).mean(axis=0) - _D
    assert left == pytest.approx((trace.heating + trace.noise).mean(axis=0), abs=0.1)
    trace, _ = sampled("splitting", batch_size=100)
    differences = (trace.virial + trace.spread - _D - trace.heating - trace.noise).mean(axis=0)
    assert abs(differences.mean()) < 4 * differences.std(ddof=1) / np.sqrt(8)
    assert trace.heating.mean() > 0.05


def test_adjusted_trajectories_are_exact_for_any_step_size() -> None:
    for step in (3e-4, 3e-3):
        trace, h = sampled("adjusted", step=step, steps=1600)
        truth = np.sum(0.5 * _TAU * h / (_TAU * h + 1.0))
        error = trace.energy.mean(axis=0).std(ddof=1) / np.sqrt(trace.energy.shape[1])
        assert abs(trace.energy.mean() - truth) < 4 * error
        assert 0.2 < trace.accepted <= 1


def test_directions_without_loss_have_the_spread_of_the_localisation() -> None:
    data = ArrayData(np.zeros((50, 6)), np.zeros((50, 1)))
    potential = Potential(Subject(nn.Linear(6, 1, bias=False), loss=SquaredError()), data, Rng(0))
    with potential.computing():
        chains = Chains(
            potential,
            torch.full((8,), 10.0, dtype=torch.float64),
            3.0,
            "adjusted",
            Rng(0),
            step_size=1.0,
            persistence=8,
        )
        chains.tune(80)
        trace = chains.run(1200)
    assert trace.accepted == 1.0
    error = trace.spread.mean(axis=0).std(ddof=1) / np.sqrt(8)
    assert abs(trace.spread.mean() - 6) < 4 * error


def test_a_tuned_step_size_has_the_acceptance_asked_for() -> None:
    subject, data, _ = regression()
    potential = Potential(subject, data, Rng(0))
    for start in (1e-8, 1.0):
        with potential.computing():
            chains = Chains(
                potential,
                torch.full((8,), _TAU, dtype=torch.float64),
                1.0,
                "adjusted",
                Rng(1),
                step_size=start,
                persistence=8,
            )
            chains.tune(160)
            assert 0.75 < chains.run(400).accepted < 0.98


def test_chains_of_two_temperatures_do_not_mix() -> None:
    subject, data, h = regression()
    potential = Potential(subject, data, Rng(0))
    taus = torch.tensor([_TAU, 4 * _TAU], dtype=torch.float64).repeat_interleave(8)
    with potential.computing():
        chains = Chains(potential, taus, 20.0, "adjusted", Rng(0), step_size=0.05, persistence=8)
        chains.tune(160)
        trace = chains.run(1200)
    for i, tau in enumerate((_TAU, 4 * _TAU)):
        reading = read(trace.of(np.arange(8) + 8 * i))
        assert reading.value == pytest.approx(np.sum(0.5 * tau * h / (tau * h + 20)), abs=3 * reading.half_width + 1e-3)


def naive(step: float, batch_size: int, steps: int, seed: int = 0) -> float:
    """What plain stochastic gradient Langevin dynamics reads, that corrects nothing: 8 chains, in numpy."""
    subject, data, _ = regression()
    x, y = data.inputs.double().numpy(), data.targets.double().numpy()[:, 0]
    centre = next(subject.module.parameters()).detach().double().numpy()[0]
    left, hessian, generator = y - x @ centre, 2 * x.T @ x / _N, np.random.default_rng(seed)
    at, energies = np.zeros((8, _D)), []
    for t in range(steps):
        some = generator.permutation(_N)[:batch_size]
        slope = 2 * (at @ x[some].T - left[some]) @ x[some] / batch_size
        at = at - step / 2 * (_TAU * slope + at) + np.sqrt(step) * generator.normal(size=at.shape)
        if t >= steps // 5:
            energies.append(_TAU / 2 * np.einsum("ci,ij,cj->c", at, hessian, at))
    return float(np.mean(energies))


def test_minibatches_of_64_where_a_naive_sampler_fails() -> None:
    # ten-dimensional regression, n = 1,000, ε = 1e-3, γ = 1
    subject, data, h = regression()
    total = _TAU * h + 1.0
    posterior = np.sum(0.5 * _TAU * h / total)
    full_gradients = np.sum(0.5 * _TAU * h / (total * (1 - 1e-3 * total / 4)))
    assert naive(1e-3, _N, 1500) == pytest.approx(full_gradients, abs=0.25)  # it is the minibatches that mislead it
    estimator = LocalLearningCoefficient(
        chains=8, steps=1000, burn_in=200, step_size=1e-3, localisation=1.0, batch_size=64, scheme="euler"
    )
    (found,) = estimator.measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    assert found.status == "ok", found.reason
    assert found.uncertainty.contains(found.value, posterior)
    assert found.uncertainty.contains(found.value, full_gradients)
    wrong = naive(1e-3, 64, 1500)
    assert wrong > 1.5 * full_gradients
    assert not found.uncertainty.contains(found.value, wrong)
    assert posterior + 0.2 < found.diagnostics["uncorrected"] < wrong
