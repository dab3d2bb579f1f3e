"""The risk of random-features regression on digits, at widths that were not tried."""

from __future__ import annotations

import functools
from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.digits_regression_experiment import DigitsRegression, kernel, pool
from gnomon.predictions.registry import register
from gnomon.theory.random_features import PooledRandomFeatures
from gnomon.theory.ridge_equivalent import EXCESS_RISK
from gnomon.theory.ridge_spectra import SampleSpectrum

_EXAMPLES, _NOISE = 150, 0.2
_POWER = 0.9  # of a one-hot target of ten classes, less 1/10


@register
class RandomFeaturesRisk(ByTheory[int]):
    r"""Least squares of least norm on ReLU features of 150 digits, a fifth of their labels wrong.

    The theory sees a pool of other images, and never a width. A wrong label is another class at random, so that labels
    are :math:`a = 1 - 10\nu/9` times the target, plus noise of variance :math:`0.9\,(1 - a^2)`.
    """

    name = "random_features_risk"
    title = "Risk of random features at a new width"
    question = (
        "What is the squared error of regression on ReLU features of digits at new widths, on either side of the "
        "interpolation peak and next to it? From two self-consistent equations and a pool of other images."
    )
    source = "Simon, Karkada, Ghosh & Belkin, arXiv:2311.14646; Mei & Montanari, arXiv:1908.05355"
    columns = ("features",)
    quantity = EXCESS_RISK
    statistic = "mean over seeds of the squared error to right labels, summed over outputs"
    seen = (30, 50, 300, 600)
    unseen: ClassVar = {"narrow": 80, "next_to_the_peak": 165, "wide": 420, "at_four_times_the_most": 2400}
    seeds = 12

    def point(self, at: int, seed: int) -> Point:
        """Images, labels and features of its own for each seed."""
        return Point("digits_regression", DigitsRegression(examples=_EXAMPLES, features=at, noise=_NOISE, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["excess_risk"]))

    def theories(self, at: int) -> list[PooledRandomFeatures]:
        """With the spectrum of the kernel of infinitely many features, as the pool shows it."""
        known, attenuation = spectrum(), 1 - 10 * _NOISE / 9
        return [
            PooledRandomFeatures(
                pool=known.table,
                pool_size=known.size,
                samples=_EXAMPLES,
                features=at,
                noise=_POWER * (1 - attenuation**2),
                attenuation=attenuation,
            )
        ]


@functools.cache
def spectrum() -> SampleSpectrum:
    """Of the pool."""
    images, targets = pool()
    return SampleSpectrum.of(kernel(images, images), targets)
