"""What is refused as a target: whatever anybody knows already."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Point
from gnomon.laws.distribution import Mixture
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.ledger import Ledger
from gnomon.laws.ledger.measured import Known
from gnomon.laws.ledger.prediction import Prediction, Target
from gnomon.laws.ledger.registering import MeasuredAlreadyError, register
from gnomon.laws.ledger.scoring import score_by_hand
from gnomon.measurement import Cost, Measurement, Provenance, Uncertainty
from toy_challenge import BY, HEADS, STATISTIC, Series, belief, by_hand, prediction


def record(spec: dict[str, Any], *, status: str = "done", code: str = "some older code") -> PointRecord:
    """A point as another version of the code kept it: its key is not that of today."""
    return PointRecord(
        key="0" * 64,
        experiment="toy_series",
        spec=spec,
        status=status,  # type: ignore[arg-type]
        outcome={"share_of_heads": 0.5} if status == "done" else {},
        code_version=code,
        created="2026-01-01T00:00:00+00:00",
    )


def of_points(*seeds: int) -> Prediction:
    points = [Point("toy_series", Series(seed=seed)) for seed in seeds]
    return prediction("points", 0.5, Target.of_points(HEADS, points, STATISTIC))


def measured(**fields: Any) -> Measurement:
    origin = {"spec_hash": "s", "weights_hash": "w", "data_hash": "d", "seed": 3, "subject": "net"}
    labels = fields.pop("labels", {})
    status = fields.pop("status", "ok")
    origin |= {"created": "2026-01-01T00:00:00+00:00", **fields}
    if status != "ok":
        found = Measurement.insufficient(HEADS, "too few", labels=labels)
    else:
        found = Measurement.ok(HEADS, 0.5, Uncertainty.exact(), site="blocks.1", labels=labels, estimator="counting")
    return found.recorded(Cost(), Provenance(**origin))


def test_a_point_that_another_version_of_the_code_ran_is_known(ledger: Ledger) -> None:
    ledger.store.add_points([record(Series(seed=3).model_dump())])
    with pytest.raises(
        MeasuredAlreadyError, match=r"points is measured already: the store holds a point .* older code"
    ):
        register(ledger, [of_points(2, 3)])
    assert ledger.entries() == ()
    register(ledger, [of_points(2, 4)])


def test_a_point_from_before_its_spec_had_all_its_fields_is_known(ledger: Ledger) -> None:
    ledger.store.add_points([record({"seed": 3})])  # the others had the values that are now the defaults
    with pytest.raises(MeasuredAlreadyError):
        register(ledger, [of_points(3)])


def test_points_that_failed_or_whose_spec_is_another_are_not_known(ledger: Ledger) -> None:
    ledger.store.add_points([record(Series(seed=3).model_dump(), status="failed")])
    register(ledger, [of_points(3)])
    ledger.store.add_points([record(Series(seed=4, tosses=3).model_dump())])
    assert Known(ledger.store, Book({})).of(of_points(4).target) is None
    assert Known(ledger.store, Book({})).of(of_points(5).target) is None


@pytest.mark.parametrize(
    ("conditions", "known"),
    [
        ({}, True),
        ({"subject": "net", "site": "blocks.1", "data_hash": "d", "estimator": "counting", "seed": 3}, True),
        ({"subject": "net", "step": 100}, True),
        ({"step": "1e2"}, True),
        ({"subject": "another"}, False),
        ({"seed": 4}, False),
        ({"step": 101}, False),
        ({"width": 100}, False),
    ],
    ids=["none", "fields", "label", "number", "other_subject", "other_seed", "other_label", "no_such_label"],
)
def test_a_measurement_under_the_same_conditions_is_known(
    ledger: Ledger, conditions: dict[str, Any], known: bool
) -> None:
    ledger.store.add([measured(labels={"step": "100"}), measured(status="insufficient", labels={"width": "100"})])
    one = by_hand(**conditions)
    if not known:
        register(ledger, [one])
        return
    with pytest.raises(MeasuredAlreadyError, match="holds a measurement by counting, of 2026-01-01"):
        register(ledger, [one])


@pytest.mark.parametrize(("bias", "known"), [(0.5, True), (0.6, False)], ids=["same", "other"])
def test_a_number_in_the_outcome_of_a_point_is_known(ledger: Ledger, bias: float, known: bool) -> None:
    ledger.store.add_points([record(Series(seed=3).model_dump())])
    one = by_hand(experiment="toy_series", bias=bias)
    if known:
        with pytest.raises(MeasuredAlreadyError, match="point 000000000000 of toy_series"):
            register(ledger, [one])
    else:
        register(ledger, [one])
    tails = dataclasses.replace(one.target, quantity="tails")
    register(ledger, [dataclasses.replace(one, name="tails", target=tails)])


def test_what_the_ledger_has_scored_is_known(ledger: Ledger) -> None:
    register(ledger, [by_hand("one", step=1), by_hand("two", step=2)])
    book = Book.read(ledger.entries())
    with pytest.raises(GnomonError, match="'one' is registered already, as number 1; score it"):
        register(ledger, [by_hand("one", step=3)])
    register(ledger, [by_hand("rival", step=1)])  # two may predict the same before it is measured
    score_by_hand(ledger, book.records[1].registered, 0.5, 0.01)
    with pytest.raises(MeasuredAlreadyError, match="entry 4 of the ledger scored it"):
        register(ledger, [by_hand("late", step="1.0")])
    register(ledger, [by_hand("one", step=3)])


def test_what_was_scored_under_further_conditions_is_known(ledger: Ledger) -> None:
    register(ledger, [by_hand("narrow", x=5, data="c4")])
    score_by_hand(ledger, Book.read(ledger.entries()).unscored()[0], 0.5, None)
    register(ledger, [by_hand("other data", x=5, data="pile")])
    with pytest.raises(MeasuredAlreadyError, match="broad is measured already: entry 2 of the ledger scored it"):
        register(ledger, [by_hand("broad", x=5.0)])


def test_points_that_a_scored_prediction_shares_are_known(ledger: Ledger) -> None:
    register(ledger, [of_points(1, 2)])
    registered = Book.read(ledger.entries()).records[1].registered
    score_by_hand(ledger, registered, 0.5, None)
    with pytest.raises(MeasuredAlreadyError, match="entry 2 of the ledger"):
        register(ledger, [dataclasses.replace(of_points(2, 3), name="late")])


def test_a_prediction_comes_back_as_it_was_frozen(ledger: Ledger) -> None:
    draws = Mixture(
        locations=np.linspace(0, 100, 1000), spreads=np.full(1000, 0.3), weights=np.ones(1000), kind="laplace"
    )
    given = prediction(
        "one",
        0.5,
        Target(quantity=HEADS.name, unit="1", conditions={"step": 1}),
        inputs={"rows": 12},
        outside=("too far",),
        distribution=draws,
    )
    register(ledger, [given], challenge="toy")
    registered = Book.read(ledger.entries()).records[1].registered
    found = registered.prediction
    assert (registered.challenge, registered.cluster) == ("toy", "toy")
    register(ledger, [dataclasses.replace(by_hand("two"), target=dataclasses.replace(given.target, quantity="x"))])
    assert Book.read(ledger.entries()).records[2].registered.cluster == BY["hash"]
    assert set(registered.code) == {"version", "commit", "dirty"}
    assert (found.name, found.by, found.domain, found.inputs, found.outside, found.target) == (
        given.name,
        given.by,
        given.domain,
        given.inputs,
        given.outside,
        given.target,
    )
    levels = np.array([0.01, 0.3, 0.9])
    assert found.distribution.quantile(levels) == pytest.approx(draws.compressed().quantile(levels), rel=1e-12)
    assert found.baselines.keys() == given.baselines.keys()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"domain": " "}, "has no domain"),
        ({"by": {"kind": "law"}}, "does not say what it rests on"),
        ({"by": {"kind": "guess", "name": "g", "hash": "h"}}, "does not say what it rests on"),
        ({"baselines": {"nearest_point": belief(0.5)}}, "lacks the baseline 'log_linear'"),
    ],
    ids=["domain", "by", "kind", "baselines"],
)
def test_a_prediction_without_its_parts(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(GnomonError, match=reason):
        dataclasses.replace(by_hand(), **change)


def test_a_distribution_without_a_finite_interval(ledger: Ledger) -> None:
    wide = Mixture.single(0.0, 1000.0, scale="log")
    with pytest.raises(GnomonError, match="has no finite interval"):
        register(ledger, [dataclasses.replace(by_hand(), distribution=wide)])


def test_points_of_a_target_are_of_one_experiment() -> None:
    with pytest.raises(GnomonError, match="of one experiment"):
        Target.of_points(HEADS, [], STATISTIC)
