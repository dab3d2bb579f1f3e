"""How coordinates in a subspace become one score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.structure.directions.logistic import logistic_weight

Array = NDArray[np.float64]
_PENALTY = 0.01  # of squared weights on columns of unit variance


@dataclass(frozen=True, eq=False)
class Readout:
    r"""A score made of coordinates: of one, the coordinate itself; of several, a quadratic function of them.

    :math:`s(z) = b^\top \phi(z)` with φ the coordinates, their squares and their products, by logistic regression
    with a small penalty on standardised columns. The direction of a single coordinate points to the concept already, so
    that nothing is left to fit.

    Parameters
    ----------
    centre, weight : of the columns of φ.
    """

    centre: Array
    weight: Array

    @classmethod
    def fit(cls, coordinates: Array, positive: NDArray[np.bool_]) -> Readout:
        """That of ``(n, r)`` coordinates about a fixed origin, and whether each example has the concept."""
        if coordinates.shape[1] == 1:
            return cls(np.zeros(1), np.ones(1))
        columns = quadratic(coordinates)
        centre, scale = columns.mean(axis=0), columns.std(axis=0)
        scale[scale == 0] = 1.0
        classes = torch.from_numpy(np.where(positive, 1.0, -1.0))
        weight = logistic_weight(torch.from_numpy((columns - centre) / scale), classes, penalty=_PENALTY).numpy()
        return cls(centre, weight / scale)

    def scores(self, coordinates: Array) -> Array:
        """``(n,)``, of ``(n, r)`` coordinates about the same origin."""
        columns = coordinates if len(self.weight) == 1 else quadratic(coordinates)
        return np.asarray((columns - self.centre) @ self.weight)


def quadratic(coordinates: Array) -> Array:
    """``(n, r + r(r+1)/2)``: coordinates, squares and products.

    >>> quadratic(np.array([[2.0, 3.0]])).tolist()
    [[2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    i, j = np.triu_indices(coordinates.shape[1])
    return np.concatenate([coordinates, coordinates[:, i] * coordinates[:, j]], axis=1)
