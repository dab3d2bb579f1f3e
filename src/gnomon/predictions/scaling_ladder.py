"""The loss of the largest model of a ladder, from the smaller ones."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement, Quantity, Unit
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.phenomena.scaling_experiment import Rung, model
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_law import ByLaw
from gnomon.predictions.registry import register
from gnomon.randomness import Rng

LOSS = Quantity(
    name="loss_of_rung",
    symbol="L(N, D)",
    definition=r"-\langle \ln Q(x_t \mid x_{<t}) \rangle",
    convention="Mean over unseen text, from the third token of a window on, and over seeds.",
    source="Kaplan et al., arXiv:2001.08361",
    unit=Unit.parse("nat/token"),
    lowest=0.0,
)

_WIDTHS, _TOKENS = (4, 6, 8, 12, 16), (2**11, 2**12, 2**13, 2**14, 2**15)


@register
class ScalingLadder(ByLaw[tuple[int, int]]):
    """The language and the decoders of the phenomenon ``scaling``; a setting is (width, tokens).

    The largest rung of its quick preset, (32, 2¹⁷), has three times the parameters and four times the tokens of any
    that is seen here. The entropy of the language, which is known, is not told.
    """

    name = "scaling_ladder"
    title = "Loss of the largest rung of a scaling ladder"
    question = (
        "What is the loss of the largest language model of the ladder, and of one in between? From 25 smaller ones, "
        "with less than a tenth of its compute, by the sum of powers L = E + A/N^α + B/D^β."
    )
    source = "Hoffmann et al., arXiv:2203.15556"
    columns = ("N", "D")
    quantity = LOSS
    statistic = "mean over seeds of the test loss"
    seen = tuple(product(_WIDTHS, _TOKENS))
    unseen: ClassVar = {"between": (10, 3 * 2**12), "largest": (32, 2**17)}
    seeds = 4
    forms = ("chinchilla",)
    domain = "one block, trained once through fresh text, within a factor of 4 of the sizes and tokens seen"

    def point(self, at: tuple[int, int], seed: int) -> Point:
        """One rung, tested on half as many windows as in the phenomenon and without its strings."""
        width, tokens = at
        return Point("scaling", Rung(width=width, tokens=tokens, test_windows=1024, string=1, seed=seed))

    def inputs(self, at: tuple[int, int]) -> tuple[float, ...]:
        """Parameters, embeddings among them, and tokens trained on."""
        rung = Rung(width=at[0], tokens=at[1])
        parameters = sum(p.numel() for p in model(rung, rung.language.tokens, Rng(0)).parameters())
        return float(parameters), float(rung.steps * rung.batch * rung.context)

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["loss"]))
