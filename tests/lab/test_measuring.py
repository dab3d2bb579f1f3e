"""A measuring session: what it chooses, prices, isolates, records and keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch

from broken_estimators import MEAN, Sound
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.estimators import Budget, estimators
from gnomon.estimators import register as register_one
from gnomon.estimators.registry import registry
from gnomon.lab.measuring import check_names, estimators_named, measure
from gnomon.measurement import Cost, Measurement, catalogue
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Subject


class Crashes(Sound):
    name = "crashes"

    def finish(self, *arguments: Any, **options: Any) -> list[Measurement]:
        raise ZeroDivisionError("by design")


class Priceless(Sound):
    name = "priceless"

    def cost(self, *arguments: Any, **options: Any) -> Cost:
        raise GnomonError("no price")


class Interrupted(Sound):
    name = "zz_interrupted"

    def finish(self, *arguments: Any, **options: Any) -> list[Measurement]:
        raise KeyboardInterrupt


class Dear(Sound):
    name = "dear"

    def finishing_flops(self, *arguments: Any) -> float:
        return 1e18


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register estimators for one test only, and nothing else."""
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "_loaded", True)
    monkeypatch.setattr(catalogue, "_quantities", {})

    def add(*kinds: type[Sound]) -> None:
        for kind in kinds:
            register_one(kind)

    return add


@pytest.fixture
def subject() -> Subject:
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    rng = np.random.default_rng(0)
    data = ArrayData(rng.normal(size=(300, 4)), rng.integers(0, 3, 300))
    return Subject(module, loss=CrossEntropy(), data=data, name="mlp")


def test_all_that_applies_is_measured_at_its_default_sites(register: Any, subject: Subject) -> None:
    register(Sound)
    session = measure(subject)
    assert [m.site for m in session.measurements] == ["blocks.0", "logits"]
    assert all(m.status == "ok" for m in session.measurements)
    assert session.examples == 300


def test_site_patterns_select_and_unknown_ones_are_refused(register: Any, subject: Subject) -> None:
    register(Sound)
    assert [m.site for m in measure(subject, sites=["blocks.*"]).measurements] == ["blocks.0"]
    with pytest.raises(UnknownNameError, match=r"unknown site 'block\.0'; did you mean 'blocks\.0'"):
        measure(subject, sites=["block.0"])


def test_unknown_quantities_list_the_nearest(register: Any, subject: Subject) -> None:
    register(Sound)
    with pytest.raises(UnknownNameError, match="did you mean 'first_feature_mean'"):
        measure(subject, ["first_feature_maen"])
    assert estimators_named([MEAN.name]) == estimators_named(["sound"]) == estimators_named([]) == ["sound"]


def test_a_broken_estimator_fails_alone(register: Any, subject: Subject) -> None:
    register(Crashes, Sound)
    by_estimator: dict[str, set[str]] = {}
    for m in measure(subject).measurements:
        by_estimator.setdefault(m.estimator, set()).add(m.status)
        if m.status == "failed":
            assert m.reason == "ZeroDivisionError: by design"
    assert by_estimator == {"crashes": {"failed"}, "sound": {"ok"}}


@pytest.mark.parametrize("budget", [None, Budget(seconds=100.0)])
def test_an_estimator_without_a_price_loses_nobody_else(register: Any, subject: Subject, budget: Budget | None) -> None:
    register(Sound, Priceless)
    found = measure(subject, [Sound.name, Priceless.name], budget=budget).measurements
    assert {m.estimator for m in found} == {Sound.name, Priceless.name}
    assert next(m for m in found if m.estimator == Sound.name).status == "ok"


def test_an_interruption_keeps_what_was_finished(register: Any, subject: Subject) -> None:
    register(Sound, Interrupted)
    kept: list[Measurement] = []

    class Sink:
        def add(self, measurements: Iterable[Measurement]) -> None:
            kept.extend(measurements)

    with pytest.raises(KeyboardInterrupt):
        measure(subject, sink=Sink())
    assert {m.estimator for m in kept} == {"sound"}


def test_what_is_asked_for_but_does_not_apply_says_why(register: Any, subject: Subject) -> None:
    register(Sound)
    subject.data = None
    (m,) = measure(subject, ["sound"]).measurements
    assert (m.status, m.reason) == ("insufficient", "needs data")
    (left,) = measure(subject).left_out
    assert (left.estimator, left.reason) == ("sound", "needs data")


def test_provenance_and_cost_are_recorded_and_costs_add_up(register: Any, subject: Subject) -> None:
    register(Sound)
    session = measure(subject, budget=Budget(examples=128), seed=3)
    assert session.examples == 128
    for m in session.measurements:
        assert m.provenance is not None
        assert m.provenance.weights_hash == subject.weights_hash()
        assert m.provenance.seed == 3
        assert m.provenance.code_version
    assert sum(m.cost.forward_passes for m in session.measurements) == pytest.approx(128)
    assert subject.data is not None
    whole = measure(subject, seed=3).measurements[0].provenance
    assert whole is not None
    assert whole.data_hash == subject.data.digest
    assert whole.data_hash != session.measurements[0].provenance.data_hash


def test_a_budget_leaves_out_the_dearest_with_its_price(register: Any, subject: Subject) -> None:
    register(Sound, Dear)
    session = measure(subject, budget=Budget(seconds=20))
    assert {m.estimator for m in session.measurements} == {"sound"}
    (left,) = session.left_out
    assert left.estimator == "dear"
    assert left.cost is not None
    assert left.cost.seconds > 20


def test_a_budget_in_seconds_only_decides_the_number_of_examples(register: Any, subject: Subject) -> None:
    register(Sound)
    fitted = measure(subject, budget=Budget(seconds=100))
    counted = measure(subject, budget=Budget(examples=300))
    for a, b in zip(fitted.measurements, counted.measurements, strict=True):
        assert a.value == b.value


def test_data_that_does_not_fit_the_subject_is_one_line(register: Any, subject: Subject) -> None:
    register(Sound)

    class NeedsLoss(Sound):
        name = "needs_loss"
        needs = frozenset({"predictions"})

    register(NeedsLoss)
    assert not measure(subject, data=subject.data).left_out
    unlabelled = ArrayData(Rng(0).numpy().normal(size=(50, 4)))
    session = measure(Subject(subject.module), data=unlabelled)
    assert [x.reason for x in session.left_out] == ["Sequential has no loss"]


def test_the_real_registry_is_loaded() -> None:
    assert {"participation_ratio", "accuracy"} <= {q.name for e in estimators().values() for q in e.quantities}
    with pytest.raises(GnomonError):
        estimators_named(["nothing_of_the_kind"])


def test_flops_are_counted_and_not_guessed(register: Any, subject: Subject) -> None:
    register(Sound)
    found = measure(subject, budget=Budget(examples=128), seed=3).measurements
    passed = 128 * 2 * (4 * 8 + 8 * 3)
    finished = 128 * len(subject.sites)  # what the estimator says that it does itself
    assert sum(m.cost.flops for m in found) == pytest.approx(passed + finished)
    assert all(m.provenance is not None and m.provenance.flops == m.cost.flops for m in found)


def test_a_name_that_a_convention_uses_leads_to_its_quantity() -> None:
    with pytest.raises(UnknownNameError, match="'hessian_top_eigenvalue'"):
        check_names(["sharpness"])
