r"""An online code for labels given vectors: a softmax probe, refitted each time the rows sent have doubled.

The labels of rows :math:`n_{k-1} < i \le n_k` are sent with :math:`p(y \mid x, \theta_{k-1})`, fitted to the rows
before them, and those of the first block with a uniform code. The probe is

.. math::
    p(y \mid x) \propto f_y\, e^{w_y \cdot z}, \qquad f_y = \frac{c_y + K/C}{n + K},

with the Witten–Bell frequencies :math:`f` of the labels sent so far (K distinct ones among C classes), :math:`z` the
standardised vector with a 1 behind it, scaled to a mean square length of 1, and the weights at the maximum of their
posterior under Gaussian priors of standard deviation s. Codes with s = 0 (the frequencies alone), 2 and 8 are mixed
by Bayes' rule label by label, so the length is at most :math:`\log 3` above that of the best of them. That holds for
any labels, shuffled ones too, so a site can never seem to know much that it does not.

Source: Rissanen, IEEE Transactions on Information Theory 30 (1984) 629; Blier & Ollivier, arXiv:1802.07044; Voita &
Titov, arXiv:2003.12298; frequencies from Witten & Bell, IEEE Transactions on Information Theory 37 (1991) 1085.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from gnomon.estimators.information.lbfgs import minimised

SCALES = (0.0, 2.0, 8.0)
FIRST_BLOCK = 16
_ITERATIONS = 40


def blocks(rows: int) -> list[int]:
    """Where blocks end: a doubling each, the last at ``rows``.

    >>> blocks(100)
    [16, 32, 64, 100]
    """
    ends = [FIRST_BLOCK]
    while 2 * ends[-1] < rows:
        ends.append(2 * ends[-1])
    return [*ends, rows]


def code_lengths(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    r"""What each label costs in nats, in the order given: ``(rows,)``; and ``(scales, rows)`` under each code alone.

    The last number is the variance that the total has because other rows would have led to other probes. One fitted to
    n rows with d free numbers costs about :math:`\chi^2_d / 2n` a label more than the best (Wilks), so it adds
    :math:`(m/n)^2 d/2` for m labels; d counts all weights, or n where that is less, which makes it an upper bound.

    Cost: at most 40 evaluations of each probe, :math:`4 n K d` operations each, for two scales and n up to half of the
    rows.
    """
    z = _standardised(vectors)
    alone = np.full((len(SCALES), len(labels)), np.log(classes))
    by_fit = 0.0
    ends = blocks(len(labels))
    for sent, end in itertools.pairwise(ends):
        seen, index = np.unique(labels[:sent], return_inverse=True)
        counts = np.bincount(index)
        frequencies = np.full(classes, len(seen) / classes)
        frequencies[seen] += counts
        logs = np.log(frequencies / (sent + len(seen)))
        rest = 1 - np.exp(logs[seen]).sum()  # of classes not seen, which have no weights
        weights = np.zeros((len(seen), z.shape[1]))
        by_fit += ((end - sent) / sent) ** 2 * min((len(seen) - 1) * z.shape[1], sent) / 2
        for scale, row in zip(SCALES, alone, strict=True):
            if scale:
                weights = _fitted(z[:sent], index, logs[seen], rest, scale, weights)
            scores = logs[seen] + z[sent:end] @ weights.T
            normaliser = logsumexp(np.column_stack([scores, np.full(end - sent, _log(rest))]), axis=1)
            own = logs[labels[sent:end]]
            place = np.searchsorted(seen, labels[sent:end]).clip(max=len(seen) - 1)
            known = seen[place] == labels[sent:end]
            own = np.where(known, scores[np.arange(end - sent), place], own)
            row[sent:end] = normaliser - own
    together = -(logsumexp(-np.cumsum(alone, axis=1), axis=0) - np.log(len(SCALES)))
    return np.diff(together, prepend=0.0), alone, by_fit


def _log(share: float) -> float:
    return float(np.log(share)) if share > 0 else -np.inf


def _standardised(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors are known to both sides, so all of them may be looked at."""
    x = vectors.astype(np.float64)
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    x = x / np.where(spread > 1e-6 * max(float(spread.max()), 1e-300), spread, np.inf)
    return np.column_stack([x / np.sqrt(x.shape[1]), np.ones(len(x))])


def _fitted(
    z: NDArray[np.float64],
    index: NDArray[np.int64],
    logs: NDArray[np.float64],
    rest: float,
    scale: float,
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weights ``(seen, features)`` at the maximum of the posterior, from ``start``."""
    rows = np.arange(len(z))
    observed = np.zeros((len(z), len(logs)))
    observed[rows, index] = 1.0
    moment = observed.T @ z

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(start.shape)
        scores = logs + z @ weights.T
        highest = np.maximum(scores.max(axis=1, keepdims=True), 0.0)
        shares = np.exp(scores - highest)
        total = shares.sum(axis=1, keepdims=True) + rest * np.exp(-highest)
        loss = float((np.log(total) + highest).sum() - scores[rows, index].sum())
        slope = (shares / total).T @ z - moment + weights / scale**2
        return loss + float(np.square(weights).sum()) / (2 * scale**2), slope.ravel()

    return minimised(objective, start.ravel(), iterations=_ITERATIONS).reshape(start.shape)
