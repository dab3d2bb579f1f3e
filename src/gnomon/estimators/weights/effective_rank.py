"""Effective rank of a weight matrix."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.spectrum import Spectrum, spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

EFFECTIVE_RANK = Quantity(
    name="effective_rank",
    symbol=r"\mathrm{erank}",
    unit=Unit.parse("dimension"),
    definition=r"\mathrm{erank}(W) = \exp\Bigl(-\sum_i p_i \ln p_i\Bigr),\quad p_i = s_i \big/ \sum_j s_j",
    convention="Shares of the singular values themselves, not of their squares. Undefined for a zero matrix.",
    source="Roy & Vetterli, EUSIPCO (2007) 606",
    dims=("matrix",),
    invariances=("scaling", "orthogonal_left_right", "transposition"),
    lowest=0.0,
)


@register
class EffectiveRank(MatrixEstimator):
    r"""Exponential of the entropy of the singular values.

    :math:`\mathrm{erank} = \exp(-\sum_i p_i \ln p_i)` with the shares :math:`p_i = s_i/\sum_j s_j`.

    From 1 up to the rank, which it reaches when all nonzero singular values are equal. Exact up to float64 rounding:
    singular values off by at most :math:`\delta` move the shares by a total variation of at most
    :math:`T = n\delta/\sum_j s_j`, and with it the entropy by at most :math:`T\ln(n-1) + h(T)`, h the binary entropy
    (Audenaert, J. Phys. A 40 (2007) 8127); that is the systematic part. Unit: dimensions. A zero matrix is
    ``insufficient``. Cost: one singular value decomposition, shared.

    Source: Roy & Vetterli, EUSIPCO (2007) 606.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(3, 3, bias=False)
    >>> layer.weight.data = torch.diag(torch.tensor([2.0, 2.0, 0.0]))
    >>> [m] = EffectiveRank().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 12)
    2.0
    """

    name = "effective_rank"
    quantities = (EFFECTIVE_RANK,)

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        spectrum = spectrum_of(matrix.values)
        if not len(spectrum.values):
            zero = "the matrix is zero, which has no effective rank"
            return [Measurement.insufficient(EFFECTIVE_RANK, zero, site=matrix.site, estimator=self.name)]
        rank = float(np.exp(entr(spectrum.values / spectrum.values.sum()).sum()))
        uncertainty = Uncertainty.exact(systematic=_rounding(spectrum, rank), systematic_source="float64 rounding")
        return [Measurement.ok(EFFECTIVE_RANK, rank, uncertainty, site=matrix.site, estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Matrices with planted singular values."""
        make = known.planted_effective_rank
        return (KnownAnswer(name="planted singular values", quantity="effective_rank", make=make),)


def _rounding(spectrum: Spectrum, rank: float) -> float:
    n = len(spectrum.values)
    variation = min(0.5, n * spectrum.rounding / float(spectrum.values.sum()))
    entropy = variation * np.log(max(n - 1, 1)) + entr(variation) + entr(1 - variation)
    return float(rank * np.expm1(entropy))
