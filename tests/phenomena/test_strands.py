"""Strands: the closed form against simulation, the teacher against its Jacobian, the judgement, and runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.lab.sweep.work import Job, work
from gnomon.phenomena import Finding, verdict_of
from gnomon.phenomena.claim import control_verdict
from gnomon.phenomena.strands import Strands, StrandsSettings, half_recovered
from gnomon.phenomena.strands_contexts import ContextsSpec, GatedTeacher, read_contexts
from gnomon.phenomena.strands_recovery import RecoverySpec, draw, expected_squared_cosine, recover
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.testing.phenomena import check_phenomenon

SMALL = {
    "dimensions": [8, 16],
    "noises": [0.5, 1.0],
    "ratios": [1.0, 4.0],
    "trials": 2,
    "even_dimension": 6,
    "even_ratios": [4.0, 8.0],
    "even_trials": 2,
    "rounds": 1,
    "contexts": [2, 3],
    "steps": 10,
}


def test_the_expected_squared_cosine_is_that_of_the_integral() -> None:
    # A/(A + B) with A ~ noncentral chi-squared(1, l), B ~ chi-squared(d - 1): E = integral of E[A e^{-tA}] E[e^{-tB}]
    for d, information in ((2, 0.5), (5, 3.0), (40, 25.0), (300, 900.0)):

        def integrand(t: float, d: int = d, information: float = information) -> float:
            s = 1 + 2 * t
            return float((1 / s + information / s**2) * s**-0.5 * np.exp(-information * t / s) * s ** (-(d - 1) / 2))

        truth = quad(integrand, 0, np.inf, limit=400)[0]
        assert expected_squared_cosine(d, information) == pytest.approx(truth, rel=1e-6)
        assert expected_squared_cosine(d, information) == pytest.approx((1 + information) / (d + information), rel=0.2)
    with pytest.raises(GnomonError, match="no squared cosine"):
        expected_squared_cosine(0, 1.0)


@pytest.mark.parametrize(("d", "noise", "n"), [(6, 0.7, 8), (20, 1.5, 40), (20, 1.0, 200)])
def test_the_mean_difference_recovers_as_much_as_the_closed_form_says(d: int, noise: float, n: int) -> None:
    squares = []
    for seed in range(600):
        spec = RecoverySpec(target="linear", dimension=d, noise=noise, ratios=(1.0,), rounds=0, seed=seed)
        truth, x, y = draw(spec, n, 0)
        slope = label_slope(x, y)
        squares.append(float(slope @ truth / slope.norm()) ** 2)
    error = np.std(squares, ddof=1) / np.sqrt(len(squares))
    assert abs(np.mean(squares) - expected_squared_cosine(d, n / noise**2)) < 4 * error
    assert error < 0.02


def test_permuted_classes_leave_chance() -> None:
    squares = []
    for seed in range(400):
        spec = RecoverySpec(target="linear", dimension=16, ratios=(1.0,), rounds=0, shuffled=True, seed=seed)
        truth, x, y = draw(spec, 200, 0)
        slope = label_slope(x, y)
        squares.append(float(slope @ truth / slope.norm()) ** 2)
    # the inputs keep their two groups: along w the variance is 1 + s² = 2, in the other directions 1
    assert np.mean(squares) == pytest.approx(2 / 17, abs=0.02)


def test_half_recovery_is_read_off_the_curve_of_the_theory() -> None:
    for d in (32, 64, 128):
        n = [d // 4, d // 2, d, 2 * d, 4 * d]
        outcome = {"examples": n, "agop": [expected_squared_cosine(d, m) for m in n], "logistic": [0.5 / m for m in n]}
        assert half_recovered(outcome, "agop") == pytest.approx(d - 2, rel=0.05)
        assert half_recovered(outcome, "logistic") == float("inf")


def test_numbers_of_examples_are_even_and_follow_dimension_and_noise() -> None:
    spec = RecoverySpec(target="linear", dimension=30, noise=2.0, ratios=(0.01, 1.0, 2.0), rounds=0)
    assert spec.examples == (4, 120, 240)
    outcome = recover(spec.changed({"trials": 2}))
    assert all(len(outcome[name]) == 3 for name in ("mean_difference", "logistic", "agop"))


def test_at_each_context_the_teacher_depends_on_the_directions_it_uses() -> None:
    for gated, used in ((True, 2), (False, 8)):
        teacher = GatedTeacher(ContextsSpec(contexts=4, active=2, gated=gated, seed=1))
        torch.testing.assert_close(teacher.directions @ teacher.directions.T, torch.eye(8), rtol=0, atol=1e-5)
        inputs, targets = teacher.draw(4000, torch.Generator().manual_seed(0))
        for context in range(4):
            rows = inputs[:, 8 + context] == 1
            jacobian = torch.linalg.lstsq(inputs[rows, :8], targets[rows]).solution
            assert int(torch.linalg.matrix_rank(jacobian, tol=1e-3)) == used
            values = torch.linalg.svdvals(jacobian).square()
            assert float(values.sum() ** 2 / values.square().sum()) == pytest.approx(used, rel=1e-4)


def test_too_many_directions_are_refused() -> None:
    with pytest.raises(GnomonError, match="the Jacobian is taken exactly for 16 at most"):
        ContextsSpec(contexts=9, active=2)


def test_a_trained_network_uses_what_the_task_uses() -> None:
    gated = read_contexts(ContextsSpec(contexts=3, active=2, width=64, steps=400))
    dense = read_contexts(ContextsSpec(contexts=3, active=2, width=64, steps=400, gated=False))
    assert gated["unexplained"] < 0.05
    assert dense["unexplained"] < 0.05
    assert gated["local"] == pytest.approx(2.0, rel=0.15)
    assert dense["local"] == pytest.approx(6.0, rel=0.1)
    assert gated["participation"] == pytest.approx(6.0, rel=0.05)


def judged(change: Callable[[Any, dict[str, Any]], object] = lambda spec, found: None) -> Finding:
    """The verdict on fabricated outcomes, which follow the theory, those of some arms changed."""
    phenomenon, settings, seeds = Strands(), StrandsSettings(), range(6)
    records = []
    for point in phenomenon.points(settings, seeds):
        spec = point.spec
        found: dict[str, Any]
        if isinstance(spec, ContextsSpec):
            used = spec.active if spec.gated else spec.dimension
            found = {"unexplained": 0.01, "local": 1.1 * used, "participation": 1.0 * spec.dimension, "twonn": None}
        else:
            assert isinstance(spec, RecoverySpec)
            chance = 1 / spec.dimension
            theory = [expected_squared_cosine(spec.dimension, n / spec.noise**2) for n in spec.examples]
            gradients = [chance if spec.shuffled else t for t in theory]
            means = gradients if spec.target == "linear" else [chance] * len(theory)
            found = {"examples": list(spec.examples), "mean_difference": means, "logistic": means, "agop": gradients}
        found = copy.deepcopy(found)
        change(spec, found)
        record = PointRecord(
            key=point.key, experiment=point.experiment, spec=spec.model_dump(), status="done", outcome=found
        )
        records.append(record)
    return phenomenon.judge(settings, seeds, Results(records))


def test_the_phenomenon_is_shown_where_it_is() -> None:
    finding = judged()
    assert verdict_of(finding.claims) == "shown"
    assert control_verdict(finding.controls.values()) == "not shown"
    assert all(verdict_of(claims) == "not shown" for claims in finding.controls.values())
    assert set(finding.curves["recovery"]["dimension"]) == {32, 64, 128}
    assert [p.key for p in finding.pictures] == ["collapse", "even", "contexts"]


def _slower(spec: Any, found: dict[str, Any]) -> None:
    """Examples in proportion to d² instead of d, for logistic regression."""
    if isinstance(spec, RecoverySpec) and spec.target == "linear" and not spec.shuffled and spec.noise == 1.0:
        found["logistic"] = [expected_squared_cosine(spec.dimension, 40 * n / spec.dimension) for n in spec.examples]


def _set(**values: Any) -> Callable[[Any, dict[str, Any]], None]:
    def change(spec: Any, found: dict[str, Any]) -> None:
        if isinstance(spec, ContextsSpec) and spec.gated:
            found.update({k: v for k, v in values.items() if k in found})

    return change


def _even(name: str, value: float) -> Callable[[Any, dict[str, Any]], None]:
    def change(spec: Any, found: dict[str, Any]) -> None:
        if isinstance(spec, RecoverySpec) and spec.target == "even":
            found[name][-1] = value

    return change


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("logistic_examples_grow_like_dimension", _slower),
        ("agop_recovers_what_has_no_mean", _even("agop", 0.5)),
        ("mean_difference_misses_what_has_no_mean", _even("mean_difference", 0.5)),
        ("as_many_matter_as_a_context_uses", _set(local=3.5)),
        ("far_fewer_matter_than_the_data_have", _set(participation=4.0)),
    ],
)
def test_it_is_not_shown_where_one_part_of_it_is_missing(
    claim: str, change: Callable[[Any, dict[str, Any]], object]
) -> None:
    finding = judged(change)
    assert verdict_of(finding.claims) == "not shown"
    assert [c.name for c in finding.claims if c.state == "refuted"] == [claim]


def test_a_mean_difference_that_is_worse_than_its_closed_form_is_noticed() -> None:
    def worse(spec: Any, found: dict[str, Any]) -> None:
        if isinstance(spec, RecoverySpec) and spec.target == "linear":
            found["mean_difference"] = [0.9 * square for square in found["mean_difference"]]

    states = {c.name: c.state for c in judged(worse).claims}
    assert states["mean_difference_is_as_in_theory"] == "refuted"


def test_it_keeps_the_contract() -> None:
    check_phenomenon(Strands, SMALL)


@pytest.mark.slow
def test_the_quick_preset_shows_it_and_not_in_the_controls() -> None:
    phenomenon, settings = Strands(), Strands.presets["quick"]
    seeds = range(Strands.seeds["quick"])
    points = phenomenon.points(settings, seeds)
    finding = phenomenon.judge(settings, seeds, Results([r for p in points for r in work(Job.of([p]))]))
    assert verdict_of(finding.claims) == "shown"
    assert control_verdict(finding.controls.values()) == "not shown"
