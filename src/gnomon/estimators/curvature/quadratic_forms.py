"""Products with all of the examples, and what each independent group of them has to say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator, no_predictions
from gnomon.measurement import cluster_mean


@dataclass(frozen=True, eq=False)
class QuadraticForms:
    """``A V``, and the quadratic forms of the columns of V by group of examples.

    Parameters
    ----------
    product : ``(d, k)``.
    by_group : ``(groups, k)``: ``vᵀ A v``, summed over the predictions of each group.
    counts : ``(groups,)`` predictions in each.
    """

    product: Tensor
    by_group: NDArray[np.float64]
    counts: NDArray[np.float64]


def quadratic_forms(operator: CurvatureOperator, vectors: Tensor) -> QuadraticForms:
    """One product of ``operator``, taken apart by its groups."""
    total = torch.zeros_like(vectors)
    by_group, counts = [], []
    for sums, count in operator.group_sums(vectors):
        total += sums
        by_group.append((vectors * sums).sum(dim=0).cpu().numpy())
        counts.append(count)
    if sum(counts) == 0:
        raise no_predictions()
    return QuadraticForms(total / sum(counts), np.array(by_group), np.array(counts, dtype=np.float64))


def data_error(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> float | None:
    """Standard error of ``Σ sums / Σ counts`` over draws of the groups; ``None`` when there is one group only."""
    error = cluster_mean(sums, counts)[1].error
    return None if error is None else float(error)
