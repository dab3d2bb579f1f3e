"""The risk of kernel ridge regression on digits, at numbers of examples that were not tried."""

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
from gnomon.theory.blind_spectrum import BlindKernelRidge
from gnomon.theory.ridge_equivalent import EXCESS_RISK

_PENALTY = 1e-2


@register
class KernelLearningCurve(ByTheory[int]):
    """The arc-cosine kernel on digits with right labels; the theory sees a pool of other images."""

    name = "kernel_learning_curve"
    title = "Risk of kernel ridge regression at a new number of examples"
    question = (
        "What is the squared error of kernel ridge regression on digits at new numbers of examples? From the kernel's "
        "spectrum, estimated on other images; small numbers of examples say how far measurements are from it."
    )
    source = "Simon, Dickens, Karkada & DeWeese, arXiv:2110.03922; Wei, Hu & Steinhardt, arXiv:2203.06176"
    columns = ("examples",)
    quantity = EXCESS_RISK
    statistic = "mean over seeds of the squared error to right labels, summed over outputs"
    seen = (32, 48, 72, 108)
    unseen: ClassVar = {"between": 90, "at_four_times_the_most": 432}
    seeds = 8

    def point(self, at: int, seed: int) -> Point:
        """Images of its own for each seed."""
        return Point("digits_regression", DigitsRegression(examples=at, penalty=_PENALTY, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["excess_risk"]))

    def theories(self, at: int) -> list[BlindKernelRidge]:
        """With the pool's Gram matrix and targets."""
        return [_blind(at)]


@functools.cache
def _blind(examples: int) -> BlindKernelRidge:
    """Kept, since it decomposes the pool's Gram matrix."""
    images, targets = pool()
    return BlindKernelRidge(gram=kernel(images, images), targets=targets, samples=examples, penalty=_PENALTY)
