"""When a network groks, at weight decays at which none was trained."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity, Unit
from gnomon.organisms import ModularAddition
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.grokking_experiment import ModularArithmetic
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register

GENERALISED = Quantity(
    name="time_to_generalise",
    symbol=r"t_\mathrm{test}",
    definition=r"\min\{t : \mathrm{acc}_\mathrm{test}(t) \ge 0.99\}",
    convention="Steps on the full batch; the median over seeds, of which one that never gets there counts as +∞.",
    source="Power, Burda, Edwards, Babuschkin & Misra, arXiv:2201.02177",
    unit=Unit.parse("step"),
    lowest=0.0,
)


@register
class GrokkingAtWeightDecay(ByLaw[float]):
    """The quadratic network of the phenomenon ``grokking``, modulo 23, trained on 60 % of the pairs.

    Weight decay takes memory away at the rate ηλ, so that a time ∝ 1/λ is expected, after the time that fitting takes:
    an offset. Chosen after 0.5, 1, 2 and 4 had been seen for the phenomenon; none of these is seen here or foretold.
    """

    name = "grokking_at_weight_decay"
    title = "Time to grok at a new weight decay"
    question = (
        "After how many steps does a quadratic network add modulo 23 at a weight decay between and beyond those "
        "at which it was trained? From the times at the others, by a power law with an offset."
    )
    source = "Power et al., arXiv:2201.02177; Liu, Michaud & Tegmark, arXiv:2210.01117 (t ∝ 1/weight decay)"
    columns = ("weight_decay",)
    quantity = GENERALISED
    statistic = "median over seeds of the first step with 99 % of the held-out pairs right"
    seen = (0.4, 0.6, 0.9, 1.3, 2.2, 3.0)
    unseen: ClassVar = {"between": 0.75, "at_half_the_least": 0.2, "at_twice_the_most": 6.0}
    seeds = 6
    forms = ("power_law", "pure_power_law")
    domain = "weight decays within a factor 2 of those seen, of networks that grok in all but a few seeds"

    def point(self, at: float, seed: int) -> Point:
        """Trained for more than twice as long as 1/λ from any seen in issue 4 would take."""
        recipe = ModularAddition(weight_decay=at, steps=round(100 + 700 / at), seed=seed)
        return Point("modular_arithmetic", ModularArithmetic(recipe=recipe, readings=2))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """The median, which a seed that never gets there does not move far."""
        return median_over_seeds(self.quantity, of_each(outcomes, lambda found: found["generalised"]))
