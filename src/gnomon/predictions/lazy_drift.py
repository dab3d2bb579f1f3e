"""How far the tangent kernel moves, at widths that were not trained."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity
from gnomon.phenomena.evidence import geometric_mean_over_seeds, of_each
from gnomon.phenomena.tangent_drift_experiment import Lazy
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register

DRIFT = Quantity(
    name="tangent_kernel_drift",
    symbol=r"\lVert K - K_0 \rVert / \lVert K_0 \rVert",
    definition=r"\lVert K_T - K_0 \rVert_F / \lVert K_0 \rVert_F",
    convention="Trained to 1 % of the initial loss on 20 examples; geometric mean over examples and weights.",
    source="Jacot, Gabriel & Hongler, arXiv:1806.07572; Chizat, Oyallon & Bach, arXiv:1812.07956",
    lowest=0.0,
)


@register
class LazyDrift(ByLaw[int]):
    """The network of the phenomenon ``lazy_rich`` in the NTK parametrisation.

    Theory gives an exponent of −1 at large width; the phenomenon had measured it from 512 to 4096. Here the widths that
    are seen are smaller, where the next order may count.
    """

    name = "lazy_drift"
    title = "Change of the tangent kernel at a new width"
    question = (
        "How far does training move the tangent kernel of a network of a new width? From narrower ones, by power laws."
    )
    source = "Jacot et al., arXiv:1806.07572; Lee et al., arXiv:1902.06720"
    columns = ("width",)
    quantity = DRIFT
    statistic = "geometric mean over seeds of the relative change of the kernel"
    seen = (128, 192, 256, 512, 768, 1024)
    unseen: ClassVar = {"between": 384, "at_thrice_the_most": 3072}
    seeds = 64
    forms = ("pure_power_law", "power_law")
    domain = "widths from 100 to 10,000, the NTK parametrisation, 20 examples"

    def point(self, at: int, seed: int) -> Point:
        """Examples and initial weights of their own for each seed."""
        return Point("tangent_drift_of_training", Lazy(width=at, examples=20, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return geometric_mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["drift"]))
