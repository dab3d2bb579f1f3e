"""How many examples show one direction, in dimensions that were not tried."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity, Unit
from gnomon.phenomena.evidence import geometric_mean_over_seeds, of_each
from gnomon.phenomena.strands import half_recovered
from gnomon.phenomena.strands_recovery import RecoverySpec
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register

HALF = Quantity(
    name="examples_for_half_a_direction",
    symbol=r"n_{1/2}",
    definition=r"\mathbb{E}\,(\hat w^\top w)^2\big|_{n_{1/2}} = \tfrac12",
    convention="From a straight line of the log-odds of the squared cosine against ln n; geometric mean over seeds.",
    source="gnomon, see the phenomenon strands",
    unit=Unit.parse("example"),
    lowest=0.0,
)


class _StrandExamples(ByLaw[int]):
    """Two classes with means ±w and noise 1 in every direction, as in the phenomenon ``strands``.

    It had found exponents near 1 over d = 32, 64 and 128, and for the mean difference n½ ≈ d − 2: hence also a form
    with an offset.
    """

    source = "gnomon; AGOP: Radhakrishnan, Beaglehole, Pandit & Belkin, arXiv:2212.13881"
    columns = ("dimension",)
    quantity = HALF
    statistic = "geometric mean over seeds of the number of examples at which the squared cosine is 1/2"
    seen = (16, 20, 24, 30, 40, 48, 60)
    seeds = 6
    forms = ("pure_power_law", "growing_power_law")
    domain = "dimensions from 12 to 200, noise 1, and the same penalties"
    method: ClassVar[str]

    def point(self, at: int, seed: int) -> Point:
        """Half as many trials as in the phenomenon."""
        ratios = (0.25, 0.5, 1.0, 2.0, 4.0)
        spec = RecoverySpec(target="linear", dimension=at, ratios=ratios, trials=8, rounds=0, seed=seed)
        return Point("strands_recovery", spec)

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        halves = of_each(outcomes, lambda found: half_recovered(found, self.method))
        return geometric_mean_over_seeds(self.quantity, halves, labels={"method": self.method})


@register
class StrandExamplesOfLogistic(_StrandExamples):
    """By logistic regression."""

    name = "strand_examples_of_logistic"
    title = "Examples that show logistic regression a direction, in a new dimension"
    question = (
        "How many examples show logistic regression half of the direction that decides the class, in a new dimension? "
        "From lower dimensions, by power laws."
    )
    unseen: ClassVar = {"between": 34, "at_twice_the_most": 120}
    method = "logistic"


@register
class StrandExamplesOfGradients(_StrandExamples):
    """By the average gradient outer product of a kernel machine."""

    name = "strand_examples_of_gradients"
    title = "Examples that show the gradients of a kernel machine a direction, in a new dimension"
    question = (
        "How many examples show the gradients of a kernel machine half of the direction that decides the class, in a "
        "new dimension? From lower dimensions, by power laws."
    )
    unseen: ClassVar = {"between": 35, "beyond_twice_the_most": 144}
    method = "agop"
