"""Grokking of a recursive feature machine: what must hold exactly, the judgement, and runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Point, Results
from gnomon.lab.sweep.work import Job, work
from gnomon.organisms import ModularAddition
from gnomon.phenomena import Finding, verdict_of
from gnomon.phenomena.circulant import circulant_share
from gnomon.phenomena.claim import control_verdict
from gnomon.phenomena.rfm_grokking import RfmGrokking, RfmGrokkingSettings, RfmGrokkingSpec, grow
from gnomon.structure import RecursiveFeatureMachine
from gnomon.structure.kernels import Gaussian
from gnomon.testing.phenomena import check_phenomenon

SMALL = {"p": 11, "rounds": 3}


def test_without_feature_learning_no_unseen_pair_is_answered() -> None:
    # The kernel sees only whether operands are equal. The rows that share an operand with an unseen pair (a, b) hold
    # every class but that of (a, b), so that they all speak against it: the accuracy is 0, below chance.
    for seed in range(3):
        for bandwidth in (0.7, 2.5, 10.0):
            found = grow(
                RfmGrokkingSpec(
                    p=13, train_share=0.7, bandwidth=bandwidth, power=0.5, rounds=5, learns=False, seed=seed
                )
            )
            assert found["train_accuracy"] == [1.0]
            assert found["test_accuracy"] == [0.0]


def test_all_pairs_give_features_that_are_circulant_in_every_round() -> None:
    # with every pair seen, the problem has the symmetry (a, b) -> (a + s, b + t) and so have the features
    p = 7
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    x = torch.nn.functional.one_hot(pairs, p).flatten(1).double()
    y = torch.nn.functional.one_hot(pairs.sum(dim=1) % p, p).double()
    machine = RecursiveFeatureMachine(kernel=Gaussian(2.5), power=0.5, ridge=1e-6, rounds=3, centred=True)
    for one in machine.iterate(x, y):
        for block in (one.agop[:p, :p], one.agop[p:, p:]):
            assert circulant_share(block) == pytest.approx(1.0, abs=1e-9)
        # the shift by (s, -s) changes no answer, so that b - a alone is left between the operands
        between = one.agop[:p, p:]
        assert float((between - between.roll((1, 1), (0, 1))).abs().max()) < 1e-9 * float(one.agop.abs().max())


def test_an_outcome_is_what_the_machine_of_the_same_recipe_gives() -> None:
    found = grow(RfmGrokkingSpec(p=11, train_share=0.7, bandwidth=2.5, power=0.5, rounds=2, seed=3))
    train, test = ModularAddition(p=11, train_share=0.7, seed=3).data()
    assert train.targets is not None
    assert test.targets is not None
    machine = RecursiveFeatureMachine(kernel=Gaussian(2.5), power=0.5, ridge=0.0, rounds=2, centred=True)
    last = machine.fit(train.inputs.double(), torch.eye(11).double()[train.targets])
    right = last.predict(test.inputs.double()).argmax(dim=1) == test.targets
    assert found["test_accuracy"][-1] == pytest.approx(float(right.double().mean()))
    assert len(found["test_accuracy"]) == 3
    assert found["alignment"][-1] == pytest.approx(1.0)
    assert np.abs(found["last_block"]).max() == 1.0


def outcome(*, learns: bool, rounds: int = 20) -> dict[str, Any]:
    """As the phenomenon has it: features move from round 0, the test accuracy jumps at round 10."""
    t = np.arange(rounds + 1)
    n = len(t) if learns else 1
    rising = np.minimum(1.0, 0.4 + t / 10)
    return {
        "train_accuracy": [1.0] * n,
        "test_accuracy": [float(x >= 10 and learns) for x in t[:n]],
        "train_error": [0.0] * n,
        "test_error": [0.03] * n,
        "circulant_share": rising[:n].tolist(),
        "alignment": rising[:n].tolist(),
        "first_block": [[0.0, 1.0], [1.0, 0.0]],
        "last_block": [[0.0, 1.0], [1.0, 0.0]],
    }


def judged(change: Callable[[dict[str, Any]], object] = lambda o: None) -> Finding:
    """The verdict on fabricated outcomes, those of the arm of the claim changed."""
    phenomenon, settings, seeds = RfmGrokking(), RfmGrokkingSettings(), range(6)
    records = []
    for point in phenomenon.points(settings, seeds):
        spec = point.spec
        assert isinstance(spec, RfmGrokkingSpec)
        main = spec.learns and spec.train_share == settings.train_share
        found = copy.deepcopy(outcome(learns=main))
        if main:
            change(found)
        records.append(_record(point, found))
    return phenomenon.judge(settings, seeds, Results(records))


def _record(point: Point, found: dict[str, Any]) -> PointRecord:
    return PointRecord(
        key=point.key, experiment=point.experiment, spec=point.spec.model_dump(), status="done", outcome=found
    )


def test_the_phenomenon_is_shown_where_it_is() -> None:
    finding = judged()
    assert verdict_of(finding.claims) == "shown"
    assert control_verdict(finding.controls.values()) == "not shown"
    delays = {c.name: c.measurement.value for c in finding.claims}
    assert delays["test_accuracy_near_zero_at_first"] == 10
    assert delays["circulant_share_moves_first"] == 7
    rows = finding.curves["delay"]
    assert set(zip(rows["train_share"], rows["rounds"], strict=True)) == {(0.7, 10), (0.3, None)}


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("fits_its_training_pairs", lambda o: o["train_accuracy"].__setitem__(4, 0.5)),
        ("test_accuracy_near_zero_at_first", lambda o: o["test_accuracy"].__setitem__(1, 0.2)),
        ("generalises_at_last", lambda o: o["test_accuracy"].__setitem__(-1, 0.9)),
        ("features_are_circulant", lambda o: o["circulant_share"].__setitem__(-1, 0.8)),
        ("circulant_share_moves_first", lambda o: o.update(circulant_share=[0.4] * 15 + [1.0] * 6)),
        ("alignment_moves_first", lambda o: o.update(alignment=[0.4] * 15 + [1.0] * 6)),
    ],
)
def test_it_is_not_shown_where_one_part_of_it_is_missing(
    claim: str, change: Callable[[dict[str, Any]], object]
) -> None:
    finding = judged(change)
    assert verdict_of(finding.claims) == "not shown"
    assert [c.name for c in finding.claims if c.state == "refuted"] == [claim]


def test_it_keeps_the_contract() -> None:
    check_phenomenon(RfmGrokking, SMALL)


@pytest.mark.slow
def test_the_quick_preset_shows_it_and_not_in_the_controls() -> None:
    phenomenon, settings = RfmGrokking(), RfmGrokking.presets["quick"]
    seeds = range(RfmGrokking.seeds["quick"])
    points = phenomenon.points(settings, seeds)
    finding = phenomenon.judge(settings, seeds, Results([r for p in points for r in work(Job.of([p]))]))
    assert verdict_of(finding.claims) == "shown"
    assert control_verdict(finding.controls.values()) == "not shown"
