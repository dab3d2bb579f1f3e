"""p-values adjusted for how many there are: reject those at most α, and the stated error is at most α."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError

Array = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Array:
    r"""For the probability of any false rejection, whatever the dependence: :math:`\max_{j \le i} (m - j + 1) p_{(j)}`.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p, order = _sorted(p_values)
    return _restored(np.maximum.accumulate(p * np.arange(len(p), 0, -1)), order)


def hochberg(p_values: ArrayLike) -> Array:
    r"""As `holm` and never larger, :math:`\min_{j \ge i} (m - j + 1) p_{(j)}`; where Simes' inequality holds.

    That is for independent tests and for positively dependent ones (MTP₂: such as tests of several subjects against one
    reference), not for any dependence.

    Sources: Hochberg, Biometrika 75 (1988) 800; Sarkar, Annals of Statistics 26 (1998) 494.

    >>> hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    p, order = _sorted(p_values)
    return _restored(_least_above(p * np.arange(len(p), 0, -1)), order)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    r"""For the expected share of false among all rejections, :math:`\min_{j \ge i} m\, p_{(j)} / j`.

    For independent tests and those that are positively dependent on each true one (PRDS).

    Sources: Benjamini & Hochberg, Journal of the Royal Statistical Society B 57 (1995) 289; Benjamini & Yekutieli,
    Annals of Statistics 29 (2001) 1165.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    p, order = _sorted(p_values)
    return _restored(_least_above(p * len(p) / np.arange(1, len(p) + 1)), order)


def benjamini_yekutieli(p_values: ArrayLike) -> Array:
    r"""As `benjamini_hochberg`, whatever the dependence, at :math:`\sum_{j=1}^m 1/j` times its p-values.

    Source: Benjamini & Yekutieli, Annals of Statistics 29 (2001) 1165.

    >>> benjamini_yekutieli([0.01, 0.04, 0.03]).round(4).tolist()
    [0.055, 0.0733, 0.0733]
    """
    p, order = _sorted(p_values)
    ranks = np.arange(1, len(p) + 1)
    return _restored(_least_above(p * len(p) / ranks * np.sum(1 / ranks)), order)


def _sorted(p_values: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise GnomonError("p-values are not a list of numbers from 0 to 1", mend="leave out tests that were not made")
    order = np.argsort(p, kind="stable")
    return p[order], order


def _least_above(adjusted: Array) -> Array:
    return np.minimum.accumulate(adjusted[::-1])[::-1]


def _restored(adjusted: Array, order: NDArray[np.int64]) -> Array:
    found = np.empty_like(adjusted)
    found[order] = np.minimum(adjusted, 1.0)
    return found
