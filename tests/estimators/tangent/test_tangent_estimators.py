"""The estimators: what they refuse, what rounding does, and networks that learn lazily or richly."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.tangent import TangentDrift, TangentKernel, tangent_kernel
from gnomon.lab.measuring import measure
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, SquaredError, Subject, load, load_data


def _read(subject: Subject, data: Data, estimator: TangentKernel | TangentDrift) -> dict[str, Measurement]:
    found = estimator.measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    return {m.quantity: m for m in found}


def _classifier(seed: int = 0, classes: int = 3, width: int = 40) -> tuple[Subject, ArrayData]:
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, classes))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5
    data = ArrayData(torch.randn(30, 6, generator=generator), torch.randint(0, classes, (30,), generator=generator))
    return Subject(network, loss=CrossEntropy()), data


def test_the_readings_are_those_of_the_kernel() -> None:
    subject, data = _classifier()
    found = _read(subject, data, TangentKernel())
    full = tangent_kernel(subject, data)
    trace = tangent_kernel(subject, data, reduce="trace")
    spectrum = np.linalg.eigvalsh(trace)[::-1] / 30
    assert np.allclose(found["ntk_spectrum"].value, spectrum[:16], rtol=1e-4)
    shares = spectrum / spectrum.sum()
    shares = shares[shares > 0]
    assert found["ntk_effective_rank"].value == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)
    smallest = found["ntk_smallest_eigenvalue"]
    assert smallest.value == pytest.approx(np.linalg.eigvalsh(full)[0] / 30, rel=1e-2)


def test_the_smallest_eigenvalue_bounds_the_gradient_of_the_squared_error() -> None:
    """The PL* condition: ‖∇L‖² ≥ 2 μ L for half the mean squared error, with targets of any kind."""
    subject, data = _classifier()
    mu = _read(subject, data, TangentKernel())["ntk_smallest_eigenvalue"].value
    assert mu is not None
    kernel = tangent_kernel(subject, data)
    worst = np.linalg.eigh(kernel)[1][:, 0]
    for seed in range(5):
        residual = worst if seed == 0 else np.random.default_rng(seed).normal(size=90)
        outputs = subject.module(data.inputs)
        targets = (outputs.detach().reshape(-1) - torch.from_numpy(residual).float()).view_as(outputs)
        loss = (outputs - targets).square().sum() / (2 * 30)
        grads = torch.autograd.grad(loss, list(subject.module.parameters()))
        square = sum(float(g.double().square().sum()) for g in grads)
        assert square >= 2 * mu * loss.item() * (1 - 1e-3)
        if seed == 0:
            assert square == pytest.approx(2 * mu * loss.item(), rel=1e-2)


def test_rounding_stays_within_its_bound() -> None:
    """Against the same network in double precision, over networks whose smallest eigenvalues span decades."""
    ratios = []
    for seed in range(12):
        subject, data = _classifier(seed, width=8 + 6 * seed)
        single = _read(subject, data, TangentKernel())["ntk_smallest_eigenvalue"]
        if single.status != "ok" or single.value == 0.0:
            continue
        twin = Subject(_Double(subject.module), loss=CrossEntropy())
        truth = np.linalg.eigvalsh(tangent_kernel(twin, data))[0] / 30
        assert abs(single.value - truth) <= single.uncertainty.systematic
        ratios.append(single.uncertainty.systematic / single.value)
    assert len(ratios) >= 6
    assert min(ratios) < 1e-2, "a bound that says nothing"


class _Double(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.double())


def test_more_outputs_than_parameters_have_the_eigenvalue_zero() -> None:
    subject, data = _classifier(width=2)  # 23 parameters, 90 outputs
    smallest = _read(subject, data, TangentKernel())["ntk_smallest_eigenvalue"]
    assert (smallest.status, smallest.value, smallest.uncertainty.kind) == ("ok", 0.0, "exact")


def test_an_eigenvalue_below_the_rounding_floor_is_not_read() -> None:
    subject, data = _classifier()
    twice = data.take(np.array([*range(29), 0]))
    smallest = _read(subject, twice, TangentKernel())["ntk_smallest_eigenvalue"]
    assert smallest.status == "insufficient"
    assert "rounding" in smallest.reason


def test_many_outputs_are_estimated_by_probes_and_their_interval_holds() -> None:
    subject, data = _classifier(classes=24)
    exact = _read(subject, data, TangentKernel(outputs=24))
    held = 0
    for seed in range(40):
        found = {
            m.quantity: m
            for m in TangentKernel(outputs=8, probes=6).measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))
        }
        rank = found["ntk_effective_rank"]
        assert rank.uncertainty.covers == {"data", "probe"}
        held += rank.uncertainty.contains(rank.value, exact["ntk_effective_rank"].value)
    # the interval is over other data, too, so it holds more often than it says
    assert held >= 37
    assert found["ntk_smallest_eigenvalue"].status == "insufficient"
    assert found["ntk_smallest_eigenvalue"].suffices == {"outputs": 24}


def test_labels_that_do_not_vary_have_no_alignment() -> None:
    subject, data = _classifier()
    same = ArrayData(data.inputs, torch.zeros(30, dtype=torch.int64))
    assert _read(subject, same, TangentKernel())["ntk_alignment"].status == "insufficient"


def test_an_example_that_does_not_fit_into_memory_is_declined() -> None:
    subject, data = _classifier()
    found = TangentKernel().measure(subject, data, sites=(), budget=Budget(bytes=100), rng=Rng(0))
    assert {m.status for m in found} == {"insufficient"}
    assert all("the limit is" in m.reason for m in found)


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(GnomonError, match="predictions ≥"):
        TangentKernel(predictions=2)
    with pytest.raises(GnomonError, match="components"):
        TangentKernel(components=0)


def test_drift_without_a_reference_says_what_to_give() -> None:
    subject, data = _classifier()
    (change, distance) = measure(subject, ["tangent_drift"], data=data).measurements
    for m in (change, distance):
        assert m.status == "insufficient"
        assert "initial=" in m.reason


class _Scaled(nn.Module):
    """Outputs multiplied by α: large α makes learning lazy (Chizat, Oyallon & Bach)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.first, self.second = nn.Linear(6, 64), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * self.second(torch.tanh(self.first(x)))


def _trained(alpha: float) -> tuple[Subject, ArrayData]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, x = _Scaled(alpha), torch.randn(30, 6)
    before = copy.deepcopy(network)
    start = network(x).detach()
    y = torch.sin(2 * x[:, :1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05 / alpha**2)
    for _ in range(1000):
        optimizer.zero_grad()
        (network(x) - start - y).square().mean().backward()
        optimizer.step()
    network.zero_grad()
    subject = Subject(network, loss=SquaredError(), initial=Subject(before, loss=SquaredError()))
    return subject, ArrayData(x, y + start)


def test_drift_tells_lazy_learning_from_rich() -> None:
    lazy, rich = (_read(*_trained(alpha), TangentDrift()) for alpha in (100.0, 1.0))
    for quantity in ("ntk_relative_change", "ntk_distance"):
        assert lazy[quantity].uncertainty.high < 0.1 * rich[quantity].uncertainty.low
    subject, data = _trained(1.0)
    now, then = (tangent_kernel(s, data, reduce="trace") for s in (subject, subject.initial))
    truth = np.linalg.norm(now - then) / np.linalg.norm(then)
    assert rich["ntk_relative_change"].value == pytest.approx(truth, rel=1e-4)


def test_the_reference_may_be_given_to_the_estimator() -> None:
    subject, data = _trained(1.0)
    reference, subject.initial = subject.initial, None
    assert reference is not None
    assert _read(subject, data, TangentDrift(initial=reference))["ntk_relative_change"].status == "ok"
    assert TangentDrift(initial=reference).initial == reference.weights_hash()


@pytest.mark.shared
@pytest.mark.slow
def test_a_real_language_model(shared_data: Path) -> None:
    subject = load(str(shared_data / "stories260K"))
    data = load_data(str(shared_data / "stories_sampled.txt"), subject, limit=60)
    found = _read(subject, data, TangentKernel(predictions=16))
    assert found["ntk_spectrum"].status == found["ntk_effective_rank"].status == "ok"
    assert found["ntk_smallest_eigenvalue"].suffices == {"outputs": 512}
    assert found["ntk_effective_rank"].value <= 16
