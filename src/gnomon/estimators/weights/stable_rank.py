"""Stable rank of a weight matrix."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.spectrum import spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

STABLE_RANK = Quantity(
    name="stable_rank",
    symbol=r"\mathrm{srank}",
    unit=Unit.parse("dimension"),
    definition=r"\mathrm{srank}(W) = \|W\|_F^2 / \|W\|_2^2 = \sum_i s_i^2 / s_1^2",
    convention="Undefined for a zero matrix.",
    source="Rudelson & Vershynin, J. ACM 54 (2007) 21, arXiv:math/0503442",
    dims=("matrix",),
    invariances=("scaling", "orthogonal_left_right", "transposition"),
    lowest=0.0,
)


@register
class StableRank(MatrixEstimator):
    r"""Squared Frobenius over squared spectral norm, :math:`\sum_i s_i^2 / s_1^2`: from 1 up to the rank.

    Exact up to float64 rounding: with singular values off by at most :math:`\delta = \max(N, M)\,\epsilon\,s_1`, the
    ratio of n of them moves by at most :math:`2(n + \mathrm{srank})\,\delta/s_1`, the systematic part. Unit:
    dimensions. A zero matrix has none and is ``insufficient``. Cost: one singular value decomposition, shared.

    Source: Rudelson & Vershynin, J. ACM 54 (2007) 21, arXiv:math/0503442.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> [m] = StableRank().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.value
    1.5625
    """

    name = "stable_rank"
    quantities = (STABLE_RANK,)

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        spectrum = spectrum_of(matrix.values)
        if not len(spectrum.values):
            zero = "the matrix is zero, which has no stable rank"
            return [Measurement.insufficient(STABLE_RANK, zero, site=matrix.site, estimator=self.name)]
        largest = spectrum.values[0]
        rank = float(np.square(spectrum.values / largest).sum())
        moves = 2 * (len(spectrum.values) + rank) * spectrum.rounding / largest
        uncertainty = Uncertainty.exact(systematic=float(moves), systematic_source="float64 rounding")
        return [Measurement.ok(STABLE_RANK, rank, uncertainty, site=matrix.site, estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Matrices with planted singular values."""
        return (KnownAnswer(name="planted singular values", quantity="stable_rank", make=known.planted_stable_rank),)
