"""After how many rounds a recursive feature machine groks, at shares of the pairs that were not tried."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.rfm_grokking import RfmGrokkingSpec
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.deep_linear_experiment import passes_half
from gnomon.predictions.registry import register

ROUNDS = Quantity(
    name="rfm_rounds_to_half",
    symbol=r"t_{1/2}",
    definition=r"\min\{t : a_\mathrm{test}(t) \ge \tfrac12\}",
    convention="Between rounds interpolated; the median over seeds, of which one that never gets there counts as +∞.",
    source="Mallinar et al., arXiv:2407.20199",
    lowest=0.0,
)


@register
class RfmRounds(ByLaw[float]):
    """The machine of the phenomenon ``rfm_grokking``, modulo 23 instead of 29, with which it is three times as fast.

    The fewer pairs, the more rounds; below some share it never learns. No form is derived. The known settings modulo 29
    were seen first, nothing of the targets.
    """

    name = "rfm_rounds"
    title = "Rounds until a recursive feature machine groks, at a new share of the pairs"
    question = (
        "After how many rounds does a recursive feature machine have half of the unseen sums modulo 23 right, given a "
        "new share of the pairs? From other shares, by power laws."
    )
    source = "Mallinar et al., arXiv:2407.20199"
    columns = ("train_share",)
    quantity = ROUNDS
    statistic = "median over seeds of the round at which half of the test pairs are right"
    seen = (0.6, 0.65, 0.72, 0.76, 0.8, 0.85)
    unseen: ClassVar = {"between": 0.68, "fewer_pairs": 0.55}
    seeds = 5
    forms = ("power_law", "pure_power_law")
    domain = "shares of the pairs from 0.5 to 0.9"

    def point(self, at: float, seed: int) -> Point:
        """The kernel and the power of the phenomenon."""
        return Point(
            "rfm_grokking", RfmGrokkingSpec(p=23, train_share=at, bandwidth=2.5, power=0.5, rounds=24, seed=seed)
        )

    def summary(self, outcomes: Outcomes) -> Measurement:
        """The median, which a machine that never gets there does not move far."""
        return median_over_seeds(
            self.quantity, of_each(outcomes, lambda found: passes_half(np.array(found["test_accuracy"])))
        )
