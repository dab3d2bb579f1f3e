"""Estimators: procedures that measure quantities."""

from gnomon.estimators.estimator import (
    Budget,
    Estimator,
    KnownAnswer,
    StreamingEstimator,
    accumulate_together,
    measure_together,
)
from gnomon.estimators.registry import estimator, estimators, estimators_of, measurable, register

__all__ = [
    "Budget",
    "Estimator",
    "KnownAnswer",
    "StreamingEstimator",
    "accumulate_together",
    "estimator",
    "estimators",
    "estimators_of",
    "measurable",
    "measure_together",
    "register",
]
