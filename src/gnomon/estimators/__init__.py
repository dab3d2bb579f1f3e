"""Estimators: procedures that measure quantities."""

from gnomon.estimators.estimator import (
    Budget,
    Estimator,
    KnownAnswer,
    StreamingEstimator,
    accumulate_together,
    measure_together,
)
from gnomon.estimators.registry import estimator, estimators, estimators_of, load_all, register

__all__ = [
    "Budget",
    "Estimator",
    "KnownAnswer",
    "StreamingEstimator",
    "accumulate_together",
    "estimator",
    "estimators",
    "estimators_of",
    "load_all",
    "measure_together",
    "register",
]
