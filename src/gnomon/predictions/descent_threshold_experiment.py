"""The step size at which gradient descent on linear regression begins to diverge, found by descending."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.randomness import Rng

Count = Annotated[int, Field(ge=1)]
_ROUNDING = 1e-12


class DescentThreshold(Spec):
    r"""Gradient descent on :math:`\frac{1}{2n} \lVert X w - X w_* \rVert^2`, X of independent standard normal entries.

    Parameters
    ----------
    examples, dimension : n and d.
    steps : how long a step size is given to show that it diverges.
    rates, rounds : how many step sizes are tried at once, and how often they are drawn closer.
    seed : of X and the start.
    """

    examples: Count = 200
    dimension: Count
    steps: Count = 1000
    rates: Annotated[int, Field(ge=3)] = 16
    rounds: Count = 3
    seed: int = 0


@experiment("descent_threshold")
def find_threshold(spec: DescentThreshold) -> Outcome:
    """``threshold``: between the largest step size tried at which the loss still fell in the last steps, and the next.

    Step sizes are even in the logarithm, at first over a factor of 400 about 2 over the mean curvature; each round
    goes on between two of them. A divergence of a relative ln(1e8)/(2 steps) beyond the threshold can stay hidden.

    Cost: 2 d² × steps × rates × rounds operations.
    """
    rng = Rng(spec.seed)
    x = rng.child("inputs").numpy().standard_normal((spec.examples, spec.dimension))
    hessian = x.T @ x / spec.examples
    start = rng.child("start").numpy().standard_normal(spec.dimension)
    low, high = np.array([0.05, 20.0]) * 2 / (np.trace(hessian) / spec.dimension)
    for _ in range(spec.rounds):
        rates = np.geomspace(low, high, spec.rates)
        first = int(np.argmax(_grows(hessian, start, rates, spec.steps)))
        low, high = rates[max(first - 1, 0)], rates[first]
    return {"threshold": float(np.sqrt(low * high))}


def _grows(
    hessian: NDArray[np.float64], start: NDArray[np.float64], rates: NDArray[np.float64], steps: int
) -> NDArray[np.bool_]:
    """Whether the loss rose over the last tenth of the steps, for each step size."""
    away = np.repeat(start[:, None], len(rates), axis=1)
    before = np.zeros(len(rates))
    rounding = _ROUNDING * float(start @ hessian @ start)  # a loss that has fallen there goes up and down by chance
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            if step == steps - steps // 10 - 1:
                before = (away * (hessian @ away)).sum(axis=0)
            away = away - rates * (hessian @ away)
        after = (away * (hessian @ away)).sum(axis=0)
        grown: NDArray[np.bool_] = ~(after <= np.maximum(before, rounding)) | ~np.isfinite(after)
    return grown
