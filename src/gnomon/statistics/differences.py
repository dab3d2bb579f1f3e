"""The difference of two proportions that are independent of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty
from gnomon.statistics.proportions import proportion
from gnomon.statistics.score import score_end


def difference(
    first: ArrayLike,
    second: ArrayLike,
    first_clusters: Sequence[object] | NDArray[np.generic] | None = None,
    second_clusters: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
) -> tuple[float, Uncertainty]:
    """The share of hits among ``second`` less that among ``first``, with the interval of `miettinen_nurminen`.

    Where there are clusters both enter with the number of independent hits that they are worth
    (`gnomon.statistics.cluster_proportion`). No cluster may have hits in both: such are compared in pairs.

    Raises GnomonError as `gnomon.statistics.proportion` does.

    >>> gap, interval = difference([False] * 30, [False] * 30)
    >>> gap, round(interval.low, 3), round(interval.high, 3)
    (0.0, -0.115, 0.115)
    """
    one, spread = proportion(first, first_clusters, level=level)
    two, other = proportion(second, second_clusters, level=level)
    n, m = float(spread.effective_samples or 0), float(other.effective_samples or 0)
    low, high = miettinen_nurminen(two * m, m, one * n, n, level=level)
    interval = Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=n + m, systematic=0.0)
    return two - one, interval


def miettinen_nurminen(
    hits: float, trials: float, other_hits: float, other_trials: float, *, level: float = 0.95
) -> tuple[float, float]:
    r"""Score interval for :math:`\delta = p - p'` from k hits in n trials and k' in n'; counts need not be whole.

    The δ at which

    .. math:: \Bigl|\frac kn - \frac{k'}{n'} - \delta\Bigr| \le z \sqrt{\Bigl(\frac{\tilde p(1-\tilde p)}{n} +
        \frac{\tilde p'(1-\tilde p')}{n'}\Bigr) \frac{N}{N - 1}}, \qquad N = n + n',

    where :math:`\tilde p` and :math:`\tilde p' = \tilde p - \delta` are most likely given δ: a root of a cubic. Its
    coverage is near the level and not at least the level; the tests enumerate it. Far out in the tails, as where α is
    spent over many tests, a small sample misses it by more: of 10 and 10 a level of 99.75 % covers 98.7 % at worst, of
    5 and 50 95.3 %. Where that decides take `gnomon.statistics.proportion` of both at half the error each, and the
    difference of their ends.

    Source: Miettinen & Nurminen, Statistics in Medicine 4 (1985) 213; Newcombe, Statistics in Medicine 17 (1998) 873.

    >>> [round(end, 4) for end in miettinen_nurminen(56, 70, 48, 80)]
    [0.0528, 0.3382]
    """
    if not (0 <= hits <= trials and 0 <= other_hits <= other_trials) or min(trials, other_trials) <= 0:
        raise GnomonError(f"{hits:g} of {trials:g} and {other_hits:g} of {other_trials:g} are no proportions")
    z = float(ndtri(0.5 + level / 2))
    seen = hits / trials - other_hits / other_trials
    high = score_end(lambda d: _score(hits, trials, other_hits, other_trials, d), seen, z)
    low = -score_end(lambda d: _score(other_hits, other_trials, hits, trials, d), -seen, z)
    return low, high


def _score(hits: float, trials: float, other_hits: float, other_trials: float, delta: float) -> float:
    total = trials + other_trials
    other = _most_likely(hits, trials, other_hits, other_trials, delta)
    one = other + delta
    variance = (one * (1 - one) / trials + other * (1 - other) / other_trials) * total / (total - 1)
    gap = hits / trials - other_hits / other_trials - delta
    return gap / math.sqrt(variance) if variance > 0 else (0.0 if gap == 0 else math.copysign(math.inf, gap))


def _most_likely(hits: float, trials: float, other_hits: float, other_trials: float, delta: float) -> float:
    total, all_hits = trials + other_trials, hits + other_hits
    a = ((trials + 2 * other_trials) * delta - total - all_hits) / total
    b = ((other_trials * delta - total - 2 * other_hits) * delta + all_hits) / total
    c = other_hits * delta * (1 - delta) / total
    q = a**3 / 27 - a * b / 6 + c / 2
    p = math.copysign(math.sqrt(max(a * a / 9 - b / 3, 0.0)), q)
    angle = math.acos(min(max(q / p**3, -1.0), 1.0)) if p != 0 else 0.0
    root = 2 * p * math.cos((math.pi + angle) / 3) - a / 3
    return min(max(root, 0.0, -delta), 1.0, 1.0 - delta)
