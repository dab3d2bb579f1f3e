"""Detection by cross-validation, and why its interval is wider than that of a test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.structure.directions.detection import Auroc, area, auroc
from gnomon.structure.examples import Examples

Array = NDArray[np.float64]

# When something was chosen by folds that are scored too, how much the choice adds cannot be read off the fits; twice
# the variance is what the sum over folds has at chance, where it is most.
CHOSEN = 2.0


def cross_validated(scores: Array, examples: Examples, folds: NDArray[np.int64], *, level: float = 0.95) -> Auroc:
    r"""Area under the ROC curve of scores by fits without each example's fold; pairs are compared within folds.

    The areas :math:`A_a` of the folds depend on each other: what is by chance in folds a and b raises :math:`A_a`,
    as the fit saw b, and :math:`A_b`, as that fit saw a. At chance the variance of their mean is therefore twice what
    holding the fits fixed says, and an interval that does so covers 85 to 90 of 100. The fits without both folds show
    by how much: with :math:`X_{ab} = A_a - A_a^{(b)}`, what fold b does for the area of fold a,

    .. math:: \widehat{\operatorname{Var}} = \hat\sigma^2
       + \min\Bigl(\hat\sigma^2, \frac{K-2}{K-1} \frac1{K^2} \sum_{a \ne b} X_{ab}^2\Bigr).

    :math:`X_{ab}^2` stands for :math:`X_{ab} X_{ba}`, which it exceeds, and equals at chance for a linear method.

    Parameters
    ----------
    scores : ``(K, n)``, of `CrossFit.scores` at one rank.
    folds : ``(n,)``.
    level : of the interval; it speaks of fresh examples, to fit and to score.

    Sources: the dependence: Bates, Hastie & Tibshirani, JASA 119 (2024) 1434, arXiv:2104.00673; the interval of fixed
    fits: LeDell, Petersen & van der Laan, Electron. J. Stat. 9 (2015) 1583.
    """
    positive = examples.positive.cpu().numpy()
    count = len(scores)
    plain = auroc(outer(scores, folds), positive, clusters=examples.groups, strata=folds, level=level)
    variance = float(np.square(plain.influence).sum())
    if not variance > 0:
        return plain
    where = [np.flatnonzero(folds == f) for f in range(count)]
    areas = np.array([[area(scores[a, f], positive[f]) for a in range(count)] for f in where])
    moved = areas.diagonal()[:, None] - areas
    shared = (count - 2) / (count - 1) / count**2 * float(np.square(moved).sum())
    inflation = 1 + min(shared / variance, 1.0)
    return auroc(
        outer(scores, folds), positive, clusters=examples.groups, strata=folds, inflation=inflation, level=level
    )


def outer(values: Array, folds: NDArray[np.int64]) -> Array:
    """``(n, …)`` of ``(K, n, …)``: each example by the fit without its fold alone."""
    return np.asarray(values[folds, np.arange(len(folds))])
