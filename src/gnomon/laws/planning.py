r"""Compute-optimal allocation: how large a model, and how many tokens, for a budget.

Minimising :math:`L = E + A N^{-\alpha} + B D^{-\beta}` subject to :math:`C = k N D` gives

.. math::
    N^* = G \left(\frac{C}{k}\right)^{a}, \quad D^* = \frac{1}{G} \left(\frac{C}{k}\right)^{b}, \quad
    G = \left(\frac{\alpha A}{\beta B}\right)^{1/(\alpha+\beta)}, \quad
    a = \frac{\beta}{\alpha+\beta}, \quad b = \frac{\alpha}{\alpha+\beta}.

Source: Hoffmann et al. (2022) arXiv:2203.15556, eq. 4; intervals as Besiroglu et al. (2024) arXiv:2404.10102, over the
bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.laws import bootstrap
from gnomon.laws.fit import Fit
from gnomon.laws.form import Array

FLOP_PER = 6.0
"""FLOP of training for each parameter and token (Kaplan et al., 2020): 2 forward, 4 backward."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A number with its interval over the bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    r"""What a budget is best spent on.

    Parameters
    ----------
    budget : FLOP.
    flop_per : FLOP for each parameter and token.
    level : of the intervals.
    size, tokens : parameters N* and tokens D*.
    loss : of the law there, in the unit of the table's target.
    size_exponent, tokens_exponent : a and b of :math:`N^* \propto C^a` and :math:`D^* \propto C^b`.
    tokens_per_parameter : D*/N*.
    decades_beyond : of the budget, above the largest :math:`k N D` of the table; negative within it.
    """

    budget: float
    flop_per: float
    level: float
    size: Planned
    tokens: Planned
    loss: Planned
    size_exponent: Planned
    tokens_exponent: Planned
    tokens_per_parameter: Planned
    decades_beyond: float

    def to_json(self) -> dict[str, Any]:
        """JSON object; a planned number is ``{value, low, high}``."""
        return {name: vars(one) if isinstance(one, Planned) else one for name, one in vars(self).items()}


def plan(one: Fit, budget: float, *, flop_per: float = FLOP_PER, level: float | None = None) -> Plan:
    """The compute-optimal allocation of ``budget`` FLOP by a fit of ``chinchilla``.

    Parameters
    ----------
    flop_per : FLOP for each parameter and token, k.
    level : of the intervals; that of the fit by default.

    Raises
    ------
    GnomonError : for a fit of another form, without draws, or a budget that is not positive.
    InsufficientEvidenceError : when the table does not determine the exponents.
    """
    if one.form.name != "chinchilla":
        raise GnomonError(f"no allocation follows from form {one.form.name!r}", mend="fit chinchilla to N and D")
    if not (math.isfinite(budget) and budget > 0 and math.isfinite(flop_per) and flop_per > 0):
        raise GnomonError(f"a budget of {budget:g} FLOP at {flop_per:g} each", mend="give positive numbers")
    if one.unidentified:
        raise InsufficientEvidenceError(
            f"the table does not determine the law: {one.unidentified[0]}", mend="measure at more sizes and tokens"
        )
    if not len(one.draws):
        raise GnomonError(
            "the fit has no draws, so that a plan has no interval", mend="fit with draws of the bootstrap"
        )
    level = one.level if level is None else level
    best = _optimum(one.form.natural(one.theta[None]), budget / flop_per)
    drawn = _optimum(one.form.natural(one.draws), budget / flop_per)
    low, high = bootstrap.interval(drawn, bootstrap.tail(one.table, one.noise, len(one.theta), level))
    numbers = [Planned(value=float(v), low=float(a), high=float(b)) for v, a, b in zip(best[0], low, high, strict=True)]
    largest = flop_per * float(one.table.x.prod(axis=1).max())
    return Plan(
        budget=budget,
        flop_per=flop_per,
        level=level,
        size=numbers[0],
        tokens=numbers[1],
        loss=numbers[2],
        size_exponent=numbers[3],
        tokens_exponent=numbers[4],
        tokens_per_parameter=numbers[5],
        decades_beyond=math.log10(budget / largest),
    )


def _optimum(natural: Array, product: float) -> Array:
    """N*, D*, loss, a, b and D*/N*, shape ``(draws, 6)``, for parameters of shape ``(draws, 5)`` and N·D fixed."""
    e, a, b, alpha, beta = natural.T
    log_g = (np.log(alpha * a) - np.log(beta * b)) / (alpha + beta)
    size_exponent, tokens_exponent = beta / (alpha + beta), alpha / (alpha + beta)
    log_size = log_g + size_exponent * math.log(product)
    log_tokens = -log_g + tokens_exponent * math.log(product)
    with np.errstate(over="ignore"):
        loss = e + np.exp(np.log(a) - alpha * log_size) + np.exp(np.log(b) - beta * log_tokens)
        size, tokens, ratio = np.exp(log_size), np.exp(log_tokens), np.exp(log_tokens - log_size)
    return np.column_stack([size, tokens, loss, size_exponent, tokens_exponent, ratio])
