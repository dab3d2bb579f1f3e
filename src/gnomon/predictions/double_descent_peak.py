"""How high the peak of double descent is, at shares of wrong labels that were not tried."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity
from gnomon.phenomena.double_descent_features import NAME, FeatureLadder
from gnomon.phenomena.evidence import geometric_mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register

_SIZE = 200

PEAK = Quantity(
    name="peak_test_error",
    symbol=r"R(N = n)",
    definition=r"\exp \langle \ln R \rangle,\quad R = \lVert f - y \rVert^2 / \lVert y \rVert^2",
    convention="Squared error to right labels of as many random features as examples; geometric mean over seeds.",
    source="Belkin, Hsu, Ma & Mandal, arXiv:1812.11118",
    lowest=0.0,
)


@register
class DoubleDescentPeak(ByLaw[float]):
    """200 random features of 200 digits, the least squares solution, as in the phenomenon ``double_descent``.

    The variance of one-hot labels of which a share ν is wrong is proportional to ν while that is small, and the fit is
    linear in the labels: error = a + b ν, with the a that so few features leave of the digits themselves. A free
    exponent takes the curvature at large shares. At the threshold the error has heavy tails over images and features,
    hence the geometric mean, and the same images and features at every share: with others for each, 32 and then 160 of
    them, the known errors scattered too much to tell a law. The wrong labels of a smaller share are among those of a
    larger, so that a target between two that are seen has hardly any noise of its own.
    """

    name = "double_descent_peak"
    title = "Height of the double-descent peak at a new noise level"
    question = (
        "How large is the test error of as many random features as examples at a new share of wrong labels? "
        "From the errors at other shares, by a power law that grows from an offset."
    )
    source = "Belkin et al., arXiv:1812.11118; Mei & Montanari, arXiv:1908.05355"
    columns = ("noise",)
    quantity = PEAK
    statistic = "geometric mean over seeds of the test error at width = examples = 200"
    seen = (0.025, 0.05, 0.1, 0.15, 0.25, 0.35)
    unseen: ClassVar = {"between": 0.2, "at_twice_the_most": 0.7}
    seeds = 48
    paired = True
    forms = ("growing_power_law", "pure_power_law")
    domain = "shares of wrong labels from 0.01 to 0.8, where labels still say more of their class than of any other"

    def point(self, at: float, seed: int) -> Point:
        """One cell of the ladder."""
        return Point(NAME, FeatureLadder(examples=(_SIZE,), widths=(_SIZE,), noise=at, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return geometric_mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["test_error"][0]))
