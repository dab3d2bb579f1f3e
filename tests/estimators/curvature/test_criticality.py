"""Criticality: the test of the gradient keeps its level, its norm's interval covers, and the verdicts are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.curvature import Criticality, HessianOperator, known
from gnomon.estimators.curvature.extremes import smallest_eigenvalue_bound
from gnomon.estimators.curvature.gradient_noise import gradient_noise
from gnomon.estimators.curvature.lanczos import lanczos, start_vectors
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, SquaredError, Subject, TokenData


def read(subject: Subject, data: Data, seed: int = 0, **options: float) -> tuple[Measurement, Measurement]:
    found = Criticality(**options).measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))  # type: ignore[arg-type]
    return found[0], found[1]


def _gradients(rng: np.random.Generator, mean: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over 24 groups of unequal size of noisy gradients."""
    counts = rng.integers(20, 60, size=24)
    noise = rng.standard_t(5, size=(24, len(mean))) * scales * np.sqrt(counts)[:, None]
    return mean * counts[:, None] + noise, counts.astype(float)


@pytest.mark.parametrize("scales", [np.ones(60), 1 / np.arange(1.0, 61), np.r_[5.0, np.full(59, 0.01)]])
def test_the_gradient_test_keeps_its_level(scales: np.ndarray) -> None:
    values = []
    for seed in range(300):
        sums, counts = _gradients(np.random.default_rng(seed), np.zeros(60), scales)
        values.append(gradient_noise(sums @ sums.T, counts, Rng(seed)).p_value)
    assert np.mean(np.array(values) < 0.05) <= 0.09  # 27 of 300 has probability 2e-3 at 5 %
    assert 0.4 <= np.mean(np.array(values) < 0.5) <= 0.6


@pytest.mark.parametrize("size", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("scales", [np.ones(60), np.r_[5.0, np.full(59, 0.01)]])
def test_the_interval_for_the_norm_covers(size: float, scales: np.ndarray) -> None:
    mean = size * np.sqrt(1 / 60) * np.ones(60)
    held, naive = 0, []
    for seed in range(300):
        sums, counts = _gradients(np.random.default_rng(seed), mean, scales)
        found = gradient_noise(sums @ sums.T, counts, Rng(seed))
        held += found.low <= size <= found.high
        assert found.low <= found.norm <= found.high
        naive.append(found.sample_norm)
        assert found.sample_norm == pytest.approx(np.linalg.norm(sums.sum(axis=0)) / counts.sum())
    assert held / 300 >= 0.90
    if size == 0.0:
        assert np.mean(naive) > 0.1  # what a plain norm would say of a vanishing gradient


def test_the_noise_is_the_spread_of_the_sample_gradient() -> None:
    scales = 1 / np.arange(1.0, 61)
    means, noises = [], []
    for seed in range(300):
        sums, counts = _gradients(np.random.default_rng(seed), np.ones(60), scales)
        means.append(sums.sum(axis=0) / counts.sum())
        noises.append(gradient_noise(sums @ sums.T, counts, Rng(seed)).noise)
    spread = np.sqrt(np.var(means, axis=0, ddof=1).sum())
    assert np.sqrt(np.mean(np.square(noises))) == pytest.approx(spread, rel=0.1)


def test_a_strong_gradient_is_found() -> None:
    sums, counts = _gradients(np.random.default_rng(0), np.ones(60), np.ones(60))
    assert gradient_noise(sums @ sums.T, counts, Rng(0)).p_value == pytest.approx(1 / 2000)
    assert gradient_noise(np.zeros((24, 24)), counts, Rng(0)).p_value == 1.0


def test_a_sample_calls_every_flat_minimum_a_saddle_and_we_do_not() -> None:
    """Lanczos on the examples alone finds surely negative curvature at a minimum; held-out examples refute it."""
    naive = ours = 0
    for seed in range(40):
        subject, data, _ = known.noisy_curvature(Rng(seed))
        hessian = HessianOperator(subject, data)
        (run,) = lanczos(hessian, start_vectors(hessian.dimension, 1, Rng(seed)), 16)
        naive += bool(run.ritz_values[0] < -0.02 * run.ritz_values[-1])
        assert smallest_eigenvalue_bound([run], 0.05) <= run.ritz_values[0]
        ours += read(subject, data, seed)[1].value == -1.0
    assert naive == 40
    assert ours <= 4  # 2.5 % each: more than 4 of 40 has probability 3e-3


def test_least_squares_before_at_and_after_training() -> None:
    """Fitted to one half of the data it is at a minimum of the other up to noise; before, it is not stationary."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 10)).astype(np.float32)
    y = (x @ generator.normal(size=(10, 1)) + generator.normal(size=(4000, 1))).astype(np.float32)
    module = nn.Linear(10, 1, bias=False)
    subject, data = Subject(module, loss=SquaredError()), ArrayData(x[2000:], y[2000:])
    norm, verdict = read(subject, data)
    assert verdict.diagnostics["verdict"] == "not stationary"
    truth = np.linalg.norm(2 * (module.weight.detach().numpy()[0] - np.linalg.lstsq(x, y, rcond=None)[0][:, 0]))
    assert norm.uncertainty.contains(norm.value, float(truth))
    with torch.no_grad():  # the best for all 4000 is close to the best there is
        module.weight.copy_(torch.from_numpy(np.linalg.lstsq(x, y, rcond=None)[0].T))
    norm, verdict = read(subject, data)
    assert verdict.diagnostics["verdict"] == "local minimum"
    assert norm.uncertainty.low == 0.0


def test_the_origin_of_a_deep_linear_network_is_a_saddle() -> None:
    """At zero weights all gradients of W₂W₁ vanish, and the data's correlation is negative curvature."""

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 4, bias=False), nn.Linear(4, 3, bias=False)
            nn.init.zeros_(self.first.weight)
            nn.init.zeros_(self.second.weight)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(inputs))

    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 6))
    y = x @ generator.normal(size=(6, 3)) + 0.3 * generator.normal(size=(500, 3))
    norm, verdict = read(Subject(Deep(), loss=SquaredError()), ArrayData(x, y))
    assert verdict.diagnostics["verdict"] == "saddle"
    assert (norm.value, norm.uncertainty.high) == (0.0, 0.0)
    # λ_min = −(2/k) σ_max(cov(x, y)); half of the data gives it up to noise
    expected = -2 / 3 * np.linalg.svd(x.T @ y / 500)[1][0]
    assert verdict.diagnostics["held_out_curvature"][1] == pytest.approx(expected, rel=0.15)


def test_verdicts_are_declined_when_the_data_cannot_decide() -> None:
    subject, data, _ = known.noisy_curvature(Rng(1))
    _, verdict = read(subject, data, 1)
    assert verdict.status == "insufficient"
    assert "neither a saddle nor a minimum is certain" in verdict.reason
    few = data.take(np.arange(15))
    norm, verdict = read(subject, few)
    assert (norm.status, verdict.status) == ("insufficient", "insufficient")
    assert verdict.suffices == {"examples": 16}
    clustered = ArrayData(data.inputs, clusters=np.arange(len(data)) // 32)  # type: ignore[attr-defined]
    assert "8 independent examples" in read(subject, clustered)[1].reason
    for bad in ({"steps": 1}, {"flat": 1.5}):
        with pytest.raises(GnomonError):
            Criticality(**bad)  # type: ignore[arg-type]


def test_a_network_is_stationary_on_its_own_samples(shared_data) -> None:
    """Texts drawn from a language model itself: the gradient of its loss vanishes, and its Hessian is a Fisher matrix.

    On the examples at hand the smallest eigenvalue is far below zero all the same.
    """
    import gnomon

    subject = gnomon.load(shared_data / "stories260K")
    generator = torch.Generator().manual_seed(0)
    tokens = torch.ones(64, 1, dtype=torch.int64)
    with torch.no_grad(), subject.evaluating():
        for _ in range(12):
            logits = subject.module(input_ids=tokens, use_cache=False).logits[:, -1]
            drawn = torch.multinomial(torch.softmax(logits.float(), dim=1), 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
    norm, verdict = read(subject, TokenData(list(tokens.numpy())), positions=208, steps=10)
    assert norm.uncertainty.low == 0.0
    assert norm.diagnostics["p_value"] > 0.025
    assert norm.diagnostics["sample_gradient_norm"] > 1.0  # which a plain norm would take for a slope
    assert verdict.status == "insufficient" or verdict.value == 1.0
    assert verdict.diagnostics["smallest_eigenvalue"] < -0.02 * verdict.diagnostics["sharpness"]
