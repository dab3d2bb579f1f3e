"""Lazy and rich: kernel, training and kurtosis against closed forms and brute force; fabricated outcomes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn
from torch.func import functional_call, jacrev

from gnomon.errors import GnomonError
from gnomon.estimators.tangent.kernel import tangent_kernel
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Point, Results
from gnomon.lab.sweep.executors import Local
from gnomon.phenomena import Finding, run, verdict_of
from gnomon.phenomena.lazy_rich import LazyRich, Settings
from gnomon.phenomena.random_networks_experiment import (
    RandomNetworks,
    arc_cosine_covariance,
    draw_networks,
    exact_excess_kurtosis,
)
from gnomon.phenomena.tangent_drift_experiment import HiddenLayer, Lazy, problem, train_lazily
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Subject
from gnomon.testing import check_phenomenon

SEEDS = range(5)


class Network(nn.Module):
    """The same network, as torch would have it."""

    def __init__(self, layer: HiddenLayer) -> None:
        super().__init__()
        self.first = nn.Parameter(layer.first.clone())
        self.second = nn.Parameter(layer.second.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.silu(x @ self.first.T / math.sqrt(x.shape[1]))
        return hidden @ self.second / math.sqrt(len(self.second))


def by_jacobians(network: Network, x: torch.Tensor) -> np.ndarray:
    jacobians = jacrev(lambda weights: functional_call(network, weights, (x,)))(dict(network.named_parameters()))
    flat = torch.cat([j.detach().reshape(len(x), -1) for j in jacobians.values()], dim=1)
    return (flat @ flat.T).numpy()


@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_the_tangent_kernel(seed: int) -> None:
    layer = HiddenLayer.drawn(30, 4, Rng(seed))
    x = torch.randn(7, 4, generator=Rng(seed).child("x").torch(), dtype=torch.float64)
    assert torch.allclose(layer.outputs(x), Network(layer)(x))
    assert np.allclose(layer.tangent_kernel(x).numpy(), by_jacobians(Network(layer), x), rtol=1e-9)
    measured = tangent_kernel(Subject(Network(layer).float()), ArrayData(x.float()))
    assert np.allclose(layer.tangent_kernel(x).numpy(), measured, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("scale", "target"), [(0.2, "single_index"), (1.0, "quadratic_form"), (5.0, "single_index")])
def test_training_is_gradient_descent_by_torch(scale: float, target: Any) -> None:
    spec = Lazy(width=40, scale=scale, target=target, examples=12, tested=9, dimension=5, error=0.05, seed=3)
    x, y, test_x, test_y = problem(spec)
    start = HiddenLayer.drawn(40, 5, Rng(3).child("weights", 0))
    network, before = Network(start), start.outputs(x)
    steps = 0
    while True:
        residual = scale * (network(x) - before) - y
        if residual.square().mean() <= 0.05 * y.square().mean():
            break
        if steps % 10 == 0:
            rate = 0.5 / np.linalg.eigvalsh(by_jacobians(network, x))[-1]
        loss = residual.square().sum() / (2 * scale**2)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for p, g in zip(network.parameters(), gradients, strict=True):
                p -= rate * g
        steps += 1
    change = by_jacobians(network, x) - start.tangent_kernel(x).numpy()
    found = train_lazily(spec)
    assert found["steps"] == steps > 3
    assert found["drift"] == pytest.approx(np.linalg.norm(change) / start.tangent_kernel(x).norm().item(), rel=1e-6)
    error = (scale * (network(test_x) - start.outputs(test_x)) - test_y).square().mean() / test_y.square().mean()
    assert found["test_error"] == pytest.approx(error.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_at_a_large_scale_training_is_that_of_the_kernel_machine(seed: int) -> None:
    spec = Lazy(width=50, scale=1e5, examples=10, tested=20, dimension=6, seed=seed)
    x, y, test_x, test_y = problem(spec)
    kernel = HiddenLayer.drawn(50, 6, Rng(seed).child("weights", 0)).tangent_kernel(torch.cat([x, test_x]))
    inner, outer = kernel[:10, :10], kernel[10:, :10]
    rate = 0.5 / torch.linalg.eigvalsh(inner)[-1]
    coefficients, steps = torch.zeros_like(y), 0
    while (y - inner @ coefficients).square().sum() > 0.01 * y.square().sum():
        coefficients = coefficients + rate * (y - inner @ coefficients)
        steps += 1
    found = train_lazily(spec)
    error = (outer @ coefficients - test_y).square().mean() / test_y.square().mean()
    assert found["steps"] == steps
    assert found["test_error"] == pytest.approx(error.item(), rel=1e-3)
    assert found["drift"] < 1e-4


def test_targets_are_normalised_and_the_form_has_no_linear_or_constant_part() -> None:
    for target in ("single_index", "quadratic_form"):
        _, y, _, test_y = problem(Lazy(width=1, target=target, tested=20_000))  # type: ignore[arg-type]
        assert float(torch.cat([y, test_y]).mean()) == pytest.approx(0, abs=0.05)
        assert float(torch.cat([y, test_y]).square().mean()) == pytest.approx(1, abs=0.1)


def test_what_is_not_fitted_says_so() -> None:
    with pytest.raises(GnomonError, match="not fitted within 3 steps"):
        train_lazily(Lazy(width=4, most_steps=3))


def test_the_kurtosis_follows_from_moments_of_the_rectified_normal() -> None:
    second, fourth = (quad(lambda g, k=k: g**k * norm.pdf(g), 0, 12)[0] for k in (2, 4))
    variance = 4 * (fourth - second**2)
    assert 2 * second == pytest.approx(1)
    for width, depth in ((16, 1), (16, 3), (100, 20)):
        assert exact_excess_kurtosis(width, depth) == pytest.approx(3 * ((1 + variance / width) ** depth - 1))


def test_the_kurtosis_is_that_of_outputs_drawn_one_by_one() -> None:
    """Fourth powers of the outputs themselves, by another program; three million random networks of width 8."""
    rng = np.random.default_rng(0)
    n, width = 3_000_000, 8
    total = np.zeros(3)
    for _ in range(10):
        hidden = math.sqrt(2) * np.maximum(rng.standard_normal((n // 10, width)), 0)  # |x|² = d
        f = (hidden * rng.standard_normal((n // 10, width))).sum(axis=1) / math.sqrt(width)
        total += np.array([(f**2).sum(), (f**4).sum(), (f**8).sum()]) / n
    error = math.sqrt(total[2] / n) / total[0] ** 2
    assert total[1] / total[0] ** 2 - 3 == pytest.approx(exact_excess_kurtosis(width, 1), abs=4 * error)
    assert error < 0.05


@pytest.mark.parametrize(("width", "depth"), [(16, 1), (64, 1), (32, 4)])
def test_the_measured_kurtosis_is_the_exact_one(width: int, depth: int) -> None:
    found = [
        draw_networks(RandomNetworks(width=width, depth=depth, networks=2000, seed=s))["excess_kurtosis"]
        for s in range(8)
    ]
    error = np.std(found, ddof=1) / math.sqrt(8)
    assert np.mean(found) == pytest.approx(exact_excess_kurtosis(width, depth), abs=5 * error)
    assert error < 0.1 * exact_excess_kurtosis(width, depth)


def test_the_covariance_is_the_arc_cosine_kernel() -> None:
    one = arc_cosine_covariance(1)
    assert np.allclose(np.diag(one), 1)
    assert one[0, 3] == pytest.approx(0, abs=1e-9)
    assert one[0, 1] == pytest.approx((math.sin(math.pi / 3) + math.pi / 3) / math.pi)
    drawn = np.array(draw_networks(RandomNetworks(width=64, networks=20_000))["covariance"])
    assert np.allclose(drawn, one, atol=5 * math.sqrt(5 / 64 / 20_000))


def fabricated(settings: Settings, *, width: float, scale: float, benefit: float, kurtosis: float) -> Results:
    """Power laws with these exponents in the arms of the claim, and what theory says in the controls."""
    records = []
    for point in LazyRich().points(settings, SEEDS):
        spec = point.spec
        outcome: dict[str, Any]
        if isinstance(spec, RandomNetworks):
            deep = spec.depth > 1
            excess = 1.0 if deep else 15 * spec.width**kurtosis
            outcome = {"excess_kurtosis": excess, "covariance": arc_cosine_covariance(1).tolist()}
        else:
            assert isinstance(spec, Lazy)
            drift = 0.1 * (spec.width / 512) ** width if spec.scale == 1 else 0.1 * spec.scale**scale
            drift = 0.1 if 0 < spec.scale < 1 else drift
            rich = spec.scale < 1 and spec.target == "single_index"
            outcome = {"drift": drift * (1 + 0.01 * spec.seed), "test_error": benefit if rich else 1.0}
        records.append(_record(point, outcome))
    return Results(records)


def _record(point: Point, outcome: dict[str, Any]) -> PointRecord:
    return PointRecord(
        key=point.key, experiment=point.experiment, spec=point.spec.model_dump(), status="done", outcome=outcome
    )


def judged(**laws: float) -> Finding:
    truth = {"width": -1.0, "scale": -1.0, "benefit": 0.4, "kurtosis": -1.0}
    settings = Settings(draws=2)
    return LazyRich().judge(settings, SEEDS, fabricated(settings, **{**truth, **laws}))


def test_the_laws_of_theory_are_shown_and_the_controls_are_not() -> None:
    finding = judged()
    assert verdict_of(finding.claims) == "shown"
    assert {verdict_of(claims) for claims in finding.controls.values()} == {"not shown"}


@pytest.mark.parametrize(
    ("laws", "name"),
    [
        ({"width": -0.5}, "drift_against_width"),
        ({"width": 0.0}, "drift_against_width"),
        ({"scale": -2.0}, "drift_against_scale"),
        ({"benefit": 0.9}, "rich_generalises_better"),
        ({"kurtosis": -0.5}, "kurtosis_against_width"),
        ({"kurtosis": -0.8}, "kurtosis_constant"),
    ],
)
def test_other_laws_are_refuted(laws: dict[str, float], name: str) -> None:
    assert {c.name: c.state for c in judged(**laws).claims}[name] == "refuted"


def test_it_keeps_the_contract() -> None:
    check_phenomenon(
        LazyRich,
        {
            "widths": [32, 64],
            "draws": 1,
            "examples": 6,
            "scales": [4.0, 8.0],
            "width": 32,
            "feature_scales": [0.5, 4.0],
            "feature_examples": 12,
            "dimension": 5,
            "random_widths": [16, 32],
            "networks": 50,
        },
    )


@pytest.mark.slow
def test_it_is_shown_and_its_controls_are_not(tmp_path: Path) -> None:
    report = run(LazyRich(), store=Store.open(tmp_path), executor=Local(1))
    assert (report.verdict, report.control) == ("shown", "not shown")
    assert all(verdict_of(claims) == "not shown" for claims in report.finding.controls.values())
