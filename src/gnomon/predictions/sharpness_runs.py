"""Where the sharpness settles: what both challenges on the edge of stability measure."""

from __future__ import annotations

import math

import numpy as np

from gnomon.lab.sweep import Outcome, Point
from gnomon.measurement import Measurement
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.sharpness_experiment import Descent
from gnomon.predictions.along import Outcomes
from gnomon.theory.edge_of_stability import SETTLED_SHARPNESS

STATISTIC = "median over seeds of the median sharpness in the last quarter of training"


def run(learning_rate: float, seed: int) -> Point:
    """One run of the quick preset of the phenomenon ``edge_of_stability``."""
    return Point("sharpness_of_descent", Descent(learning_rate=learning_rate, readings=40, seed=seed))


def settled(outcomes: Outcomes) -> Measurement:
    """The measurement. A run that diverged has no sharpness, and counts as lost.

    Where the loss rises at no step of the last quarter, the run is not at the edge yet and counts as +∞.
    """
    return median_over_seeds(SETTLED_SHARPNESS, of_each(outcomes, _plateau))


def _plateau(outcome: Outcome) -> float | None:
    sharpness, rises = outcome["sharpness"], outcome["rises"]
    last = slice(3 * len(sharpness) // 4, None)
    if outcome["diverged"]:
        return math.nan
    return float(np.median(sharpness[last])) if max(rises[last]) > 0 else None
