"""Frobenius norm of a weight matrix."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.spectrum import blocks
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

FROBENIUS_NORM = Quantity(
    name="frobenius_norm",
    symbol=r"\|W\|_F",
    unit=Unit.parse("weight"),
    definition=r"\|W\|_F = \Bigl(\sum_{ij} W_{ij}^2\Bigr)^{1/2}",
    convention="Sum in float64 of the weights as they are stored.",
    source="Golub & Van Loan, Matrix Computations (4th ed., 2013), section 2.3",
    dims=("matrix",),
    invariances=("orthogonal_left_right", "transposition"),
    lowest=0.0,
)


@register
class FrobeniusNorm(MatrixEstimator):
    r"""Root of the sum of all squared entries, :math:`\|W\|_F = (\sum_{ij} W_{ij}^2)^{1/2} = (\sum_i s_i^2)^{1/2}`.

    Exact up to float64 rounding, whose bound :math:`NM\epsilon\|W\|_F` is the systematic part. Unit: that of the
    weights. Cost: one pass over the entries.

    Source: Golub & Van Loan, Matrix Computations (4th ed., 2013), section 2.3.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> [m] = FrobeniusNorm().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.site, m.value, m.uncertainty.kind
    ('weight', 5.0, 'exact')
    """

    name = "frobenius_norm"
    quantities = (FROBENIUS_NORM,)

    def flops(self, rows: int, columns: int) -> float:
        """See `MatrixEstimator.flops`: no decomposition is needed."""
        return 2.0 * rows * columns

    def peak_bytes(self, rows: int, columns: int) -> int:
        """See `MatrixEstimator.peak_bytes`: a block of entries at a time."""
        return min(super().peak_bytes(rows, columns), 16 * rows * columns)

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        norm = sum(float(block.cpu().double().square().sum()) for block in blocks(matrix.values)) ** 0.5
        uncertainty = Uncertainty.exact(
            systematic=matrix.values.numel() * float(np.finfo(np.float64).eps) * norm,
            systematic_source="float64 rounding",
        )
        return [Measurement.ok(FROBENIUS_NORM, norm, uncertainty, site=matrix.site, estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Matrices with planted singular values."""
        return (KnownAnswer(name="planted singular values", quantity="frobenius_norm", make=known.planted_frobenius),)
