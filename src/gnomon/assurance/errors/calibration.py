"""Calibration by slice: whether a network is right as often as it is sure to be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.selective import confidence_of
from gnomon.estimators.loss.calibration_error import CALIBRATION_ERROR, FEWEST_CLUSTERS, BinnedGaps
from gnomon.measurement import Measurement, Uncertainty
from gnomon.randomness import Rng

Mask = NDArray[np.bool_]

ALL = "all"
_BINS = 15
_VALUES = 12  # a column of more values is no division into slices


def slices_of(graded: Graded) -> Iterator[tuple[str, Mask]]:
    """All examples, and those of each value of each column with 2 to 12 values."""
    yield ALL, np.ones(len(graded), dtype=bool)
    for name, values in graded.columns.items():
        cells = np.array(values, dtype=object)
        distinct = [value for value in dict.fromkeys(values) if value]
        if 2 <= len(distinct) <= _VALUES:
            yield from ((f"{name} = {value}", np.asarray(cells == value)) for value in distinct)


def calibration(graded: Graded, name: str, rng: Rng, *, level: float) -> Measurement:
    """`CALIBRATION_ERROR` of graded answers, by `gnomon.estimators.loss.calibration_error.BinnedGaps`.

    ``insufficient`` with fewer clusters than the interval needs. Raises GnomonError without confidences.
    """
    sure = confidence_of(graded)
    _, ids = np.unique(graded.clusters, return_inverse=True)
    clusters = int(ids.max()) + 1
    if clusters < FEWEST_CLUSTERS:
        return Measurement.insufficient(
            CALIBRATION_ERROR,
            f"{clusters} independent examples or clusters; the interval needs {FEWEST_CLUSTERS}",
            suffices={"clusters": FEWEST_CLUSTERS},
            labels={"slice": name},
            estimator="hallucination",
        )
    cell = ids * _BINS + np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    shape = (clusters, _BINS)
    counts = np.bincount(cell, minlength=clusters * _BINS).astype(np.float64).reshape(shape)
    gaps = np.bincount(cell, weights=sure - (1 - graded.errors), minlength=clusters * _BINS)
    binned = BinnedGaps.of(gaps.astype(np.float64).reshape(shape), counts)
    low, high = binned.interval(rng.child(name), level=level)
    value = float(np.sqrt(max(binned.squared_error, 0.0)))
    uncertainty = Uncertainty.interval(
        min(float(np.sqrt(low)), value),
        max(float(np.sqrt(high)), value),
        level=level,
        covers={"data"},
        effective_samples=float(clusters),
        systematic=0.0,
    )
    return Measurement.ok(
        CALIBRATION_ERROR,
        value,
        uncertainty,
        labels={"slice": name},
        estimator="hallucination",
        diagnostics={
            "examples": len(graded),
            "clusters": clusters,
            "mean_confidence": float(sure.mean()),
            "error_rate": float(graded.errors.mean()),
        },
    )
