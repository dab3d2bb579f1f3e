"""Challenges whose truth is known: the mean of tosses of a coin at a new bias, foretold from others by a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.laws.distribution import Mixture
from gnomon.laws.ledger.prediction import Prediction, Target
from gnomon.measurement import Measurement, Quantity
from gnomon.measurement.unit import DIMENSIONLESS
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions import Challenge
from gnomon.randomness import Rng

HEADS = Quantity(name="share_of_heads", symbol="h", definition=r"h = \frac{1}{n}\sum_i x_i", source="Bernoulli 1713")
STATISTIC = "mean over seeds of the share of heads"
BY = {"kind": "theory", "name": "bernoulli", "hash": "b" * 64}


class Series(Spec):
    bias: float = 0.5
    tosses: int = 400
    seed: int = 0
    trouble: str = ""


@experiment("toy_series")
def series(spec: Series) -> Outcome:
    if spec.trouble:
        raise GnomonError(f"the coin {spec.trouble}")
    draws = Rng(spec.seed).child("series", f"{spec.bias}").numpy().random(spec.tosses) < spec.bias
    return {"share_of_heads": float(draws.mean())}


def belief(mean: float, spread: float = 0.0125) -> Mixture:
    return Mixture.single(mean, spread)


def prediction(name: str, mean: float, target: Target, **more: object) -> Prediction:
    """That of a theory which says ``mean``; its baselines are 0.1 off on either side."""
    given = {
        "by": BY,
        "domain": "coins",
        "distribution": belief(mean),
        "baselines": {"nearest_point": belief(mean - 0.1), "log_linear": belief(mean + 0.1)},
        **more,
    }
    return Prediction(name=name, target=target, **given)  # type: ignore[arg-type]


class Coins(Challenge):
    """Four seeds at each bias. The last target is foretold wrongly."""

    name: ClassVar[str] = "toy_coins"
    title: ClassVar[str] = "Coins"
    question: ClassVar[str] = "How often does a coin of a new bias come up heads? From coins of other biases."
    source: ClassVar[str] = "J. Bernoulli, Ars Conjectandi (1713)"
    seen: ClassVar[Sequence[float]] = (0.2, 0.4)
    unseen: ClassVar[Mapping[str, float]] = {"fair": 0.5, "biased": 0.6, "wrong": 0.7}
    outside: ClassVar[Sequence[str]] = ()
    trouble: ClassVar[str] = ""

    def coins(self, bias: float) -> list[Point]:
        trouble = self.trouble if bias in self.unseen.values() else ""
        return [Point("toy_series", Series(bias=bias, seed=seed, trouble=trouble)) for seed in range(4)]

    def known(self) -> list[Point]:
        return [point for bias in self.seen for point in self.coins(bias)]

    def targets(self) -> dict[str, list[Point]]:
        return {name: self.coins(bias) for name, bias in self.unseen.items()}

    def predict(self, known: Results) -> dict[str, Prediction]:
        means = [np.mean([f["share_of_heads"] for f in known.all(self.coins(bias))]) for bias in self.seen]
        slope, offset = np.polyfit(self.seen, means, 1)
        return {
            name: prediction(
                f"{self.name}/{name}",
                float(offset + slope * bias) + (0.2 if name == "wrong" else 0.0),
                Target.of_points(HEADS, self.coins(bias), STATISTIC),
                outside=("the coin is far",) if name in self.outside else (),
            )
            for name, bias in self.unseen.items()
        }

    def measure(self, target: str, results: Results) -> Measurement:
        found = [results.of(point) for point in self.coins(self.unseen[target])]
        return mean_over_seeds(HEADS, of_each(found, lambda f: f["share_of_heads"]))


def by_hand(name: str = "mine", mean: float = 0.5, **conditions: object) -> Prediction:
    """A prediction of a user, of a measurement under ``conditions``."""
    return prediction(name, mean, Target(quantity=HEADS.name, unit=str(DIMENSIONLESS), conditions=conditions))
