"""The test error of a wide network, from its kernel at infinite width."""

from __future__ import annotations

import functools
from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.registry import register
from gnomon.predictions.wide_network_experiment import WideNetwork as Trained
from gnomon.predictions.wide_network_experiment import problem
from gnomon.theory.wide_network import TEST_ERROR, WideNetwork


@register
class WideNetworkError(ByTheory[int]):
    """A network with one hidden ReLU layer in the NTK parametrisation, trained on 100 digits.

    The theory gets the examples of each seed, not its weights. What it leaves out is of order 1/N, so distances seen at
    small widths count in those units. Two runs at widths 512 and 1024, of another seed and 128 images, were seen first.
    """

    name = "wide_network_error"
    title = "Test error of a wide network"
    question = (
        "What is the test error of trained networks of a width beyond those that were trained? From gradient flow with "
        "the tangent kernel of infinite width; narrower networks say how far they are from it, in units of 1/N."
    )
    source = "Jacot, Gabriel & Hongler, arXiv:1806.07572; Lee et al., arXiv:1902.06720"
    columns = ("width",)
    quantity = TEST_ERROR
    statistic = "mean over seeds of the mean squared test error"
    seen = (128, 192, 256, 384)
    unseen: ClassVar = {"at_twice_the_most": 768, "at_five_times_the_most": 2048}
    seeds = 6

    def point(self, at: int, seed: int) -> Point:
        """Images and weights of its own for each seed."""
        return Point("wide_network_on_digits", Trained(width=at, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["test_error"]))

    def precision(self, at: int) -> float:
        """1/N."""
        return 1 / at

    def theories(self, at: int) -> list[WideNetwork]:
        """One for each seed's examples."""
        return [_limit(point.spec) for point in self.points(at) if isinstance(point.spec, Trained)]


@functools.lru_cache(maxsize=256)
def _limit(spec: Trained) -> WideNetwork:
    given = problem(spec)
    return WideNetwork(
        train_inputs=given.inputs,
        train_targets=given.targets,
        test_inputs=given.unseen,
        test_targets=given.truth,
        width=spec.width,
        time=spec.steps * spec.learning_rate,
        start_subtracted=True,
    )
