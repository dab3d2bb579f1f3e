"""A phenomenon whose truth is known: a biased coin comes up heads more often than not, a fair one does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.measurement import Quantity
from gnomon.phenomena import Claim, Curve, Finding, Heatmap, Phenomenon, Picture, Preset, Rule
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.randomness import Rng

HEADS = Quantity(name="share_of_heads", symbol="h", definition=r"h = \frac{1}{n}\sum_i x_i", source="Bernoulli 1713")


class Tosses(Spec):
    bias: float = 0.9
    tosses: int = 200
    seed: int = 0


@experiment("toy_tosses")
def toss(spec: Tosses) -> Outcome:
    if spec.tosses == 0:
        raise GnomonError("a coin that is never tossed", mend="toss it")
    draws = Rng(spec.seed).child("toss").numpy().random(spec.tosses) < spec.bias
    return {"heads": float(draws.mean()), "running": (draws.cumsum() / range(1, spec.tosses + 1)).tolist()[::20]}


class Coins(Spec):
    bias: float = 0.9
    tosses: int = 200


class BiasedCoin(Phenomenon):
    name: ClassVar[str] = "toy_biased_coin"
    title: ClassVar[str] = "A biased coin"
    claim: ClassVar[str] = "A biased coin shows heads in more than 60 % of all tosses."
    control: ClassVar[str] = "A fair coin does not."
    source: ClassVar[str] = "J. Bernoulli, Ars Conjectandi (1713)"
    presets: ClassVar[dict[Preset, Spec]] = {"quick": Coins(), "full": Coins(tosses=2000)}

    def points(self, settings: Coins, seeds: Sequence[int]) -> list[Point]:
        return [self._point(settings, bias, seed) for bias in (settings.bias, 0.5) for seed in seeds]

    def judge(self, settings: Coins, seeds: Sequence[int], results: Results) -> Finding:
        def claims(bias: float) -> tuple[Claim, ...]:
            found = [results.of(self._point(settings, bias, seed)) for seed in seeds]
            measured = median_over_seeds(HEADS, of_each(found, lambda f: f["heads"]))
            statement = "The median share of heads is above 0.6."
            return (Claim(name="heads", statement=statement, measurement=measured, least=0.6),)

        running = [results.of(self._point(settings, settings.bias, s)) for s in seeds]
        curves = tuple(
            Curve(name=f"seed {s}", group="biased", x=range(len(f["running"])), y=f["running"])
            for s, f in zip(seeds, running, strict=True)
            if f is not None
        )
        level = Rule(label="fair", y=0.5)
        return Finding(
            claims=claims(settings.bias),
            controls={"fair": claims(0.5)},
            pictures=(
                Picture(
                    key="running",
                    title="Share so far",
                    caption="One a seed.",
                    x="toss",
                    y="share",
                    curves=curves,
                    rules=(level,),
                ),
                Heatmap(key="tiles", title="Tiles", caption="Nothing.", x="a", y="b", values=[[0.0, 1.0], [-1.0, 2.0]]),
            ),
            notes=("Coins have no memory.",),
        )

    def _point(self, settings: Coins, bias: float, seed: int) -> Point:
        return Point("toy_tosses", Tosses(bias=bias, tosses=settings.tosses, seed=seed))
