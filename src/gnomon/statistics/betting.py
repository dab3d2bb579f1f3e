"""A p-value for a mean of losses between 0 and 1, by betting: no loss has to be 0 or 1, and small variance helps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError

Array = NDArray[np.float64]

_SHARES = 2.0 ** -np.arange(4)  # of the variance of a 0-or-1 loss that bets are sized for
_LARGEST = 0.999  # of the largest bet that cannot lose all


def betting_p_value(losses: ArrayLike, alpha: float, delta: float) -> Array:
    r"""p-values ``(…,)`` of :math:`H: \mathbb E L \ge \alpha` from independent losses ``(n, …)`` in [0, 1].

    A gambler whose capital is 1 bets shares :math:`\nu_j` of it on every loss being below α:

    .. math:: K_t = \frac1J \sum_j \prod_{i \le t} \bigl(1 - \nu_j (L_i - \alpha)\bigr), \quad
       \nu_j = \min\Bigl(\frac{0.999}{1-\alpha}, \sqrt{\frac{2 \ln(1/\delta)}{n v_j}}\Bigr),
       \quad v_j = 2^{-j} \alpha (1 - \alpha), \; j = 0, \dots, 3,

    which under H is a supermartingale, so that :math:`p = 1 / \max_t K_t` is a p-value (Ville). It falls where losses
    fall, so that a threshold may be searched by it. Bets are sized for rejection at δ; p is valid whatever δ is.

    The losses have to be in an order that has nothing to do with their values: shuffle them first.

    Raises GnomonError when a loss is outside [0, 1]. Cost: :math:`4n` operations a p-value.
    Sources: Waudby-Smith & Ramdas, arXiv:2010.09686; Bates et al., arXiv:2101.02703 (for control of risks).

    >>> betting_p_value(np.zeros(100), 0.05, 0.05).item() <= 0.05 < betting_p_value(np.zeros(50), 0.05, 0.05).item()
    True
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise GnomonError("losses are not between 0 and 1", mend="divide them by the largest that there can be")
    bets = _bets(len(values), alpha, delta)
    logs = [np.cumsum(np.log1p(-bet * (values - alpha)), axis=0) for bet in bets]
    capital = np.logaddexp.reduce(logs, axis=0) - np.log(len(bets))
    best = capital.max(axis=0, initial=0.0)
    return np.asarray(np.exp(-best))


def least_units(alpha: float, delta: float) -> int:
    """How many losses, all 0, make the p-value at most δ.

    >>> least_units(0.05, 0.05), least_units(0.01, 0.05)
    (59, 299)
    """

    def enough(n: int) -> bool:
        return bool(np.mean((1 + _bets(n, alpha, delta) * alpha) ** n) >= 1 / delta)

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _bets(n: int, alpha: float, delta: float) -> Array:
    wanted = np.sqrt(2 * np.log(1 / delta) / (n * alpha * (1 - alpha) * _SHARES))
    return np.asarray(np.minimum(_LARGEST / (1 - alpha), wanted))
