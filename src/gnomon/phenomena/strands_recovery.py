"""How well a number of examples recovers one direction: mean difference, logistic regression, AGOP."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.stats import norm, poisson
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.recipe import Count, Positive
from gnomon.randomness import Rng
from gnomon.structure import RecursiveFeatureMachine
from gnomon.structure.directions.logistic import logistic_weight
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.rfm import agop_directions
from gnomon.structure.kernels import Gaussian

METHODS = ("mean_difference", "logistic", "agop")
_QUARTILE = float(norm.ppf(0.75))


class RecoverySpec(Spec):
    r"""Data with one relevant direction w, and how many examples of it are given.

    Parameters
    ----------
    target : ``linear``: two classes :math:`x \sim N(\pm w, \sigma^2 I)` of equal size. ``even``:
        :math:`x \sim N(0, I)` and the class says whether :math:`|w^\top x|` exceeds its median, so that the classes
        have one mean.
    dimension : of x.
    noise : σ, for the linear target.
    ratios : numbers of examples, in units of :math:`d\,\sigma^2`; even numbers, at least 4.
    trials : independent data sets, and directions, at each number.
    shuffled : whether the classes are permuted, so that there is nothing to recover.
    penalty : of logistic regression.
    ridge, rounds : of the recursive feature machine, whose kernel is Gaussian with bandwidth :math:`\sqrt d`.
    """

    target: Literal["linear", "even"]
    dimension: Annotated[int, Field(ge=2)]
    noise: Positive = 1.0
    ratios: tuple[Positive, ...]
    trials: Count = 16
    shuffled: bool = False
    penalty: Positive = 0.1
    ridge: Positive = 1.0
    rounds: Annotated[int, Field(ge=0)]
    seed: int = Field(default=0, ge=0)

    @property
    def examples(self) -> tuple[int, ...]:
        """Numbers of examples."""
        unit = self.dimension * self.noise**2
        return tuple(2 * max(2, round(ratio * unit / 2)) for ratio in self.ratios)

    @property
    def machine(self) -> RecursiveFeatureMachine:
        """What gives the AGOP."""
        return RecursiveFeatureMachine(kernel=Gaussian(math.sqrt(self.dimension)), ridge=self.ridge, rounds=self.rounds)


@experiment("strands_recovery")
def recover(spec: RecoverySpec) -> Outcome:
    """Mean over trials of the squared cosine with w, for each method and number of examples."""
    squares: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for n in spec.examples:
        for trial in range(spec.trials):
            truth, x, y = draw(spec, n, trial)
            found = {
                "mean_difference": label_slope(x, y),
                "logistic": logistic_weight(x, y, penalty=spec.penalty),
                "agop": agop_directions(x, y, spec.machine)[1][:, 0],
            }
            for name, direction in found.items():
                if trial == 0:
                    squares[name].append([])
                squares[name][-1].append(float(direction @ truth / direction.norm()) ** 2)
    return {"examples": list(spec.examples), **{name: np.mean(s, axis=1).tolist() for name, s in squares.items()}}


def draw(spec: RecoverySpec, n: int, trial: int) -> tuple[Tensor, Tensor, Tensor]:
    """The direction ``(d,)``, ``n`` inputs ``(n, d)`` and their classes ``(n,)``, +1 and -1."""
    generator = Rng(spec.seed).child("recovery", n, trial).torch()
    truth = torch.randn(spec.dimension, generator=generator, dtype=torch.float64)
    truth /= truth.norm()
    x = torch.randn(n, spec.dimension, generator=generator, dtype=torch.float64)
    if spec.target == "linear":
        classes = torch.ones(n, dtype=torch.float64)
        classes[::2] = -1
        x = spec.noise * x + classes[:, None] * truth
    else:
        classes = torch.where((x @ truth).abs() > _QUARTILE, 1.0, -1.0).to(torch.float64)
    if spec.shuffled:
        classes = classes[torch.randperm(n, generator=generator)]
    return truth, x, classes


def expected_squared_cosine(dimension: int, information: float) -> float:
    r"""Expected squared cosine between :math:`\sqrt\lambda\,w + g`, :math:`g \sim N(0, I_d)`, and the unit vector w.

    The mean difference of n examples of two classes :math:`N(\pm\mu w, \sigma^2 I)` of equal size is
    :math:`\mu w + \frac{\sigma}{\sqrt n} g`, so that :math:`\lambda = n \mu^2 / \sigma^2`. Its squared cosine has the
    noncentral beta distribution with shapes 1/2 and (d - 1)/2, whose mean is

    .. math:: \mathbb E \cos^2 = \sum_{j=0}^\infty \frac{e^{-\lambda/2} (\lambda/2)^j}{j!}\,\frac{1 + 2j}{d + 2j}
              \approx \frac{1 + \lambda}{d + \lambda},

    exact for λ = 0 (chance, 1/d). Half of the direction is thus recovered at :math:`n \approx (d - 2)\,\sigma^2/\mu^2`.

    Source: Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 30.

    >>> expected_squared_cosine(10, 0.0)
    0.1
    """
    if dimension < 1 or not information >= 0:
        raise GnomonError(f"no squared cosine for dimension {dimension}, information {information}")
    middle, reach = information / 2, 12 * math.sqrt(information / 2) + 40
    j = np.arange(max(0, int(middle - reach)), int(middle + reach) + 1)
    return float((poisson.pmf(j, middle) * (1 + 2 * j) / (dimension + 2 * j)).sum())
