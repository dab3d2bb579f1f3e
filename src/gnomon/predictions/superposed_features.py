"""How many features a network keeps in each dimension, at densities that were not trained."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.organisms.superposition import Superposition
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.phenomena.superposition import USED
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register


@register
class SuperposedFeatures(ByLaw[float]):
    """Twenty features in five dimensions, in the toy model of the phenomenon ``superposition``.

    From the 1 of dense features ‖W‖²/m rises as the density falls, to about the 4 that there are. No form is derived:
    a power, a logistic curve in the logarithm of the density and a straight line in it are compared.
    """

    name = "superposed_features"
    title = "Features per dimension at a new density"
    question = (
        "How many features per dimension does the toy model of superposition keep at a new density? From other "
        "densities, by forms that are weighed against each other."
    )
    source = "Elhage et al., Toy Models of Superposition, arXiv:2209.10652"
    columns = ("density",)
    quantity = USED
    statistic = "mean over seeds of the squared norm of W per dimension, of the better of two networks"
    seen = (1.0, 0.75, 0.55, 0.4, 0.28, 0.15, 0.1, 0.06)
    unseen: ClassVar = {"between": 0.2, "at_half_the_least": 0.03}
    seeds = 4
    forms = ("power_law", "log_linear", "logistic")
    domain = "densities from 0.02 to 1"

    def point(self, at: float, seed: int) -> Point:
        """One recipe."""
        recipe = Superposition(features=20, dimensions=5, density=at, restarts=2, batch=512, learning_rate=0.01)
        return Point("superposition", recipe.changed({"seed": seed}))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["used"]))
