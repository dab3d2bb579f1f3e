"""Learn then Test: which of several monitors or thresholds keep their risk, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from gnomon.control.monitors.guarantee import check_levels
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.statistics import betting_p_value

Array = NDArray[np.float64]
Procedure = Literal["fixed_sequence", "bonferroni"]


@dataclass(frozen=True, eq=False)
class Kept:
    """What testing several risks gives.

    Parameters
    ----------
    p_values : ``(m,)``, of each risk being α or more.
    kept : ``(m,)`` bool: those that keep α; with probability 1 − δ there is none among them that does not.
    """

    p_values: Array
    kept: NDArray[np.bool_]


def learn_then_test(
    losses: ArrayLike, *, alpha: float | ArrayLike, delta: float, procedure: Procedure = "fixed_sequence"
) -> Kept:
    r"""Which of m choices have :math:`\mathbb E L_j \le \alpha_j`, wrong about any of them with probability at most δ.

    Losses that are ``bool`` (alarms) have the exact p-value
    :math:`\Pr[\operatorname{Bin}(n, \alpha) \le \sum_i L_i]`. Others, in [0, 1], have `betting_p_value`, even where
    they happen to be 0 or 1: a test that is chosen by the losses themselves need not hold.

    - ``fixed_sequence`` tests in the order given, each at δ, and stops at the first that is not kept. The order must
      not depend on these losses: from the most careful to the boldest.
    - ``bonferroni`` tests each at δ/m, in no order.

    Parameters
    ----------
    losses : ``(n, m)`` of n independent texts (or clusters, shuffled) under each of m choices.
    alpha : one, or ``(m,)``.

    Raises GnomonError on a loss outside [0, 1] or a level outside (0, 1).
    Source: Angelopoulos, Bates, Candès, Jordan & Lei, arXiv:2110.01052.

    >>> quiet, loud = np.zeros(100, dtype=bool), np.ones(100, dtype=bool)
    >>> learn_then_test(np.stack([quiet, loud, quiet], axis=1), alpha=0.05, delta=0.05).kept.tolist()
    [True, False, False]
    """
    given = np.asarray(losses)
    exact, values = given.dtype == np.bool_, given.astype(np.float64)
    if values.ndim != 2 or not values.size:
        raise GnomonError(f"losses {values.shape} are not of texts and choices", mend="give a column a choice")
    levels = np.broadcast_to(np.asarray(alpha, dtype=np.float64), values.shape[1:])
    for level in levels:
        check_levels(float(level), delta)
    each = delta / values.shape[1] if procedure == "bonferroni" else delta
    p_values = np.array(
        [_p_value(column, float(level), each, exact=exact) for column, level in zip(values.T, levels, strict=True)]
    )
    if procedure == "bonferroni":
        return Kept(p_values, p_values <= each)
    if procedure == "fixed_sequence":
        return Kept(p_values, np.logical_and.accumulate(p_values <= each))
    raise UnknownNameError("procedure", procedure, ("fixed_sequence", "bonferroni"))


def _p_value(losses: Array, alpha: float, delta: float, *, exact: bool) -> float:
    if exact:
        return float(bdtr(losses.sum(), len(losses), alpha))
    return float(betting_p_value(losses, alpha, delta))
