r"""Interpolated modified Kneser–Ney n-grams, counted exactly and scored on texts that they were not counted on.

With :math:`c` the last :math:`n` tokens, :math:`c'` the same without the oldest, and :math:`a(c x)` the counts,

.. math::
    p_n(x \mid c) = \frac{\max(a(cx) - D_{a(cx)}, 0)}{a(c\,\cdot)}
    + \frac{\sum_{j=1}^{3} D_j N_j(c\,\cdot)}{a(c\,\cdot)}\; p_{n-1}(x \mid c'),

where :math:`N_j(c\,\cdot)` counts the tokens that follow :math:`c` exactly j times (3 for three times or more). For the
longest context :math:`a` are occurrences; for shorter ones they are the number of distinct tokens seen before
:math:`cx`. Below the empty context stands the uniform distribution over all tokens that the network knows. The
discounts are :math:`D_j = j - (j+1) \frac{n_1}{n_1 + 2 n_2} \frac{n_{j+1}}{n_j}`, with :math:`n_j` the number of
sequences that are counted j times.

Source: Chen & Goodman, Computer Speech and Language 13 (1999) 359; Kneser & Ney, ICASSP 1995.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Counts = NDArray[np.float64]
_FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # discounts where the counts are too few, or too odd, to estimate them


@dataclass(frozen=True)
class Grams:
    """All distinct sequences of ``context`` tokens and the one after them, by running number.

    Parameters
    ----------
    gram : ``(tokens,)`` the sequence that ends at each token; −1 where its text holds too few before it.
    before : ``(grams,)`` number of each sequence's context among all contexts of this length.
    shorter : ``(grams,)`` number, among the grams of one token less, of the sequence without its oldest token.
    """

    gram: NDArray[np.int64]
    before: NDArray[np.int64]
    shorter: NDArray[np.int64]


def grams(tokens: NDArray[np.int64], positions: NDArray[np.int64], longest: int) -> list[Grams]:
    """The grams with 0, 1, … ``longest`` tokens of context. Exact: sequences are numbered, not hashed.

    ``tokens`` are those of all texts one after another, ``positions`` the place of each in its text.
    """
    size = int(tokens.max()) + 1
    # number of the run of m tokens that ends at each token, −1 where there is none; m = 0 has one run, the empty one
    runs: NDArray[np.int64] = np.zeros(len(tokens), np.int64)
    found: list[Grams] = []
    for context in range(longest + 1):
        exists = positions >= context
        contexts = np.full(len(tokens), -1, np.int64)
        contexts[1:] = runs[:-1]
        if context == 0:
            contexts[:] = 0
        gram = np.full(len(tokens), -1, np.int64)
        distinct, first, number = np.unique(
            contexts[exists] * size + tokens[exists], return_index=True, return_inverse=True
        )
        gram[exists] = number
        where = np.flatnonzero(exists)[first]
        shorter = found[-1].gram[where] if found else np.zeros(len(distinct), np.int64)
        found.append(Grams(gram, distinct // size, shorter))
        runs = gram
    return found


def held_out_losses(
    tokens: NDArray[np.int64],
    positions: NDArray[np.int64],
    folds: NDArray[np.int64],
    classes: int,
    longest: int,
) -> NDArray[np.float64]:
    """Loss of each token under n-grams counted on all folds but its own.

    Parameters
    ----------
    tokens, positions, folds : ``(tokens,)``: token, its place in its text, and its fold; a text lies in one fold.
    classes : number of tokens that exist.
    longest : longest context; n-grams with 0, 1, … tokens of context are scored.

    Returns
    -------
    ``(longest + 1, tokens)`` in nats, one row for each length of the longest context that is used. Where a text holds
    fewer tokens before, the shorter context is used.

    Cost: a sort of the tokens for each length, and a count for each length and fold.
    """
    found = grams(tokens, positions, longest)
    losses = np.full((longest + 1, len(tokens)), np.nan)
    for fold in np.unique(folds):
        held_out = folds == fold
        losses[:, held_out] = _score(found, held_out, classes)
    return losses


def _score(found: list[Grams], held_out: NDArray[np.bool_], classes: int) -> NDArray[np.float64]:
    occurrences = [
        np.bincount(g.gram[~held_out & (g.gram >= 0)], minlength=len(g.before)).astype(np.float64) for g in found
    ]
    lower: NDArray[np.float64] = np.full(int(held_out.sum()), 1 / classes)
    losses = []
    for context, (level, counts) in enumerate(zip(found, occurrences, strict=True)):
        here = level.gram[held_out]
        losses.append(-np.log(_interpolated(level, counts, here, lower)))
        if context + 1 < len(found):
            longer, present = found[context + 1], occurrences[context + 1] > 0
            kinds = np.bincount(longer.shorter[present], minlength=len(counts)).astype(np.float64)
            lower = _interpolated(level, kinds, here, lower)
    return np.array(losses)


def _interpolated(
    level: Grams, counts: _Counts, here: NDArray[np.int64], lower: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities of the grams ``here`` from ``counts``; ``lower`` are those of the shorter context."""
    discount = discounts(counts)[np.minimum(counts, 3).astype(np.int64)]
    total = np.bincount(level.before, counts, len(level.before))
    kept_back = np.bincount(level.before, discount, len(level.before))
    exists = here >= 0
    before = level.before[here]
    seen = exists & (total[before] > 0)
    scale = np.where(seen, total[before], 1.0)
    own = np.maximum(counts[here] - discount[here], 0.0)
    return np.where(seen, own / scale + kept_back[before] / scale * lower, lower)


def discounts(counts: _Counts) -> NDArray[np.float64]:
    """``(4,)`` what is taken off a count of 0, 1, 2, and 3 or more."""
    n = np.array([np.sum(counts == j) for j in range(1, 5)], dtype=np.float64)
    if (n == 0).any():
        return _FALLBACK
    share = n[0] / (n[0] + 2 * n[1])
    j = np.arange(1, 4)
    estimated = j - (j + 1) * share * n[1:] / n[:-1]
    return np.concatenate([[0.0], estimated]) if (estimated > 0).all() else _FALLBACK
