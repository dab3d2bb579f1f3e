"""The local learning coefficient of networks of every kind, and what it declines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.degeneracy import LearningCoefficient, LocalLearningCoefficient, known
from gnomon.estimators.degeneracy.potential import Potential
from gnomon.measurement import Measurement
from gnomon.organisms import ModularAddition, train
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, Subject, TokenData
from subjects.tiny_networks import CNN, MLP, NAMES, network

LANGUAGE_MODELS = [n for n in NAMES if not n.startswith(("bert", "vit"))]


def read(
    subject: Subject, data: Data, *, seed: int = 0, budget: Budget | None = None, **options: object
) -> Measurement:
    estimator = LocalLearningCoefficient(**options)  # type: ignore[arg-type]
    (found,) = estimator.measure(subject, data, sites=(), budget=budget or Budget(), rng=Rng(seed))
    return found


def texts(n: int = 6) -> TokenData:
    generator = np.random.default_rng(0)
    return TokenData([generator.integers(3, 60, size=k) for k in generator.integers(6, 20, size=n)])


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_every_language_model_has_its_gradients(name: str) -> None:
    subject = Subject(network(name), loss=NextToken())
    data = texts()
    before = subject.weights_hash()
    potential = Potential(subject, data, Rng(0))
    rows = 1e-2 * torch.randn(3, potential.dimension, generator=torch.Generator().manual_seed(0))
    with potential.computing():
        values, gradients = potential.excess(rows)
        potential.batched = False
        one_by_one, their_gradients = potential.excess(rows)
        # the gradient is that of the values: along a line, by central differences
        line = rows[:1] / rows[:1].norm()
        ends, _ = potential.excess(torch.cat([rows[:1] + 3e-3 * line, rows[:1] - 3e-3 * line]))
    assert values.numpy() == pytest.approx(one_by_one.numpy(), rel=1e-3, abs=1e-5)
    assert torch.allclose(gradients, their_gradients, rtol=1e-3, atol=1e-4)
    slope = float((ends[0] - ends[1]) / 6e-3)
    assert slope == pytest.approx(float(gradients[0] @ line[0]), rel=0.05, abs=1e-2)
    assert subject.weights_hash() == before


@pytest.mark.parametrize("name", ["gpt2", "mamba"])
def test_a_language_model_is_read(name: str) -> None:
    found = read(Subject(network(name), loss=NextToken()), texts(), chains=4, steps=128, burn_in=64)
    assert found.status == "ok", found.reason
    assert found.value is not None


def fit(subject: Subject, data: Data) -> None:
    """Bring the subject near a minimum: far from one there may be lower loss on every side."""
    optimizer = torch.optim.AdamW(subject.module.parameters(), lr=1e-2, weight_decay=0.1)
    batch = data.batch(range(len(data)))
    assert subject.loss is not None
    for _ in range(200):
        optimizer.zero_grad()
        subject.loss.values(subject.loss.predictions(subject.output(batch), batch)).mean().backward()
        optimizer.step()


def image_data() -> ArrayData:
    generator = np.random.default_rng(0)
    return ArrayData(generator.normal(size=(24, 3, 8, 8)), generator.integers(3, size=24))


def test_a_convolutional_network_is_read() -> None:
    torch.manual_seed(0)
    module, data = CNN(), image_data()
    subject = Subject(module, loss=CrossEntropy())
    fit(subject, data)
    found = read(subject, data, chains=4, steps=128, burn_in=64)
    assert found.status == "ok", found.reason


class InLoop(nn.Module):
    """A network whose control flow looks at its own weights, which cannot be batched."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) if float(self.inner.first.weight.detach().sum()) < 1e9 else x


def test_what_cannot_be_batched_is_run_one_by_one() -> None:
    generator = np.random.default_rng(0)
    data = ArrayData(generator.normal(size=(40, 5)), generator.integers(3, size=40))
    torch.manual_seed(0)
    plain, looped = MLP(), InLoop()
    looped.inner.load_state_dict(plain.state_dict())
    a = read(Subject(plain, loss=CrossEntropy()), data, chains=3, steps=64, burn_in=32)
    b = read(Subject(looped, loss=CrossEntropy()), data, chains=3, steps=64, burn_in=32)
    assert a.diagnostics["batched"]
    assert not b.diagnostics["batched"]
    assert a.diagnostics["estimate"] == pytest.approx(b.diagnostics["estimate"], rel=1e-3)


def test_memory_bounds_change_rounding_only() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    whole = Potential(subject, data, Rng(0))
    parts = Potential(subject, data, Rng(0), max_bytes=whole._fixed + 150 * whole._grows)
    rows = 0.1 * torch.randn(5, whole.dimension, generator=torch.Generator().manual_seed(0))
    with whole.computing():
        for a, b in zip(whole.excess(rows), parts.excess(rows), strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)
    assert len(parts._losses[0]) > 1


def test_batches_average_to_the_whole() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    whole = Potential(subject, data, Rng(0))
    parts = Potential(subject, data, Rng(0), batch_size=70)
    rows = 0.1 * torch.randn(5, whole.dimension, generator=torch.Generator().manual_seed(0))
    with whole.computing():
        found = [parts.excess(rows, i) for i in range(parts.batches)]
        values, gradients = whole.excess(rows)
    assert torch.allclose(torch.stack([v for v, _ in found]).mean(dim=0), values, rtol=1e-4, atol=1e-6)
    assert torch.allclose(torch.stack([g for _, g in found]).mean(dim=0), gradients, rtol=1e-3, atol=1e-5)


def test_the_slope_is_taken_off_unless_it_is_kept() -> None:
    subject, data, truth = known.linear_regression(Rng(0))
    with torch.no_grad():
        subject.module.weight += 0.2  # type: ignore[operator,union-attr]
    found = read(subject, data)
    assert found.value == pytest.approx(truth, abs=0.05 + float(found.uncertainty.half_width))
    kept = read(subject, data, keep_slope=True)
    assert kept.status == "insufficient"
    assert "no minimum" in kept.reason
    assert kept.diagnostics["estimate"] < 0


def test_a_saddle_is_declined() -> None:
    subject, data, _ = known.saddle(Rng(0))
    found = read(subject, data)
    assert found.status == "insufficient"
    assert "no minimum" in found.reason


def test_chains_too_short_to_settle_are_declined() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    found = read(subject, data, step_size=1e-7, burn_in=0, steps=64)
    assert found.status == "insufficient"
    assert "drift" in found.reason or "agree" in found.reason or "effective" in found.reason


def test_a_step_that_is_too_long_is_declined() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    for scheme in ("euler", "splitting"):
        found = read(subject, data, step_size=1.0, steps=200, batch_size=64, scheme=scheme)
        assert found.status == "insufficient"
        assert "ran away" in found.reason


def test_two_chains_are_enough_for_an_error() -> None:
    subject, data, truth = known.linear_regression(Rng(0))
    found = read(subject, data, chains=2)
    assert 0 < found.diagnostics["estimate_error"] < 0.5
    assert found.diagnostics["estimate"] == pytest.approx(truth, abs=0.3)


def test_a_step_size_and_temperature_given_are_used() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    found = read(subject, data, step_size=2e-3, n_beta=50.0, localisation=3.0)
    assert [found.diagnostics[k] for k in ("step_size", "n_beta", "localisation")] == [2e-3, 50.0, 3.0]


def test_bad_options_are_refused() -> None:
    for options in ({"chains": 1}, {"n_beta": -1.0}, {"steps": 3}, {"scheme": "adjusted", "batch_size": 8}):
        with pytest.raises(GnomonError):
            LocalLearningCoefficient(**options)  # type: ignore[arg-type]


def test_a_regular_model_tends_to_half_its_parameters() -> None:
    subject, data, _ = known.linear_regression(Rng(0))
    found = read(subject, data, localisation=1e-3, n_beta=1000.0)
    assert found.value == pytest.approx(5.0, abs=0.01 + float(found.uncertainty.half_width))
    (limit,) = LearningCoefficient().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    assert limit.status == "ok"
    assert limit.uncertainty.contains(limit.value, 5.0)


@pytest.mark.slow
@pytest.mark.parametrize("make", [known.linear_regression, known.redundant_regression])
def test_minibatches_of_64_stay_inside_the_stated_interval(make: object) -> None:
    inside, statistical = [], []
    for seed in range(30):
        subject, data, truth = make(Rng(seed).child("make"))  # type: ignore[operator]
        found = read(subject, data, seed=seed, batch_size=64, steps=640)
        assert found.status == "ok", found.reason
        inside.append(found.uncertainty.contains(found.value, truth))
        statistical.append(abs(found.value - truth) <= found.uncertainty.half_width)
        assert found.uncertainty.systematic > 0
    assert np.mean(inside) >= 0.95
    assert np.mean(statistical) >= 0.75  # what the correction leaves is small beside the noise


@pytest.mark.parametrize("step", [0, 20, 60])
def test_it_is_read_along_training(step: int) -> None:
    spec = ModularAddition(p=11, width=64, steps=60)
    found: list[Measurement] = []

    def observe(now: int, subject: Subject, /, *, loss: float) -> None:
        del loss
        if now == step:
            found.append(read(subject, spec.data()[0], steps=160, burn_in=80))

    train(spec, observe=observe)
    assert found[0].status == "ok", found[0].reason
