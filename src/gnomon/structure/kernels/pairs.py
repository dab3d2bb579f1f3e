"""Squared distances and inner products between rows, in blocks, for a metric that is given."""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDINGS = 32.0  # squared distances below so many roundings of the squared norm are those of equal points


class Pairs:
    r"""Numbers between any inputs and fixed points: :math:`(x-z)^\top M (x-z)`, or :math:`x^\top M z`.

    A squared distance is expanded about the mean of the points into one product of matrices, squared norms included;
    what rounding leaves of the distance of equal points is replaced.

    Parameters
    ----------
    points : the z, ``(m, d)``.
    metric : M, ``(d, d)``, symmetric.
    radial : squared distances; otherwise inner products.
    """

    def __init__(self, points: Tensor, metric: Tensor, *, radial: bool) -> None:
        self.radial = radial
        self.metric = metric
        self.origin = points.mean(dim=0) if radial else torch.zeros_like(points[0])
        self.points = points - self.origin if radial else points
        self._right = self.points
        if radial:
            norms = self._norms(self.points @ metric, self.points)
            self._right = torch.cat([self.points, norms, torch.ones_like(norms)], dim=1)

    def shifted(self, inputs: Tensor) -> Tensor:
        """``inputs`` about the origin of ``points``: what the other methods take."""
        return inputs - self.origin if self.radial else inputs

    def arguments(self, shifted: Tensor, first: int = 0, *, equal: float = 0.0) -> Tensor:
        """``(n, m - first)``: between rows and the points from number ``first`` on; ``equal`` for equal points."""
        mapped = shifted @ self.metric
        if not self.radial:
            return mapped @ self._right[first:].T
        norms = self._norms(mapped, shifted)
        left = torch.cat([-2 * mapped, torch.ones_like(norms), norms], dim=1)
        found = left @ self._right[first:].T
        return found.masked_fill_(found <= _ROUNDINGS * torch.finfo(found.dtype).eps * norms, equal)

    def own(self, shifted: Tensor) -> Tensor:
        """``(n,)``: between each row and itself."""
        if self.radial:
            return shifted.new_zeros(len(shifted))
        return self._norms(shifted @ self.metric, shifted)[:, 0]

    @staticmethod
    def _norms(mapped: Tensor, shifted: Tensor) -> Tensor:
        return (mapped * shifted).sum(dim=1, keepdim=True)
