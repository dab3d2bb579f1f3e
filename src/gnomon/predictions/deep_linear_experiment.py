"""A deep linear network that learns the singular values of its teacher one after the other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.randomness import Rng

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
_DIVERGED = 1e6


class DeepLinear(Spec):
    r"""Gradient descent on :math:`\frac12 \lVert W_2 W_1 - A \rVert_F^2`.

    That is regression on whitened inputs. A is ``dimension`` × ``dimension`` with the given singular values and random
    singular vectors; all other singular values are zero.

    Parameters
    ----------
    singular_values : of the teacher.
    dimension, hidden : inputs and outputs, and hidden units.
    init_scale : standard deviation of the initial weights.
    learning_rate, steps : of gradient descent.
    seed : of teacher and weights.
    """

    singular_values: Annotated[tuple[Positive, ...], Field(min_length=1)]
    dimension: Count = 16
    hidden: Count = 32
    init_scale: Positive = 1e-3
    learning_rate: Positive = 0.01
    steps: Count = 3000
    seed: int = 0


@experiment("deep_linear_network")
def learn(spec: DeepLinear) -> Outcome:
    r"""When each singular value is half learned.

    Returns
    -------
    ``half_learned``: for each singular value s with vectors u and v the step, between two of them interpolated, at
    which :math:`u^\top W_2 W_1 v = s/2`; ``None`` where it never is.

    Raises
    ------
    GnomonError : when there are more singular values than dimensions, or training diverges.

    Cost: 25 µs a step at the default size.
    """
    strengths = np.array(spec.singular_values)
    if len(strengths) > spec.dimension:
        raise GnomonError(f"{len(strengths)} singular values in {spec.dimension} dimensions", mend="give fewer")
    rng = Rng(spec.seed)
    generator = rng.child("teacher").numpy()
    u, v = (np.linalg.qr(generator.standard_normal((spec.dimension, len(strengths))))[0] for _ in range(2))
    teacher = (u * strengths) @ v.T
    draw = rng.child("weights").numpy()
    first = spec.init_scale * draw.standard_normal((spec.hidden, spec.dimension))
    second = spec.init_scale * draw.standard_normal((spec.dimension, spec.hidden))
    learned = np.empty((spec.steps + 1, len(strengths)))
    for step in range(spec.steps + 1):
        product = second @ first
        if not np.abs(product).max() < _DIVERGED:
            raise GnomonError(f"training diverged at step {step}", mend="lower learning_rate")
        learned[step] = ((u.T @ product) * v.T).sum(axis=1)
        residual = product - teacher
        first, second = (
            first - spec.learning_rate * second.T @ residual,
            second - spec.learning_rate * residual @ first.T,
        )
    return {"half_learned": [passes_half(learned[:, k] / s) for k, s in enumerate(strengths)]}


def passes_half(curve: NDArray[np.float64]) -> float | None:
    """Where ``curve`` first reaches 1/2, between its points interpolated; ``None`` where it never does."""
    above = np.flatnonzero(curve >= 0.5)
    if not len(above):
        return None
    t = int(above[0])
    return 0.0 if t == 0 else t - 1 + float((0.5 - curve[t - 1]) / (curve[t] - curve[t - 1]))
