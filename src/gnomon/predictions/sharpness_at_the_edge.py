"""Where the sharpness settles at step sizes that were not tried: at the edge of stability."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.registry import register
from gnomon.predictions.sharpness_runs import STATISTIC, run, settled
from gnomon.theory.edge_of_stability import SETTLED_SHARPNESS, EdgeOfStability


@register
class SharpnessAtTheEdge(ByTheory[float]):
    """The tanh network of the phenomenon ``edge_of_stability``, which had found the plateau 1 to 5 % above the edge.

    The theory is not told so; the step sizes that are seen (the same runs as for `SharpnessAtLearningRate`) tell how
    wide it has to be.
    """

    name = "sharpness_at_the_edge"
    title = "Sharpness at a new step size, by the edge of stability"
    question = (
        "Where does the sharpness of gradient descent settle at a new step size η? At 2/η; other step sizes say how "
        "far it is from there."
    )
    source = "Cohen et al., arXiv:2103.00065"
    columns = ("learning_rate",)
    quantity = SETTLED_SHARPNESS
    statistic = STATISTIC
    seen = (1.25, 1.4, 2.1, 2.45, 2.8)
    unseen: ClassVar = {"between": 1.6, "beyond": 4.2}
    seeds = 5

    def point(self, at: float, seed: int) -> Point:
        """See `run`."""
        return run(at, seed)

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See `settled`."""
        return settled(outcomes)

    def theories(self, at: float) -> list[EdgeOfStability]:
        """At the step size."""
        return [EdgeOfStability(learning_rate=at)]
