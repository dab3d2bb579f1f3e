"""Seeking slices with many errors on one half of the examples; what is found is to be confirmed on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from gnomon.assurance.errors.features import KINDS, FeatureTable
from gnomon.assurance.errors.graded import Graded

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PAIRED = 200  # features that conjunctions are made of
_ALIKE = 0.8  # Jaccard index from which two slices are told as one
_AS_STRONG = 0.8  # of the strongest one's z, from which a simpler one may stand for it


@dataclass(frozen=True)
class Rule:
    """A feature, or a conjunction of two.

    Parameters
    ----------
    features : numbers of the features, one or two.
    z : how many standard errors the share of errors is above that elsewhere, where it was found.
    """

    features: tuple[int, ...]
    z: float

    def holds(self, table: FeatureTable) -> Mask:
        """``(n,)``: the examples that it holds of."""
        return np.asarray(np.logical_and.reduce([table.member(number) for number in self.features]))


def nominate(graded: Graded, table: FeatureTable, known: Mask, *, most: int, support: int) -> list[Rule]:
    r"""At most ``most`` rules, each with more errors among the ``known`` examples than where no rule holds.

    In each round the rule is taken whose excess of errors is largest among the known examples that no earlier rule
    holds of; so what follows from an earlier rule is not told again. With weights :math:`w_i = 1/m_c` (a cluster counts
    as one), :math:`n_g = \sum_{i \in g} w_i`, means :math:`\bar e` and the variance v of errors, the excess of g is

    .. math:: z_g - \sqrt{2 \ln M}, \qquad
       z_g = \frac{\bar e_g - \bar e_{\bar g}}{\sqrt{v (1/n_g + 1/n_{\bar g})}},

    M the number of rules of its kind (of one feature, or of two), for so large is the largest of M normal numbers. Only
    rules with :math:`n_g` and :math:`n_{\bar g}` at least ``support`` count. Of rules whose examples overlap (Jaccard
    index 0.8 or more) and whose z is at least 0.8 of the largest, the simplest is taken. It ends where none is above
    0: noise alone would look as large.

    Conjunctions are made of the 200 features with the largest z. All counts are products of matrices: the cost of a
    round is that of :math:`200^2 n` multiplications and of the sparse table's entries.

    Sources: Chung et al., arXiv:1807.06068 (lattice of conjunctions, effect against the rest); Eyuboglu et al.,
    arXiv:2203.14960; d'Eon et al., arXiv:2107.00758 (slices in activation space); Lavrač et al., JMLR 5 (2004) 153
    (rules that cover one after another).
    """
    half = table.members[known]
    errors, clusters = graded.errors[known], graded.clusters[known]
    left = np.ones(len(errors), dtype=bool)
    rules: list[Rule] = []
    while len(rules) < most and left.any():
        rule = _best(table, half, errors, _weights(clusters, left), support)
        if rule is None:
            break
        rules.append(rule)
        left &= ~rule.holds(table)[known]
    return rules


def _weights(clusters: NDArray[np.int64], left: Mask) -> Array:
    """Of each example that is left, one over the number that are left of its cluster; 0 of the others."""
    _, ids = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(ids, weights=left)
    return np.where(left, 1 / np.maximum(sizes[ids], 1), 0.0)


def _best(table: FeatureTable, half: csr_array, errors: Array, weights: Array, support: int) -> Rule | None:
    """The rule with the largest corrected z, told by the simplest that means nearly the same examples."""
    single = _standardised(half.T @ weights, half.T @ (weights * errors), errors, weights, support)
    found = np.flatnonzero(single > -np.inf)
    chosen = np.sort(found[np.argsort(-single[found], kind="stable")[:PAIRED]])
    if not len(chosen):
        return None
    # of products of features with each other the diagonal are features alone
    dense = half[:, chosen].toarray().astype(np.float64)
    z = _standardised(
        dense.T @ (weights[:, None] * dense),
        dense.T @ ((weights * errors)[:, None] * dense),
        errors,
        weights,
        support,
    )
    alone = np.eye(len(chosen), dtype=bool)
    z[np.tril(~alone)] = -np.inf
    corrected = z - np.where(alone, _largest(len(found)), _largest(len(found) * (len(found) - 1) // 2))
    first, second = np.unravel_index(int(corrected.argmax()), z.shape)
    if corrected[first, second] <= 0:
        return None
    inside = dense[:, first] * dense[:, second] * (weights > 0)
    shared = dense.T @ (inside[:, None] * dense)
    sizes = dense.T @ ((weights > 0)[:, None] * dense)
    alike = shared / np.maximum(sizes + inside.sum() - shared, 1.0)
    simplicity = np.array([table.features[i].simplicity for i in chosen.tolist()])
    same = np.argwhere((alike >= _ALIKE) & (z >= _AS_STRONG * z[first, second]))
    _, _, i, j = min(
        (int(simplicity[i]) if i == j else len(KINDS) + int(simplicity[i] + simplicity[j]), -float(z[i, j]), i, j)
        for i, j in same.tolist()
    )
    return Rule(tuple(dict.fromkeys((int(chosen[i]), int(chosen[j])))), float(z[i, j]))


def _standardised(counts: Array, wrong: Array, errors: Array, weights: Array, support: int) -> Array:
    """How many standard errors the share of errors of each rule is above the rest's; -∞ where support is too little."""
    total, all_wrong = float(weights.sum()), float(weights @ errors)
    variance = float(weights @ np.square(errors - all_wrong / total)) / total
    rest = total - counts
    enough = (counts >= support) & (rest >= support) & (variance > 0)
    n, m = np.where(enough, counts, 1.0), np.where(enough, rest, 1.0)
    z = (wrong / n - (all_wrong - wrong) / m) / np.sqrt(max(variance, 1e-300) * (1 / n + 1 / m))
    return np.where(enough, z, -np.inf)


def _largest(count: int) -> float:
    """About the largest of so many standard normal numbers."""
    return float(np.sqrt(2 * np.log(max(count, 2))))
