"""How many strands are found again: prediction strength between halves of the contexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.mixtures.expectation_maximisation import Fit
from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.path import paths

REPRODUCED = 0.8  # Tibshirani & Walther: well-separated groups reach 0.8 to 0.9
SURE = 0.9  # contexts that a fit itself is unsure of are no evidence against it


@dataclass(frozen=True, eq=False)
class Halves:
    """Fits of both halves of the contexts, for each number of strands.

    Parameters
    ----------
    first, second : contexts of each half, no cluster in both.
    fits : of each.
    """

    first: Gradients
    second: Gradients
    fits: tuple[Mapping[int, Fit], Mapping[int, Fit]]

    @classmethod
    def of(cls, gradients: Gradients, *, most: int, most_rank: int, rng: Rng) -> Halves:
        """A random split by clusters, and both paths."""
        ids, places = np.unique(gradients.clusters, return_inverse=True)
        side = rng.child("halves").numpy().permutation(len(ids)) % 2 == 0
        parts = [gradients.take(np.flatnonzero(side[places] == which)) for which in (True, False)]
        found = [
            paths(part, most=most, most_rank=most_rank, rng=rng.child("half", number))
            for number, part in enumerate(parts)
        ]
        return cls(parts[0], parts[1], (found[0], found[1]))

    def strengths(self, most: int) -> NDArray[np.float64]:
        """``(most,)`` prediction strength of 1 to ``most`` strands; that of a single one is 1."""
        return np.array([1.0, *(self.strength(k) for k in range(2, most + 1))])

    def strength(self, k: int) -> float:
        """Prediction strength of k strands, the lower of both directions; 0 where a half has no such fit."""
        fits = [found.get(k) for found in self.fits]
        if any(fit is None or not fit.mixture.distinct for fit in fits):
            return 0.0
        mixtures = [fit.mixture for fit in fits if fit is not None]
        strengths = []
        for part, own, other in zip((self.first, self.second), mixtures, mixtures[::-1], strict=True):
            mine, labels = own.probabilities(part).max(dim=1)
            theirs, others = other.probabilities(part).max(dim=1)
            sure = (mine >= SURE) & (theirs >= SURE)
            strengths.append(prediction_strength(labels[sure], others[sure], k))
        return min(strengths)


def prediction_strength(own: Tensor, other: Tensor, k: int) -> float:
    r"""The least share, over the k groups of ``own``, of the pairs in a group that ``other`` puts together as well.

    Labels beyond k - 1 (the background) are no group: such contexts are left out of ``own``, and are together with
    nothing in ``other``. A group of one is no evidence and counts 0.

    Source: Tibshirani & Walther, Journal of Computational and Graphical Statistics 14 (2005) 511.

    >>> prediction_strength(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([1, 1, 0, 0, 0]), 2)
    0.3333333333333333
    """
    table = torch.zeros(k, k, dtype=torch.float64)
    counted = (own < k).cpu()
    sizes = torch.bincount(own.cpu()[counted], minlength=k).double()
    both = counted & (other < k).cpu()
    table.index_put_((own.cpu()[both], other.cpu()[both]), torch.tensor(1.0).double(), accumulate=True)
    together = (table * (table - 1)).sum(dim=1)
    pairs = sizes * (sizes - 1)
    return float(torch.where(pairs > 0, together / pairs.clamp(min=1.0), 0.0).min())


def largest_reproduced(strengths: NDArray[np.float64]) -> int:
    """The largest number of strands, counted from 1, whose strength is 0.8 or more."""
    return int(np.flatnonzero(strengths >= REPRODUCED)[-1]) + 1
