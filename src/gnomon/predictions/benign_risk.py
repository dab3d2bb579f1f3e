"""The excess risk of benign overfitting, at numbers of examples that were not tried."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.phenomena.benign_overfitting import Interpolation
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.registry import register
from gnomon.theory.ridge_equivalent import EXCESS_RISK
from gnomon.theory.ridge_regression import RidgeRegression

_NOISE = 0.25


@register
class BenignRisk(ByTheory[int]):
    """The benign spectrum of the phenomenon ``benign_overfitting``: n examples in n^{3/2} dimensions, fitted exactly.

    The phenomenon drew the theory beside the measurements at 64, 128, 256 and 512 and had them agree.
    """

    name = "benign_risk"
    title = "Excess risk of benign overfitting at a new size"
    question = (
        "What is the excess risk of the interpolator of least norm for new numbers of examples and dimensions? From "
        "the deterministic equivalent; smaller sizes say how far measurements are from it."
    )
    source = "Bartlett, Long, Lugosi & Tsigler, arXiv:1906.11300; Hastie et al., arXiv:1903.08560"
    columns = ("examples",)
    quantity = EXCESS_RISK
    statistic = "mean over seeds of bias and variance given the inputs"
    seen = (48, 72, 96, 144)
    unseen: ClassVar = {"between": 110, "at_four_times_the_most": 576}
    seeds = 6

    def point(self, at: int, seed: int) -> Point:
        """One draw of the inputs."""
        return Point(
            "minimum_norm_interpolation", Interpolation(spectrum="benign", examples=at, noise=_NOISE, seed=seed)
        )

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["bias"] + found["variance"]))

    def theories(self, at: int) -> list[RidgeRegression]:
        """Of the covariance that the data are drawn with."""
        data = Interpolation(spectrum="benign", examples=at, noise=_NOISE).data()
        return [
            RidgeRegression(eigenvalues=data.spectrum, coefficients=data.coefficients, samples=at, noise=data.noise)
        ]
