"""The observer measures along a plain loop and changes nothing."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.estimators import Budget, Estimator, KnownAnswer, StreamingEstimator, estimators
from gnomon.estimators.registry import registry
from gnomon.lab.observer import LossBelow, Observer, log_spaced
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty
from gnomon.organisms import ModularAddition, train
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, ArrayData, Data, RowSample, SquaredError, Statistic, Subject

MEAN_SQUARE = Quantity(
    name="mean_square_in_test", symbol="s", definition=r"s = \mathbb{E} x^2", source="this test", dims=("site",)
)
WEIGHT_NORM = Quantity(name="weight_norm_in_test", symbol="w", definition=r"w = \|\theta\|_2", source="this test")


class MeanSquare(StreamingEstimator):
    """Mean square of the activations at a site, over a row sample."""

    name = "mean_square_in_test"
    quantities = (MEAN_SQUARE,)
    needs = frozenset({"activations"})

    def sites(self, subject: Subject) -> tuple[str, ...]:
        return tuple(subject.sites)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        return {site: RowSample(site, 64) for site in sites}

    def finish(
        self, subject: Subject, found: Mapping[str, Accumulator], *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        return [
            Measurement.ok(
                MEAN_SQUARE,
                float(np.square(found[site].values, dtype=np.float64).mean()),
                Uncertainty.unknown(),
                site=site,
                labels={"kept": "yes"},
                estimator=self.name,
            )
            for site in sites
        ]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return ()


class WeightNorm(Estimator):
    """Norm of all weights."""

    name = "weight_norm_in_test"
    quantities = (WEIGHT_NORM,)
    needs = frozenset({"weights"})

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        return Cost(flops=1.0)

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        norm = sum(float(m.values.double().square().sum()) for m in subject.matrices()) ** 0.5
        return [Measurement.ok(WEIGHT_NORM, norm, Uncertainty.exact(), estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return ()


class Undecided(WeightNorm):
    """Gives up."""

    name = "undecided_in_test"
    quantities = (replace(WEIGHT_NORM, name="undecided_in_test"),)

    def measure(self, subject: Subject, data: Data | None, **others: object) -> list[Measurement]:
        raise GnomonError("cannot decide", mend="do not ask")


class Scored(MeanSquare):
    """Needs a loss."""

    name = "scored_in_test"
    quantities = (replace(MEAN_SQUARE, name="scored_in_test"),)
    needs = frozenset({"predictions"})


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimators of this file are in the registry for the length of a test."""
    estimators()
    for each in (MeanSquare, WeightNorm, Undecided, Scored):
        monkeypatch.setitem(registry._registered, each.name, each)


SPEC = ModularAddition(p=7, width=24, steps=30)


def observer(*quantities: str, **changes: object) -> Observer:
    train_data, test_data = SPEC.data()
    values: dict = {
        "schedule": log_spaced(SPEC.steps, 5),
        "data": {"train": train_data, "test": test_data},
        "overhead": None,
    } | changes
    return Observer(quantities or ("mean_square_in_test", "weight_norm_in_test"), **values)


def test_log_spaced_steps_hold_both_ends_and_grow() -> None:
    for steps, n in [(1, 2), (10, 40), (600, 40), (10**6, 25)]:
        found = log_spaced(steps, n)
        assert (found[0], found[-1]) == (0, steps)
        assert len(found) <= n
        assert all(a < b for a, b in itertools.pairwise(found))
    assert log_spaced(10, 40) == tuple(range(11))
    tail = np.array(log_spaced(10**6, 25)[-10:]) + 1.0
    np.testing.assert_allclose(tail[1:] / tail[:-1], (10**6 + 1) ** (1 / 24), rtol=1e-3)
    for steps, n in [(0, 5), (10, 1)]:
        with pytest.raises(GnomonError, match="no schedule"):
            log_spaced(steps, n)


def test_observing_does_not_change_the_trajectory() -> None:
    bare = train(SPEC)
    watch = observer()
    watched = train(SPEC, observe=watch)
    assert bare.subject().weights_hash() == watched.subject().weights_hash()
    assert np.array_equal(bare.history.train_loss, watched.history.train_loss)
    assert watch.measurements


def test_events_hear_the_loss_of_an_organism() -> None:
    watch = Observer(["weight_norm_in_test"], events=[LossBelow(0.15)], overhead=None)
    organism = train(SPEC, observe=watch)
    first = int(np.flatnonzero(organism.history.train_loss < 0.15)[0])
    assert watch.happened == [(first, "loss below 0.15")]
    assert [m.labels["step"] for m in watch.measurements] == [str(first)]


def test_measurements_carry_step_split_and_what_the_estimator_said() -> None:
    watch = observer()
    organism = train(SPEC, observe=watch)
    steps = [str(s) for s in log_spaced(SPEC.steps, 5)]
    expected = []
    for step in steps:
        expected.append(("weight_norm_in_test", None, step, None))
        expected += [
            ("mean_square_in_test", site, step, split)
            for split in ("train", "test")
            for site in ("embed", "blocks.0", "logits")
        ]
    assert [(m.quantity, m.site, m.labels["step"], m.labels.get("split")) for m in watch.measurements] == expected
    assert all(m.labels["kept"] == "yes" for m in watch.measurements if m.site)
    for m in watch.measurements:
        assert m.provenance is not None
        assert m.provenance.seed == 0
        assert Measurement.from_json(m.to_json()) == m
    last = {(m.quantity, m.site, m.labels.get("split")): m for m in watch.measurements if m.labels["step"] == "30"}
    norm = sum(float(p.detach().double().square().sum()) for p in organism.module.parameters()) ** 0.5
    assert last["weight_norm_in_test", None, None].value == pytest.approx(norm, rel=1e-12)
    with torch.no_grad():
        truth = float(organism.module(organism.test.inputs).double().square().mean())
    measured = last["mean_square_in_test", "logits", "test"]
    assert measured.value == pytest.approx(truth, rel=1e-6)
    one_step = [m for m in watch.measurements if (m.labels["step"], m.labels.get("split")) == ("30", "test")]
    assert measured.provenance.data_hash == organism.test.digest
    assert measured.provenance.weights_hash == organism.subject().weights_hash()
    assert sum(m.cost.forward_passes for m in one_step) == pytest.approx(len(organism.test))
    assert 0 < sum(m.cost.seconds for m in watch.measurements) < 10 * watch.seconds


def test_mode_gradients_and_random_state_are_left_alone() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    module[1].eval()
    subject = Subject(module, loss=SquaredError())
    module(torch.ones(3, 4)).sum().backward()
    gradients = [p.grad.clone() for p in module.parameters()]
    state, weights = torch.get_rng_state(), subject.weights_hash()
    data = ArrayData(np.ones((5, 4), np.float32), np.ones((5, 2), np.float32))
    watch = observer(schedule=[7], data={"all": data})
    watch(6, subject)
    assert not watch.measurements
    watch(7, subject)
    assert {m.status for m in watch.measurements} == {"ok"}
    assert [m.training for m in module.modules()] == [True, True, False, True]
    assert all(torch.equal(p.grad, g) for p, g in zip(module.parameters(), gradients, strict=True))
    assert all(p.requires_grad for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert subject.weights_hash() == weights
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_chosen_sites_are_the_only_ones() -> None:
    watch = observer("mean_square_in_test", sites=["blo*"])
    train(SPEC, observe=watch)
    assert {m.site for m in watch.measurements} == {"blocks.0"}


def test_the_same_seed_gives_the_same_measurements() -> None:
    runs = [observer(budget=Budget(examples=5), seed=seed) for seed in (0, 0, 1)]
    for watch in runs:
        train(SPEC, observe=watch)
    one, again, other = ([m.value for m in watch.measurements] for watch in runs)
    assert one == again
    assert one != other


def test_what_gives_up_or_does_not_apply_leaves_a_reason_and_training_goes_on() -> None:
    watch = observer("weight_norm_in_test", "undecided_in_test", data={})
    train(SPEC, observe=watch)
    found = {m.estimator: m for m in watch.measurements if m.labels["step"] == "30"}
    assert found["weight_norm_in_test"].status == "ok"
    assert (found["undecided_in_test"].status, found["undecided_in_test"].reason) == (
        "failed",
        "cannot decide; do not ask",
    )
    watch = observer("scored_in_test", schedule=[0])
    watch(0, Subject(SPEC.network()))
    assert [(m.status, m.reason) for m in watch.measurements] == [("insufficient", "Sequential has no loss")] * 2


def test_what_is_asked_wrongly_is_refused_in_one_line() -> None:
    with pytest.raises(UnknownNameError, match="unknown quantity 'weight_nrm_in_test'"):
        observer("weight_nrm_in_test")
    with pytest.raises(GnomonError, match="'mean_square_in_test' needs data; give at least one split"):
        observer(data={})
    with pytest.raises(UnknownNameError, match=r"unknown site 'block\.0'; did you mean 'blocks\.0'"):
        train(SPEC, observe=observer(sites=["block.0"]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"quantities": []}, r"\[\] is no list of quantities"),
        ({"quantities": "nll"}, "'nll' is no list of quantities"),
        ({"quantities": [3]}, "3 is no estimator"),
        ({"quantities": [int]}, "<class 'int'> makes no estimator but int"),
        ({"schedule": 5}, "a schedule of type int does not say which steps it holds"),
        ({"schedule": iter([0, 5])}, "does not say which steps it holds"),
        ({"overhead": "5%"}, "nothing can be observed in '5%' of the time"),
        ({"data": SPEC.data()[0]}, "the data has no name"),
        ({"events": LossBelow(1.0)}, "is no list of events"),
        ({"events": [LossBelow]}, "is no list of events"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(GnomonError, match=says):
        Observer(**{"quantities": ["weight_norm_in_test"], "schedule": [0], **wrong})


def test_calls_with_the_wrong_kind_are_refused_in_one_line() -> None:
    watch = Observer(["weight_norm_in_test"], events=[LossBelow(1.0)], overhead=None)
    with pytest.raises(GnomonError, match="Sequential is no subject"):
        watch(0, SPEC.network())  # type: ignore[arg-type]
    for loss in ("high", torch.ones(3)):
        with pytest.raises(GnomonError, match="the loss of step 1 is no number; give the mean loss"):
            watch(1, Subject(SPEC.network()), loss=loss)  # type: ignore[arg-type]


def test_a_last_step_that_the_loop_passed_over_is_observed_at_the_end() -> None:
    watch, subject = Observer(["weight_norm_in_test"], schedule=[0, 20], overhead=None), Subject(SPEC.network())
    for step in (0, 7, 14):
        watch(step, subject)
    watch.finish(20, subject)
    watch.finish(20, subject)
    assert [m.labels["step"] for m in watch.measurements] == ["0", "20"]
