"""The contest against closed forms, the verdict on made-up contests, and one real small run."""

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.organisms.neighbour_teacher import NeighbourTeacher
from gnomon.phenomena import verdict_of
from gnomon.phenomena.universality import Settings, Universality
from gnomon.phenomena.universality_experiment import (
    KERNEL,
    NETWORKS,
    Contest,
    _alignments,
    _kernel_error,
    _kernel_features,
    compete,
    network,
)
from gnomon.randomness import Rng
from gnomon.testing.phenomena import check_phenomenon

SMALL = {
    "examples": (16, 32, 64),
    "parameters": 900,
    "width": 4,
    "steps": 3,
    "batch": 8,
    "test": 32,
    "probes": 16,
    "teacher": NeighbourTeacher(tokens=3, positions=4).model_dump(),
}
SEEDS = range(5)
NAMES = (*NETWORKS, KERNEL)


def judged(*, error=0.02, exponents=None, trained=0.8, untrained=0.4, within=0.9, failed=()):
    """The finding from contests in which architecture a errs by error * (n/n_last)^-exponent."""
    settings, records = Settings(), []
    for point in Universality().points(settings, SEEDS):
        spec, noise = point.spec, np.random.default_rng(point.spec.seed)
        n = np.array(spec.examples) / spec.examples[-1]
        last = 1.2 if spec.shuffled else error
        errors = {
            name: (last * n ** -(exponents or {}).get(name, 1.0) * np.exp(0.01 * noise.normal(size=len(n)))).tolist()
            for name in NAMES
        }

        def cka(between, noise=noise):
            return {a: {b: (within if a == b else between) + 0.01 * noise.normal() for b in NAMES} for a in NAMES}

        broken = spec.seed in failed
        outcome = {
            "errors": errors,
            "parameters": {},
            "trained": cka(untrained if spec.shuffled else trained),
            "untrained": cka(untrained),
        }
        records.append(
            PointRecord(
                key=point.key,
                experiment="universality",
                spec=spec.model_dump(mode="json"),
                status="failed" if broken else "done",
                outcome={} if broken else outcome,
                reason="made to fail" if broken else "",
                seconds=0.0,
            )
        )
    return Universality().judge(settings, SEEDS, Results(records))


def test_architectures_that_agree_are_shown_and_their_control_is_not():
    finding = judged()
    assert verdict_of(finding.claims) == "shown"
    assert verdict_of(finding.controls["targets dealt at random"]) == "not shown"
    assert not any(finding.curves["exponent_differences"]["survives"])
    assert len(finding.curves["learning"]["error"]) == 5 * 7 * 3


@pytest.mark.parametrize(
    ("fault", "refuted"),
    [
        ({"error": 0.3}, "all_learn"),
        ({"trained": 0.52, "untrained": 0.5}, "representations_meet"),
        ({"trained": 0.3, "untrained": 0.1}, "nearly_as_alike_as_seeds"),
    ],
)
def test_architectures_that_do_not_are_not(fault, refuted):
    finding = judged(**fault)
    assert [c.name for c in finding.claims if c.state == "refuted"] == [refuted]


def test_a_law_that_differs_survives_with_its_size():
    curves = judged(exponents={"recurrent": 1.5}).curves["exponent_differences"]
    surviving = {
        (a, b): d
        for a, b, d, s in zip(*(curves[k] for k in ("first", "second", "difference", "survives")), strict=True)
        if s
    }
    assert len(surviving) == 6
    assert all("recurrent" in pair for pair in surviving)
    assert surviving["transformer", "recurrent"] == pytest.approx(-0.5, abs=0.02)


def test_contests_that_failed_leave_the_verdict_open():
    assert verdict_of(judged(failed=(0, 1, 2)).claims) == "insufficient"


@pytest.mark.parametrize("name", NETWORKS)
def test_all_networks_have_one_size(name):
    for contest in (Settings().contest(0).spec, Universality.presets["full"].contest(0).spec):
        size = sum(p.numel() for p in network(name, contest, Rng(0)).parameters())
        # one hidden unit takes at most three rows of the widest stream, and a gated layer rounds
        assert abs(size - contest.parameters) <= 6 * contest.width


def test_a_network_that_does_not_fit_is_refused():
    contest = Contest(examples=(8, 16, 32), parameters=100, width=16)
    with pytest.raises(GnomonError, match="parameters, more than 100"):
        network("transformer", contest, Rng(0))


def test_the_kernel_machine_is_ridge_regression_in_its_own_features():
    contest = Contest(examples=(30,), teacher=NeighbourTeacher(tokens=3, positions=4), ridge=0.1)
    every = contest.teacher.sequences(50, Rng(0))
    y = contest.teacher.targets(every)
    features = _kernel_features(contest, every)
    train, test, targets = features[:30], features[30:], y[:30].double().numpy()
    weights = np.linalg.solve(train.T @ train + 0.1 * np.eye(50), train.T @ targets)
    expected = np.square(test @ weights - y[30:].numpy()).mean()
    assert _kernel_error(contest, every[:30], y[:30], every[30:], y[30:]) == pytest.approx(expected, rel=1e-5)


def test_alignment_is_one_for_rotations_and_none_for_permuted_examples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 10))
    rotation = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    found = _alignments({"a": [x, 3 * x + 1], "b": [x @ rotation, x @ rotation], "c": [x[rng.permutation(300)]]})
    assert found["a"]["a"] == pytest.approx(1)
    assert found["a"]["b"] == pytest.approx(1)
    assert abs(found["a"]["c"]) < 0.05
    assert found["c"]["a"] == found["a"]["c"]


def test_more_examples_help_and_targets_dealt_at_random_teach_nothing():
    contest = Contest(
        examples=(16, 512), parameters=900, width=4, steps=60, teacher=NeighbourTeacher(tokens=3, positions=4)
    )
    found = compete(contest)
    assert set(found["errors"]) == set(NAMES)
    assert all(errors[1] < errors[0] for errors in found["errors"].values())
    assert found["errors"][KERNEL][1] < 0.01
    dealt = compete(contest.model_copy(update={"shuffled": True}))
    assert min(errors[-1] for errors in dealt["errors"].values()) > 0.8


def test_the_world_is_left_as_it_was():
    before = torch.get_rng_state()
    compete(Contest(**SMALL))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("fields", "fault"), [({"examples": (8, 4, 2)}, "is no ladder"), ({"probes": 64, "test": 32}, "64 probes of 32")]
)
def test_settings_that_do_not_fit_are_refused(fields, fault):
    with pytest.raises(GnomonError, match=fault):
        Settings(**fields)


def test_it_keeps_the_contract_of_phenomena():
    check_phenomenon(Universality, SMALL)


@pytest.mark.slow
def test_quick_is_shown_and_its_control_is_not(tmp_path):
    from gnomon.lab.store import Store
    from gnomon.lab.sweep.executors import Local
    from gnomon.phenomena import run

    with Store.open(tmp_path / "store") as store, Local(workers=1) as executor:
        report = run(Universality(), store=store, executor=executor)
    assert (report.verdict, report.control) == ("shown", "not shown")
