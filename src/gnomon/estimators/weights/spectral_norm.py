"""Spectral norm of a weight matrix."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.spectrum import spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

SPECTRAL_NORM = Quantity(
    name="spectral_norm",
    symbol=r"\|W\|_2",
    unit=Unit.parse("weight"),
    definition=r"\|W\|_2 = \max_{\|x\|_2 = 1} \|Wx\|_2 = s_1(W)",
    convention="Largest singular value, in float64, of the weights as they are stored.",
    source="Golub & Van Loan, Matrix Computations (4th ed., 2013), section 2.3",
    dims=("matrix",),
    invariances=("orthogonal_left_right", "transposition"),
    lowest=0.0,
)


@register
class SpectralNorm(MatrixEstimator):
    r"""Largest factor by which the matrix stretches a vector, :math:`\|W\|_2 = \max_{\|x\|=1}\|Wx\| = s_1`.

    Exact up to float64 rounding, whose bound :math:`\max(N, M)\,\epsilon\,s_1` is the systematic part. Unit: that of
    the weights. Cost: one singular value decomposition, shared by the family.

    Source: Golub & Van Loan, Matrix Computations (4th ed., 2013), section 2.3.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> [m] = SpectralNorm().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.value
    4.0
    """

    name = "spectral_norm"
    quantities = (SPECTRAL_NORM,)

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        spectrum = spectrum_of(matrix.values)
        largest = float(spectrum.values[0]) if len(spectrum.values) else 0.0
        uncertainty = Uncertainty.exact(systematic=spectrum.rounding, systematic_source="float64 rounding")
        return [Measurement.ok(SPECTRAL_NORM, largest, uncertainty, site=matrix.site, estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Matrices with planted singular values."""
        return (KnownAnswer(name="planted singular values", quantity="spectral_norm", make=known.planted_spectral),)
