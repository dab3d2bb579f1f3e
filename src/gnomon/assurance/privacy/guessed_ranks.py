"""A lower bound on ε from the ranks of secrets among all that they could have been."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from gnomon.assurance.privacy.guesses import lower_bound
from gnomon.errors import GnomonError

Array = NDArray[np.float64]


def rank_p_value(
    ranks: NDArray[np.int64], candidates: NDArray[np.int64], shown: Array, top: int, epsilon: float
) -> float:
    r"""The largest probability of so many secrets among the first ``top`` if training is ε-differentially private.

    Secret i is uniform among :math:`N_i` candidates, and stood in :math:`k_i` documents. The network y ranks its
    candidates; the first r of them are a guess of r. Whatever y and the other secrets are, another secret in the place
    of the i-th changes the probability of y by a factor of at most :math:`e^{k_i \epsilon}` (group privacy), so that by
    Bayes

    .. math:: \Pr[\mathrm{rank}_i \le r \mid y, c_1, \dots, c_{i-1}] \le
              q_i = \frac{r e^{k_i \epsilon}}{r e^{k_i \epsilon} + N_i - r}.

    As this holds given all secrets before, the number of ranks up to r is stochastically at most that of independent
    coins of chances :math:`q_i`, whose tail is exact here. For r = 1 and N = 2 it is the bound of Steinke et al. with
    δ = 0; for δ > 0 see `gnomon.assurance.privacy.guesses`. The sum of exposures would need no r, but the same
    argument bounds it far more loosely: no mechanism attains all :math:`q_i(r)` at once.

    ε is that of replacing a document by another. Training that is ε'-private for adding and removing one is 2ε'-private
    for replacing.

    Parameters
    ----------
    ranks : ``(n,)``, 1 for the likeliest; ties have to be counted against the secret.
    candidates : ``(n,)``.
    shown : ``(n,)``, in how many units of what ε is of each secret stands; those in none say nothing and are left out.
    top : r, set beforehand or paid for (`rank_epsilon_bound`).

    Sources: Steinke, Nasr & Jagielski, arXiv:2305.08846 (domination); Balle, Cherubin & Hayes, arXiv:2201.04845, and
    Swanberg et al., arXiv:2507.08158 (secrets among many); Jagielski, arXiv:2306.00133 (exposure and ε). Raises
    GnomonError on ranks that are not 1 ≤ rank ≤ candidates, or a top that leaves no candidate out.

    >>> one = np.array([1])
    >>> round(rank_p_value(one, np.array([100]), np.ones(1), 1, 0.0), 6)
    0.01
    """
    if not len(ranks) == len(candidates) == len(shown) or not ((ranks >= 1) & (ranks <= candidates)).all():
        raise GnomonError("ranks are not from 1 to the number of candidates", mend="give one of each secret")
    if top < 1 or (candidates <= top).any():
        raise GnomonError(f"the first {top} leave no candidate out", mend="guess fewer")
    used = shown > 0
    hits = int((ranks[used] <= top).sum())
    chances = top / (top + (candidates[used] - top) * np.exp(-shown[used] * epsilon))
    mass = np.ones(1)
    for chance, count in zip(*np.unique(chances, return_counts=True), strict=True):
        mass = np.convolve(mass, binom.pmf(np.arange(count + 1), count, chance))
    return min(float(mass[hits:].sum()), 1.0)


def rank_epsilon_bound(
    ranks: NDArray[np.int64],
    candidates: NDArray[np.int64],
    shown: Array,
    *,
    tops: Sequence[int] = (),
    confidence: float = 0.95,
) -> float:
    """The ε that training exceeds with probability ``confidence``: the best over numbers of first ranks, paid for.

    ``tops`` are the numbers that were set beforehand, each tested at its share of what may go wrong (Bonferroni); by
    default 1, 10, 100, … up to half of the candidates.

    >>> eight = np.ones(8, dtype=np.int64)
    >>> round(rank_epsilon_bound(eight, 10_000 * eight, np.ones(8), tops=(1,)), 2)
    10.0
    >>> round(rank_epsilon_bound(eight, 10_000 * eight, np.ones(8)), 2)
    9.53
    """
    least = int(candidates.min())
    chosen = tuple(tops) or tuple(10**power for power in range(max(1, math.ceil(math.log10(least / 2 + 1)))))
    alpha = (1 - confidence) / len(chosen)
    return max(lower_bound(functools.partial(rank_p_value, ranks, candidates, shown, r), alpha) for r in chosen)
