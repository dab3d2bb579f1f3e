"""Challenges by law: where the law is exact the forecast finds it, in the interval and close by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fabricated import results

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import challenge, challenges

# a law of one of the forms of each, and how far its forecast may be from it where seeds scatter by 2 %
LAWS: dict[str, tuple[Callable[[Any], float], float]] = {
    "double_descent_peak": (lambda noise: 100 + 3000 * noise, 0.15),
    "grokking_at_weight_decay": (lambda decay: 22.5 + 305 / decay, 0.1),
    "lazy_drift": (lambda width: 14 / width, 0.05),
    "rfm_rounds": (lambda share: 1.9 + 1.1 * share**-3, 0.1),
    "scaling_ladder": (lambda rung: 1.2 + 12 * rung[0] ** -0.7 + 30 * rung[1] ** -0.3, 0.1),
    "sharpness_at_learning_rate": (lambda rate: 2.04 / rate, 0.1),
    "strand_examples_of_gradients": (lambda dimension: 1.1 * dimension, 0.1),
    "strand_examples_of_logistic": (lambda dimension: 0.8 * dimension**1.1, 0.1),
    "superposed_features": (lambda density: 1 - 0.9 * math.log(density), 0.15),
}


def _of_law() -> list[str]:
    return [name for name, kind in challenges().items() if issubclass(kind, ByLaw)]


def _made(name: str) -> ByLaw[Any]:
    one = challenge(name)
    assert isinstance(one, ByLaw)
    return one


def test_every_one_is_tried() -> None:
    assert sorted(LAWS) == _of_law()


@pytest.mark.parametrize("name", sorted(LAWS))
def test_an_exact_law_is_found(name: str) -> None:
    one, (truth, tolerance) = _made(name), LAWS[name]
    found = one.predict(results(one, one.seen, truth, scatter=0.02))
    for target, at in one.unseen.items():
        believed = found[target].distribution
        low, high = believed.interval(0.99)
        assert low <= truth(at) <= high
        assert abs(math.log(believed.median / truth(at))) < tolerance


@pytest.mark.parametrize("name", ["grokking_at_weight_decay", "lazy_drift", "strand_examples_of_logistic"])
def test_more_scatter_is_a_wider_forecast(name: str) -> None:
    one, (truth, _) = _made(name), LAWS[name]
    widths = []
    for scatter in (0.01, 0.05):
        found = one.predict(results(one, one.seen, truth, scatter=scatter))
        widths.append(
            [float(np.subtract(*p.distribution.interval(0.5)[::-1]) / p.distribution.median) for p in found.values()]
        )
    assert np.mean(widths[1]) > 2 * np.mean(widths[0])


@pytest.mark.parametrize("name", sorted(LAWS))
def test_the_measurement_is_the_statistic(name: str) -> None:
    one, (truth, _) = _made(name), LAWS[name]
    found = results(one, one.unseen.values(), truth, scatter=0.02)
    for target, at in one.unseen.items():
        measured = one.measure(target, found)
        assert measured.quantity == one.quantity.name
        assert measured.value == pytest.approx(truth(at), rel=0.03)


def test_what_never_comes_is_not_measured_and_gives_no_row() -> None:
    one = _made("grokking_at_weight_decay")
    truth = LAWS[one.name][0]
    never = one.seen[0]
    of_others = results(one, one.seen, truth, scatter=0.02)
    records = [of_others.record(point) for at in one.seen if at != never for point in one.points(at)]
    records += [
        PointRecord(key=p.key, experiment=p.experiment, spec={}, status="done", outcome={"generalised": None})
        for p in one.points(never)
    ]
    found = Results(records)
    measured = one.measured(never, found)
    assert (measured.status, measured.value) == ("insufficient", None)
    assert [at for at, _ in one.rows(found)] == list(one.seen[1:])


def test_a_run_that_diverged_or_is_not_at_the_edge_gives_no_sharpness() -> None:
    one = _made("sharpness_at_learning_rate")
    for outcome, reason in (
        ({"sharpness": [1.0] * 4, "rises": [0.1] * 4, "diverged": True}, "lost"),
        ({"sharpness": [1.0] * 4, "rises": [0.0] * 4, "diverged": False}, "never"),
    ):
        found = Results(
            PointRecord(key=p.key, experiment=p.experiment, spec={}, status="done", outcome=outcome)
            for p in one.points(one.seen[0])
        )
        measured = one.measured(one.seen[0], found)
        assert measured.status == "insufficient"
        assert reason in measured.reason
