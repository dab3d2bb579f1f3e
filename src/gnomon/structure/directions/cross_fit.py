"""Directions fitted without an example, or without it and one fold more: what everything honest is read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.readout import Readout
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

Array = NDArray[np.float64]

_FIRST = 2  # folds before the first that has coordinates along directions fitted to what is before it


@dataclass(frozen=True, eq=False)
class CrossFit:
    r"""Scores and coordinates of every example by fits that did not see it.

    There are K folds. ``[a, i]`` is by the fit without fold a and without the fold of example i; where i is in fold a,
    by the fit without fold a alone. So ``[a, i]`` for i outside fold a is cross-validation inside what fold a is scored
    by, from :math:`K(K+1)/2` fits instead of :math:`K^2`: the fit without a and b serves both.

    Parameters
    ----------
    folds : ``(n,)``.
    scores : ``(K, n, R)``; the last axis is the rank that the read-out uses, from 1.
    forward : ``(n,)``: coordinates along the leading direction fitted to the folds before an example's own; 0 in the
        first two folds, which have too few before them.
    """

    folds: NDArray[np.int64]
    scores: Array
    forward: Array

    @property
    def ranks(self) -> int:
        """R, the highest rank that was fitted."""
        return int(self.scores.shape[2])

    @property
    def tested(self) -> NDArray[np.int64]:
        """The examples that have coordinates in ``forward``."""
        return np.flatnonzero(self.folds >= _FIRST)


def cross_fit(
    method: Method,
    examples: Examples,
    folds: NDArray[np.int64],
    *,
    rank: int,
    rng: Rng,
    fitted: Callable[[], None] = lambda: None,
) -> CrossFit:
    """Fit ``method`` without each fold, and without each two.

    Parameters
    ----------
    folds : ``(n,)``, from `assign_folds`.
    rank : at most so many directions; fewer where the method gives no more.
    fitted : called after every fit, for progress.

    Raises
    ------
    GnomonError : when the method cannot be fitted to such examples.
    """
    count, n = int(folds.max()) + 1, len(examples)
    scores, forward = np.zeros((count, n, rank)), np.zeros(n)
    able = rank  # what the first fit turns out to give is what is asked of the others
    for a in range(count):
        for b in range(a, count):
            left_out = np.flatnonzero((folds == a) | (folds == b))
            heights = _fitted_without(method, examples, left_out, left_out, able, rng.child(a, b))
            able = heights.shape[1]
            heights = np.pad(heights, ((0, 0), (0, rank - able)), mode="edge")
            for row, other in {(a, b), (b, a)}:
                here = folds[left_out] == other
                scores[row, left_out[here]] = heights[here]
            if a == b == count - 1:
                forward[left_out] = heights[:, 0]
            fitted()
    for a in range(_FIRST, count - 1):
        here, after = np.flatnonzero(folds == a), np.flatnonzero(folds >= a)
        forward[here] = _fitted_without(method, examples, after, here, 1, rng.child("forward", a))[:, 0]
        fitted()
    return CrossFit(folds, scores[:, :, :able], forward)


def fits(folds: int) -> int:
    """How many fits `cross_fit` takes."""
    return folds * (folds + 1) // 2 + max(folds - 1 - _FIRST, 0)


def leading(method: Method, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
    """The ``rank`` leading directions, or as many as the method gives. Raises GnomonError when it gives none."""
    if method.most is not None:
        rank = min(rank, method.most)
    rank = min(rank, examples.inputs.shape[1])
    while True:
        try:
            return method.subspace(examples, rank=rank, rng=rng)
        except GnomonError:
            if rank == 1:
                raise
            rank -= 1


def _fitted_without(
    method: Method, examples: Examples, left_out: NDArray[np.int64], of: NDArray[np.int64], rank: int, rng: Rng
) -> Array:
    """Scores of the examples ``of`` by the read-outs of ranks 1 to ``rank``, or to what the method gives."""
    chosen = examples.take(np.setdiff1d(np.arange(len(examples)), left_out))
    found = leading(method, chosen, rank=rank, rng=rng)
    centre = chosen.inputs.mean(dim=0)
    others = examples.inputs[torch.from_numpy(of)]
    inside, outside = (found.coordinates(x - centre).cpu().numpy() for x in (chosen.inputs, others))
    positive = chosen.positive.cpu().numpy()
    columns = [Readout.fit(inside[:, :r], positive).scores(outside[:, :r]) for r in range(1, found.rank + 1)]
    return np.stack(columns, axis=1)
