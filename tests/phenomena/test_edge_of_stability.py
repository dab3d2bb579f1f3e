"""Edge of stability: descent against closed forms, sharpness against the dense Hessian, fabricated outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call, jacrev

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Point, Results
from gnomon.lab.sweep.executors import Local
from gnomon.phenomena import run, verdict_of
from gnomon.phenomena.edge_of_stability import EdgeOfStability, Settings
from gnomon.phenomena.sharpness_experiment import Descent, descend, regression
from gnomon.testing import check_phenomenon

SEEDS = range(5)


def dense_sharpness(spec: Descent) -> float:
    """At the initial weights, from every entry of the Hessian, in float64."""
    network, data = regression(spec)
    network = network.double()
    names = [n for n, _ in network.named_parameters()]
    shapes = [p.shape for p in network.parameters()]
    inputs, targets = data.inputs.double(), data.targets.double()

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = flat.split([s.numel() for s in shapes])
        weights = {n: part.reshape(s) for n, part, s in zip(names, parts, shapes, strict=True)}
        return (functional_call(network, weights, (inputs,)) - targets).square().mean()

    flat = torch.cat([p.detach().reshape(-1) for p in network.parameters()])
    return float(torch.linalg.eigvalsh(jacrev(jacrev(loss))(flat))[-1])


@pytest.mark.parametrize("seed", range(3))
def test_the_sharpness_is_that_of_the_dense_hessian(seed: int) -> None:
    spec = Descent(learning_rate=0.1, time=0.1, width=6, examples=30, init_scale=1.0, seed=seed)
    found = descend(spec)
    assert found["sharpness"][0] == pytest.approx(dense_sharpness(spec), rel=1e-4)


def test_the_solver_has_converged_at_the_edge() -> None:
    at_the_edge = Descent(learning_rate=3.5, time=2500.0, readings=10)
    found, further = descend(at_the_edge), descend(at_the_edge.changed({"lanczos_steps": 90}))
    assert max(found["sharpness"]) > at_the_edge.edge
    assert found["sharpness"] == pytest.approx(further["sharpness"], rel=2e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_a_quadratic_loss_diverges_exactly_beyond_the_edge(momentum: float, seed: int) -> None:
    top = _quadratic_top(seed)
    for factor, diverges in ((0.98, False), (1.02, True)):
        rate = factor * (2 + 2 * momentum) / top
        spec = Descent(
            depth=0, learning_rate=rate, momentum=momentum, time=600 * rate / (1 - momentum), readings=3, seed=seed
        )
        found = descend(spec)
        assert found["diverged"] is diverges
        assert np.allclose(found["sharpness"], top, rtol=1e-4)
        assert np.allclose(np.array(found["sharpness"]) / spec.edge, factor, rtol=1e-4)


def _quadratic_top(seed: int) -> float:
    """Of linear regression on the mean over examples and 10 classes: the Hessian is XᵀX · 2/(10 n), once a class."""
    _, data = regression(Descent(depth=0, learning_rate=1.0, seed=seed))
    x = data.inputs.double().numpy()
    return float(np.linalg.eigvalsh(x.T @ x)[-1] * 2 / (10 * len(x)))


def test_descent_is_that_of_torch() -> None:
    spec = Descent(learning_rate=0.5, momentum=0.5, time=50.0, readings=25, seed=1)
    network, data = regression(spec)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.5)
    losses = []
    for _ in range(spec.steps + 1):
        loss = torch.nn.functional.mse_loss(network(data.inputs), data.targets)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = descend(spec)
    assert spec.steps == 50
    assert found["loss"] == pytest.approx([losses[int(s)] for s in found["steps"]], rel=1e-4)


def fabricated(settings: Settings, plateau: float, *, start: float = 0.1, rises: float = 0.4) -> Results:
    """Runs that settle at ``plateau`` times the edge, or at what small steps reach, whichever is lower."""
    records = []
    for i, point in enumerate(EdgeOfStability().points(settings, SEEDS)):
        spec = point.spec
        assert isinstance(spec, Descent)
        flow = 1.2 * (2 / settings.small) * 0.5
        edged = plateau * spec.edge < flow
        sharpness = np.linspace(start * 2 / settings.learning_rate, min(plateau * spec.edge, flow), 21).tolist()
        sharpness += [sharpness[-1] * (1 + 0.001 * (i % 5))] * 60
        outcome: dict[str, Any] = {
            "steps": np.linspace(0, spec.steps, 81).round().tolist(),
            "sharpness": sharpness,
            "loss": np.geomspace(1, 1e-3, 81).tolist(),
            "rises": [rises if edged else 0.0] * 81,
            "residual": 1e-4,
            "diverged": False,
        }
        records.append(_record(point, outcome))
    return Results(records)


def _record(point: Point, outcome: dict[str, Any]) -> PointRecord:
    return PointRecord(
        key=point.key, experiment=point.experiment, spec=point.spec.model_dump(), status="done", outcome=outcome
    )


def states(results: Results) -> dict[str, str]:
    return {c.name: c.state for c in EdgeOfStability().judge(Settings(), SEEDS, results).claims}


def test_runs_that_settle_at_the_edge_show_it() -> None:
    finding = EdgeOfStability().judge(Settings(), SEEDS, fabricated(Settings(), 1.005))
    assert verdict_of(finding.claims) == "shown"
    assert verdict_of(finding.controls["small step size"]) == "not shown"


def test_runs_that_settle_elsewhere_do_not() -> None:
    assert states(fabricated(Settings(), 0.8))["plateau"] == "refuted"
    assert states(fabricated(Settings(), 1.2))["plateau"] == "refuted"
    assert states(fabricated(Settings(), 1.005, start=0.9))["sharpens"] == "refuted"
    assert states(fabricated(Settings(), 1.005, start=0.9))["starts_below"] == "refuted"
    assert states(fabricated(Settings(), 1.005, rises=0.0))["loss_rises"] == "refuted"
    never = states(fabricated(Settings(), 100.0))  # sharpness that knows nothing of the step size
    assert never["exponent"] == "refuted"
    assert never["held_back"] == "refuted"


def test_specs_that_make_no_sense_are_refused() -> None:
    with pytest.raises(GnomonError, match="momentum"):
        Descent(learning_rate=1.0, momentum=1.0)
    with pytest.raises(GnomonError, match="learning_rate"):
        Descent(learning_rate=0.0)


def test_it_keeps_the_contract() -> None:
    check_phenomenon(EdgeOfStability, {"time": 20.0, "readings": 5, "examples": 20, "width": 4})


@pytest.mark.slow
def test_it_is_shown_and_its_control_is_not(tmp_path: Path) -> None:
    report = run(EdgeOfStability(), store=Store.open(tmp_path), executor=Local(1))
    assert (report.verdict, report.control) == ("shown", "not shown")
