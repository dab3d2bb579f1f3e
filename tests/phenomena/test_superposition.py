"""Superposition: the exact loss against sampling and closed forms, the pentagon as a minimum, judgement, real runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Results
from gnomon.lab.sweep.executors import Local
from gnomon.organisms.superposition import Superposition, expected_loss, superpose
from gnomon.phenomena import run, verdict_of
from gnomon.phenomena.superposition import Settings, SuperpositionPentagon, gap_and_spread
from gnomon.phenomena.superposition_polygons import ARRANGEMENTS, least_loss
from gnomon.testing import check_phenomenon

SEEDS = range(5)


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_expected_loss_is_the_mean_over_samples(density: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    weight, bias = draw.normal(size=(2, 5)) * 0.8, draw.normal(size=5) * 0.2
    x = draw.random((400_000, 5)) * (draw.random((400_000, 5)) < density)
    errors = np.square(x - np.maximum(x @ weight.T @ weight + bias, 0)).sum(axis=1)
    found, error = expected_loss(weight, bias, density), errors.std() / len(x) ** 0.5
    assert abs(found - errors.mean()) < 4 * error + 2e-3 * found


@pytest.mark.parametrize("density", [0.03, 0.2, 1.0])
def test_the_loss_of_features_that_are_dropped_or_kept_whole_is_closed(density: float) -> None:
    # of a feature that is dropped, its variance: E x² − (E x)² = d/3 − d²/4
    variance = density / 3 - density**2 / 4
    nothing = expected_loss(np.zeros((2, 5)), np.full(5, density / 2), density)
    assert nothing == pytest.approx(5 * variance)
    two = np.zeros((2, 5))
    two[0, 0] = two[1, 1] = 1.0
    bias = np.array([0, 0, *[density / 2] * 3])
    assert expected_loss(two, bias, density) == pytest.approx(3 * variance)
    assert least_loss("two at right angles", density) <= 3 * variance + 1e-9


def test_two_sparse_antipodal_features_by_hand() -> None:
    # W = (1, −1), b = 0: right alone; of both there, relu(x − y) is given for x: 2 E min(x, y)² = 2 · 1/6
    found = expected_loss(np.array([[1.0, -1.0]]), np.zeros(2), 0.5, nodes=200)
    assert found == pytest.approx(0.5**2 * 2 / 6, rel=1e-4)


def test_too_many_features_for_quadrature_are_one_line() -> None:
    with pytest.raises(GnomonError, match="7 features"):
        expected_loss(np.zeros((2, 7)), np.zeros(7), 0.1)


@pytest.mark.parametrize("density", [0.02, 0.05])
def test_the_pentagon_is_the_best_of_the_arrangements(density: float) -> None:
    losses = {name: least_loss(name, density) for name in ARRANGEMENTS}
    assert sorted(losses, key=lambda name: losses[name])[0] == "pentagon"
    assert losses["pentagon"] < 0.75 * losses["two antipodal pairs"]


def test_free_descent_on_the_expected_loss_finds_nothing_below_the_pentagon() -> None:
    draw = np.random.default_rng(0)

    def loss(at: np.ndarray) -> float:
        return expected_loss(at[:10].reshape(2, 5), at[10:], 0.05, nodes=6)

    # biases start at zero, as those of the networks: a random one may switch a feature off for good
    starts = [np.concatenate([draw.normal(size=10) * 0.5, np.zeros(5)]) for _ in range(5)]
    best = min(minimize(loss, start, method="L-BFGS-B").fun for start in starts)
    assert best == pytest.approx(least_loss("pentagon", 0.05), rel=0.02)


def test_dense_features_are_worth_their_dimensions() -> None:
    # the two principal components of independent features of variance 1/12 leave three of them
    assert least_loss("two at right angles", 1.0) == pytest.approx(3 / 12, rel=1e-3)
    assert min(least_loss(name, 1.0) for name in ARRANGEMENTS) > 0.97 * 3 / 12


@pytest.mark.parametrize("turn", [0.0, 1.3])
def test_gap_and_spread_of_known_shapes(turn: float) -> None:
    angles = turn + np.radians([0, 72, 144, 216, 288])[[3, 0, 4, 1, 2]]
    assert gap_and_spread(1.1 * np.stack([np.cos(angles), np.sin(angles)])) == pytest.approx((0, 0), abs=1e-9)
    angles[0] += np.radians(10)
    bent = np.stack([np.cos(angles), np.sin(angles)]) * [1, 1, 1, 1, 1.5]
    assert gap_and_spread(bent) == pytest.approx((10, 0.5 / 1.1))


def test_training_is_that_of_a_loop_written_apart() -> None:
    spec = Superposition(steps=30, restarts=2, batch=64, density=0.3)
    trained = superpose(spec)
    for restart in range(2):
        network = spec.network(restart)
        optimizer = torch.optim.Adam(network.parameters(), lr=spec.learning_rate)
        for step in range(30):
            optimizer.param_groups[0]["lr"] = spec.learning_rate * (1 - step / 30)
            x, gram = spec.samples(step), network.weight.T @ network.weight
            optimizer.zero_grad()
            (torch.relu(x @ gram + network.bias) - x).square().sum(1).mean().backward()
            optimizer.step()
        np.testing.assert_allclose(trained.weights[restart], network.weight.detach().numpy(), atol=1e-4)


def test_samples_are_fresh_and_of_the_stated_density() -> None:
    spec = Superposition(density=0.2, batch=20_000)
    x = spec.samples(0)
    assert abs(float((x > 0).double().mean()) - 0.2) < 4 * (0.2 * 0.8 / 1e5) ** 0.5
    assert abs(float(x[x > 0].double().mean()) - 0.5) < 4 * (1 / 12 / 2e4) ** 0.5
    assert torch.equal(x, spec.samples(0))
    assert not torch.equal(x, spec.samples(1))


def fabricated(shift: float, longer: float = 0.0, loss: float = 1.0) -> Results:
    """Sparse features ``shift`` degrees off the pentagon, one of them ``longer``; dense ones anywhere."""
    records, one = [], SuperpositionPentagon()
    for i, point in enumerate(one.points(Settings(), SEEDS)):
        spec, off = point.spec, shift * (1 + 0.01 * i)
        assert isinstance(spec, Superposition)
        sparse = spec.density == Settings().sparse.density
        best = least_loss("pentagon", spec.density) if sparse else 0.25
        outcome: dict[str, Any] = {
            "loss": [best * loss * (1 + 1e-4 * i)],
            "used": 3.1 if sparse else 1.0 + 0.01 * i,
            "gap": [off if sparse else 80.0 + i],
            "spread": [longer if sparse else 0.7 + 0.01 * i],
            "features": [[0.0, 1.0]] * 5,
        }
        records.append(PointRecord(key=point.key, experiment=point.experiment, spec={}, status="done", outcome=outcome))
    return Results(records)


def test_pentagons_show_it_and_other_shapes_do_not() -> None:
    one = SuperpositionPentagon()
    finding = one.judge(Settings(), SEEDS, fabricated(0.4, 0.01))
    assert verdict_of(finding.claims) == "shown"
    assert verdict_of(finding.controls["dense features"]) == "not shown"
    bent = {c.name: c.state for c in one.judge(Settings(), SEEDS, fabricated(5.0, 0.2, 1.1)).claims}
    assert bent == {"gaps": "refuted", "norms": "refuted", "more_than_dimensions": "passed", "loss": "refuted"}


def test_other_sizes_are_refused_in_one_line() -> None:
    with pytest.raises(GnomonError, match="five features"):
        SuperpositionPentagon().points(Settings(sparse=Superposition(features=6)), SEEDS)


def test_it_keeps_the_contract() -> None:
    changes = {"sparse.steps": 4, "sparse.restarts": 2, "sparse.batch": 32}
    ladder = {"ladder.features": 8, "ladder.dimensions": 3, "ladder.steps": 3, "ladder.batch": 16, "densities": [0.1]}
    check_phenomenon(SuperpositionPentagon, changes | ladder)


@pytest.mark.slow
def test_it_is_shown_and_its_control_is_not(tmp_path: Path) -> None:
    report = run(SuperpositionPentagon(), store=Store.open(tmp_path), executor=Local(1))
    assert (report.verdict, report.control) == ("shown", "not shown")
