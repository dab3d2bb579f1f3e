"""A lower bound on ε from guesses at many secret bits of one training run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, expit
from scipy.stats import binom

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

Array = NDArray[np.float64]

_MOST = 100.0  # no bound from as many guesses as fit into memory comes near
_STEPS = 60


def guess_p_value(right: int, guesses: int, secrets: int, epsilon: float, delta: float = 0.0) -> float:
    r"""The largest probability of ``right`` guesses or more if training is (ε, δ)-differentially private.

    Each of m secrets is a fair and independent coin: which of two texts was trained on, or whether one was. Of r of
    them, chosen after seeing the network, the coin is guessed. With W binomial of r coins of chance
    :math:`1 / (1 + e^{-\epsilon})`,

    .. math:: p = \Pr[W \ge v] + 2 m \delta \max_{1 \le i \le v} \frac{\Pr[v > W \ge v - i]}{i}.

    r may not depend on which guesses are right, and has to be set beforehand or paid for (`epsilon_bound`).

    Source: Steinke, Nasr & Jagielski, arXiv:2305.08846, theorem 5.2. Raises GnomonError on counts that are not
    0 ≤ right ≤ guesses ≤ secrets, a negative ε, or δ outside [0, 1].

    >>> guess_p_value(10, 10, 10, 0.0)
    0.0009765625
    """
    if not 0 <= right <= guesses <= secrets or secrets < 1:
        raise GnomonError(f"{right} right of {guesses} guesses at {secrets} secrets", mend="count each guess once")
    if epsilon < 0 or not 0 <= delta <= 1:
        raise GnomonError(f"epsilon {epsilon:g}, delta {delta:g}", mend="give epsilon ≥ 0 and 0 ≤ delta ≤ 1")
    if right == 0:
        return 1.0
    share = float(expit(epsilon))
    tail = float(bdtrc(right - 1, guesses, share))
    slack = 0.0
    if delta > 0:
        below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, share))
        slack = 2 * secrets * delta * float((below / np.arange(1, right + 1)).max())
    return min(tail + slack, 1.0)


def lower_bound(p_value: Callable[[float], float], alpha: float) -> float:
    """The largest ε whose p-value is at most ``alpha``, for one that rises with ε; 0 where there is none."""
    if p_value(0.0) > alpha:
        return 0.0
    low, high = 0.0, 1.0
    while p_value(high) <= alpha:
        low, high = high, 2 * high
        if high > _MOST:
            return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle) <= alpha else (low, middle)
    return low


def epsilon_bound(
    right: Sequence[int], guesses: Sequence[int], secrets: int, *, delta: float = 0.0, confidence: float = 0.95
) -> float:
    """The ε that training exceeds with probability ``confidence``: the best over numbers of guesses, which is paid for.

    ``guesses`` are the numbers that were set beforehand; of J of them each is tested at a J-th of what may go wrong
    (Bonferroni). Raises GnomonError where 2mδ > 1: up to there p is a mean of tails that rise with ε.

    >>> round(epsilon_bound([100], [100], 100), 2), round(epsilon_bound([100, 50], [100, 50], 100), 2)
    (3.49, 3.28)
    """
    if not guesses or len(guesses) != len(right):
        raise GnomonError(f"{len(right)} counts of right ones for {len(guesses)} numbers of guesses")
    if 2 * secrets * delta > 1:
        raise GnomonError(f"delta {delta:g} is too large for {secrets} secrets", mend=f"at most {0.5 / secrets:.2g}")
    alpha = (1 - confidence) / len(guesses)
    bounds = []
    for hits, asked in zip(right, guesses, strict=True):
        bounds.append(lower_bound(functools.partial(guess_p_value, hits, asked, secrets, delta=delta), alpha))
    return max(bounds)


def ordered_hits(margins: Array, right: NDArray[np.bool_], guesses: Sequence[int], rng: Rng) -> list[int]:
    """Of each number of guesses, at the secrets of largest margin, how many are right; equal margins in a drawn order.

    Not by position: where members stand before non-members, that alone would tell which of equals to guess in.
    Raises GnomonError when more are asked for than there are.
    """
    if max(guesses) > len(margins):
        raise GnomonError(f"{max(guesses)} guesses at {len(margins)} secrets", mend="guess fewer")
    order = np.lexsort((rng.numpy().permutation(len(margins)), -margins))
    return [int(right[order[:count]].sum()) for count in guesses]
