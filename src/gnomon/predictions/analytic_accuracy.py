"""The accuracy of the analytic solution of modular addition, at widths and moduli that were not tried."""

from __future__ import annotations

import functools
import math
from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import ACCURACY, Measurement
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.analytic_network_experiment import AnalyticNetwork
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.registry import register
from gnomon.theory.modular_addition import AnalyticAddition


@register
class AnalyticAccuracy(ByTheory[tuple[int, int]]):
    """A setting is (modulus, width); random phases make the solution fail on some pairs when it is narrow."""

    name = "analytic_accuracy"
    title = "Accuracy of the analytic solution of modular addition"
    question = (
        "What share of the sums does a network with the analytic weights get right, at a new width and at a new "
        "modulus? From the expectation over its random phases."
    )
    source = "Gromov, arXiv:2301.02679"
    columns = ("p", "width")
    quantity = ACCURACY
    statistic = "mean over seeds of the accuracy on all pairs"
    seen = ((23, 22), (23, 44), (29, 28), (29, 56), (37, 36), (37, 72))
    unseen: ClassVar = {"between": (29, 42), "a_larger_modulus": (61, 60)}
    seeds = 12
    scale = "linear"

    def point(self, at: tuple[int, int], seed: int) -> Point:
        """Phases of its own for each seed."""
        return Point("analytic_modular_addition", AnalyticNetwork(p=at[0], width=at[1], seed=seed))

    def inputs(self, at: tuple[int, int]) -> tuple[float, ...]:
        """Modulus and width."""
        return float(at[0]), float(at[1])

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["accuracy"]))

    def precision(self, at: tuple[int, int]) -> float:
        """The standard deviation of one answer, right or wrong."""
        accuracy = _analytic(at).value()
        return math.sqrt(accuracy * (1 - accuracy))

    def theories(self, at: tuple[int, int]) -> list[AnalyticAddition]:
        """Of the setting."""
        return [_analytic(at)]


@functools.cache
def _analytic(at: tuple[int, int]) -> AnalyticAddition:
    return AnalyticAddition(p=at[0], width=at[1])
