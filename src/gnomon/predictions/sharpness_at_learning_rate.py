"""Where the sharpness settles at step sizes that were not tried, from where it settled at others."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register
from gnomon.predictions.sharpness_runs import STATISTIC, run, settled
from gnomon.theory.edge_of_stability import SETTLED_SHARPNESS


@register
class SharpnessAtLearningRate(ByLaw[float]):
    """The tanh network of the phenomenon ``edge_of_stability``.

    The phenomenon had shown the plateau 1 to 5 % above 2/η, the more the larger η (at 1.5 and 2.5, and in its full
    preset at 1, 2 and 3.5): an offset that does not fall with η would give that, so a power law with an offset is
    among the forms. Of the step sizes that were to be seen, 0.8 and 1.1 did not reach the edge in the time from most
    or some seeds and were left out, before any target was run.
    """

    name = "sharpness_at_learning_rate"
    title = "Sharpness at a new step size, by a law"
    question = (
        "Where does the sharpness of gradient descent settle at a new step size? From where it settles at others, by "
        "power laws with and without an offset."
    )
    source = "Cohen et al., arXiv:2103.00065"
    columns = ("learning_rate",)
    quantity = SETTLED_SHARPNESS
    statistic = STATISTIC
    seen = (1.25, 1.4, 2.1, 2.45, 2.8)
    unseen: ClassVar = {"between": 1.75, "at_twice_the_most": 5.6}
    seeds = 5
    forms = ("power_law", "pure_power_law")
    domain = "step sizes at which the sharpness reaches 2/η within the time of training and descent does not diverge"

    def point(self, at: float, seed: int) -> Point:
        """See `run`."""
        return run(at, seed)

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See `settled`."""
        return settled(outcomes)
