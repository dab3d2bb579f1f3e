"""Gradient descent on a quadratic loss diverges above a step size of 2/λ, and not below."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.measurement import Quantity
from gnomon.phenomena import Claim, Curve, Finding, Phenomenon, Picture, register
from gnomon.phenomena.evidence import share_of_seeds
from gnomon.randomness import Rng

DIVERGED = Quantity(
    name="share_diverged",
    symbol=r"p_\infty",
    definition=r"p_\infty = P\left(\lVert w_T \rVert > \lVert w_0 \rVert\right)",
    source="Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.2",
)


class Descent(Spec):
    """One descent from a random start; ``step`` is in units of 2/λ for the largest eigenvalue λ of the Hessian."""

    step: float
    steps: int = 200
    dimension: int = 20
    seed: int = 0


@experiment("quadratic_descent")
def descend(spec: Descent) -> Outcome:
    """Norms along the descent."""
    draws = Rng(spec.seed).child("descent").numpy()
    eigenvalues = draws.uniform(0.1, 1.0, spec.dimension)
    w = draws.normal(size=spec.dimension)
    rate = spec.step * 2 / eigenvalues.max()
    norms = [float(np.linalg.norm((1 - rate * eigenvalues) ** t * w)) for t in range(spec.steps + 1)]
    return {"norms": norms, "diverged": norms[-1] > norms[0]}


class Settings(Spec):
    """Step sizes of the claim and of the control."""

    above: float = 1.05
    below: float = 0.95
    steps: int = 200


@register
class Divergence(Phenomenon):
    """See the module."""

    name: ClassVar = "divergence"
    title: ClassVar = "Divergence of gradient descent"
    claim: ClassVar = "On a quadratic loss, gradient descent diverges with a step size 5 % above 2/λ."
    control: ClassVar = "A step size 5 % below."
    source: ClassVar = "Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.2"
    presets: ClassVar = {"quick": Settings(), "full": Settings(above=1.01, below=0.99, steps=2000)}
    seeds: ClassVar = {"quick": 8, "full": 16}

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """Descents above and below the threshold."""
        return [self._point(settings, step, seed) for step in (settings.above, settings.below) for seed in seeds]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """Most descents above diverge; most below do not."""
        found = {
            step: [results.of(self._point(settings, step, seed)) for seed in seeds]
            for step in (settings.above, settings.below)
        }
        claims = {
            step: Claim(
                name="diverges",
                statement="More than half of all descents end farther away than they began.",
                measurement=share_of_seeds(DIVERGED, [None if f is None else f["diverged"] for f in outcomes]),
                least=0.5,
            )
            for step, outcomes in found.items()
        }
        curves = [
            Curve(
                name=f"{step:g} · 2/λ",
                x=range(settings.steps + 1),
                y=np.median([f["norms"] for f in outcomes if f is not None], axis=0).tolist(),
                dashed=step == settings.below,
            )
            for step, outcomes in found.items()
            if any(f is not None for f in outcomes)
        ]
        picture = Picture(
            key="norms",
            title="Distance from the minimum",
            caption="Median over seeds. Dashed: the control.",
            x="step",
            y="‖w‖",
            curves=tuple(curves),
            log_y=True,
        )
        return Finding(
            claims=(claims[settings.above],),
            controls={"5 % below": (claims[settings.below],)},
            pictures=(picture,),
        )

    def _point(self, settings: Settings, step: float, seed: int) -> Point:
        return Point("quadratic_descent", Descent(step=step, steps=settings.steps, seed=seed))
