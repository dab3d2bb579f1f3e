"""Outcomes as a challenge's experiment would give them, made up so that the statistic is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Outcome, Results
from gnomon.predictions.along import Along

OUTCOMES: dict[str, Callable[[float], Outcome]] = {
    "analytic_accuracy": lambda y: {"accuracy": y},
    "benign_risk": lambda y: {"bias": 0.25 * y, "variance": 0.75 * y},
    "descent_threshold": lambda y: {"threshold": y},
    "double_descent_peak": lambda y: {"test_error": [y]},
    "grokking_at_weight_decay": lambda y: {"generalised": y},
    "kernel_learning_curve": lambda y: {"excess_risk": y},
    "lazy_drift": lambda y: {"drift": y},
    "linear_learning_time": lambda y: {"half_learned": [1.0, y]},
    "random_features_risk": lambda y: {"excess_risk": y},
    "rfm_rounds": lambda y: {"test_accuracy": [0.0] * int(y) + [0.5 - 0.2 * (y % 1), 0.7 - 0.2 * (y % 1)]},
    "scaling_ladder": lambda y: {"loss": y},
    "sharpness_at_learning_rate": lambda y: {
        "sharpness": [0.1, y, y, y],
        "rises": [0.0, 0.0, 0.0, 0.4],
        "diverged": False,
    },
    "sharpness_at_the_edge": lambda y: {"sharpness": [0.1, y, y, y], "rises": [0.0, 0.0, 0.0, 0.4], "diverged": False},
    "strand_examples_of_gradients": lambda y: _recovery("agop", y),
    "strand_examples_of_logistic": lambda y: _recovery("logistic", y),
    "superposed_features": lambda y: {"used": y},
    "wide_network_error": lambda y: {"test_error": y},
}
"""One whose reading is the number given; of rounds, at least 1."""


def results(one: Along[Any], settings: Iterable[Any], truth: Callable[[Any], float], *, scatter: float) -> Results:
    """What all points of the settings would give about the truth: relative scatter over seeds, from a fixed stream."""
    draw = np.random.default_rng(0)
    return Results(
        PointRecord(
            key=point.key,
            experiment=point.experiment,
            spec={},
            status="done",
            outcome=OUTCOMES[one.name](truth(at) * float(np.exp(scatter * draw.standard_normal()))),
        )
        for at in settings
        for point in one.points(at)
    )


def _recovery(method: str, y: float) -> Outcome:
    examples = [y / 4, y, 4 * y]
    return {"examples": examples, method: [n / (n + y) for n in examples]}
