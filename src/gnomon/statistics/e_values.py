"""e-values: bets against a hypothesis, of which the mean under it is at most 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnomon.errors import GnomonError


def merged(e_values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """One e-value from several for one hypothesis, whatever their dependence: the (weighted) average.

    Weights have to be fixed before the e-values are seen. Nothing better is allowed but for a constant.

    Source: Vovk & Wang, arXiv:1912.06116. Raises GnomonError on none, on a negative or infinite one.

    >>> merged([0.5, 30.0, 1.0])
    10.5
    """
    values = _checked(e_values)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != values.shape or not (shares >= 0).all() or shares.sum() <= 0:
        raise GnomonError("weights do not belong to the e-values", mend="give one a value, none negative")
    return float(values @ shares / shares.sum())


def multiplied(e_values: ArrayLike) -> float:
    """One e-value from several that come from independent data, or one after another, each valid given the past."""
    return float(np.prod(_checked(e_values)))


def p_value(e_value: float) -> float:
    r"""The p-value :math:`\min(1, 1/e)` (Markov); valid at any time at which one looks where e is an e-process (Ville).

    >>> p_value(20.0), p_value(0.5)
    (0.05, 1.0)
    """
    e = float(_checked([e_value])[0])
    return 1.0 if e <= 1 else 1 / e


def calibrated(p_value: float) -> float:
    r"""An e-value from a p-value, :math:`\int_0^1 \kappa p^{\kappa - 1} d\kappa = (1 - p + p \ln p) / (p \ln^2 p)`.

    For the average of tests of which some have p-values only. Source: Vovk & Wang, arXiv:1912.06116.

    >>> round(calibrated(0.001), 1), calibrated(1.0)
    (20.8, 0.5)
    """
    if not 0 < p_value <= 1:
        raise GnomonError(f"a p-value of {p_value:g}", mend="give one above 0 and at most 1")
    log = np.log(p_value)
    if log > -1e-3:  # the formula loses its digits where p is near 1, and is this series there
        return float(0.5 - log / 6)
    return float((1 - p_value + p_value * log) / (p_value * log**2))


def _checked(e_values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.atleast_1d(np.asarray(e_values, dtype=np.float64))
    if values.ndim != 1 or len(values) == 0 or not (np.isfinite(values) & (values >= 0)).all():
        raise GnomonError("e-values are numbers that are not negative", mend="leave out tests that were not made")
    return values
