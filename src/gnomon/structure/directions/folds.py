"""Folds of cross-validation that keep dependent examples together and the labels in balance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.examples import Examples

_FEWEST = 3  # with two, nothing could be fitted without two of them
_LEAST_EACH = 2  # clusters of each class in a fold: one says nothing about the variance


def assign_folds(examples: Examples, *, folds: int, rng: Rng) -> NDArray[np.int64]:
    """The fold of each of ``examples``, ``(n,)``; see `deal`."""
    return deal(examples.positive.cpu().numpy(), examples.groups, folds=folds, rng=rng)


def deal(positive: NDArray[np.bool_], groups: NDArray[np.int64], *, folds: int, rng: Rng) -> NDArray[np.int64]:
    """The fold of each example, ``(n,)``: clusters whole, dealt so that every fold has its share of each label.

    Clusters are shuffled, ordered by size and label, and dealt in turn. Where there are too few clusters of a class for
    two in every fold, there are fewer folds.

    Parameters
    ----------
    positive : ``(n,)``, whether an example has the concept.
    groups : ``(n,)`` ids of dependent examples.

    Raises
    ------
    InsufficientEvidenceError : with fewer than 6 clusters of either class.
    """
    _, ids = np.unique(groups, return_inverse=True)
    up = np.bincount(ids, weights=positive).astype(np.int64)
    down = np.bincount(ids).astype(np.int64) - up
    each = min(int((up > 0).sum()), int((down > 0).sum()))
    if each < _FEWEST * _LEAST_EACH:
        raise InsufficientEvidenceError(
            f"{each} independent examples of a class are too few to cross-validate",
            mend=f"give at least {_FEWEST * _LEAST_EACH} of each",
        )
    count = min(folds, each // _LEAST_EACH)
    shuffled = rng.child("folds").numpy().permutation(len(up))
    order = shuffled[np.lexsort((up[shuffled], -(up + down)[shuffled]))]
    fold = np.empty(len(up), dtype=np.int64)
    fold[order] = np.arange(len(up)) % count
    return fold[ids]
