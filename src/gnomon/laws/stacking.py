"""Weights of forms by what they say of rows that they did not see."""

from __future__ import annotations

import numpy as np

from gnomon.laws.form import Array

_STEPS = 3000
_STILL = 1e-6


def stack(log_densities: Array, prior: Array) -> Array:
    r"""Weights, shape ``(forms,)``, for held-out log densities of shape ``(rows, forms)``.

    Stacking maximises :math:`\sum_i \log \sum_k w_k p_k(y_i)` over the simplex. Where forms say nearly the same of
    every row it is flat, and noise alone would choose a corner, which hides that the forms are not told apart. So the
    objective has :math:`\sum_k \pi_k \log w_k` besides, the weight of one more row shared as the ``prior`` π (summing
    to 1) has it: forms that say the same have the weights of the prior, and a form that loses Δ nats to another keeps
    about π/Δ. The maximum is unique and is found by expectation maximisation.

    Source: Yao, Vehtari, Simpson & Gelman, Bayesian Analysis 13 (2018) 917.

    >>> stack(np.array([[0.0, 0.0], [-1.0, -1.0]]), np.array([0.75, 0.25])).tolist()
    [0.75, 0.25]
    >>> bool(stack(np.tile([0.0, -3.0], (40, 1)), np.array([0.5, 0.5]))[0] > 0.97)
    True
    """
    rows = len(log_densities)
    density = np.exp(log_densities - log_densities.max(axis=1, keepdims=True))
    weights = prior
    for _ in range(_STEPS):
        share = density * weights
        share /= share.sum(axis=1, keepdims=True)
        new = (share.sum(axis=0) + prior) / (rows + 1)
        moved = abs(new - weights).max()
        weights = new
        if moved < _STILL:
            break
    return np.asarray(weights / weights.sum())
