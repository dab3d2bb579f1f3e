"""Intrinsic dimension from the two nearest neighbours."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.dimension import DIMENSION, DimensionEstimator
from gnomon.estimators.geometry.scaling import Reading, Scaling
from gnomon.measurement import Quantity

TWONN_DIMENSION = Quantity(
    name="twonn_dimension",
    symbol=r"d_\mathrm{2NN}",
    unit=DIMENSION,
    definition=r"d_\mathrm{2NN} = \lim_{n \to \infty} 1 / \mathbb{E}\,\ln(r_2 / r_1)",
    convention=(
        "r_1 and r_2 are the Euclidean distances of an activation row to its two nearest rows from other sequences, "
        "at most one from each; rows that repeat another count once; where the local dimension varies, its harmonic "
        "mean over rows."
    ),
    source="Facco, d'Errico, Rodriguez & Laio, Scientific Reports 7 (2017) 12140, arXiv:1803.06992",
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation"),
    lowest=0.0,
)


@register
class TwoNN(DimensionEstimator):
    r"""Intrinsic dimension from the ratio of the distances to the second and the first neighbour.

    Where the density is constant over a neighbourhood, :math:`\ln(r_2/r_1)` is exponential with rate d, whatever
    the density is; the value is the unbiased maximum-likelihood estimate
    :math:`\hat d = (n-1) / \sum_i \ln(r_{i,2}/r_{i,1})` at full n. The interval covers the data (random halves of
    the clusters). The systematic bound covers finite n, which makes the estimate low where a boundary or curvature
    reaches into the neighbourhoods: the distance to the scale curve continued to :math:`n \to \infty`, see
    `Scaling`. Where both together exceed half of the value, as for a cube in 20 dimensions at 2,000 rows, the
    reading is refused.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; :math:`n^2 d` operations for the neighbours, shared with `LevinaBickel` and
    `Gride`.

    Source: Facco et al. (2017); maximum likelihood as in Denti et al., arXiv:2104.13832.

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> square = np.random.default_rng(0).random((1000, 2)) @ np.random.default_rng(1).normal(size=(2, 16))
    >>> subject, data = Subject(torch.nn.Identity()), ArrayData(square)
    >>> (m,) = TwoNN().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> m.status, bool(abs(m.value - 2) < 0.3), m.uncertainty.contains(m.value, 2)
    ('ok', True, True)
    """

    name = "twonn"
    quantities = (TWONN_DIMENSION,)

    def reading(self, scaling: Scaling) -> Reading:
        """See `DimensionEstimator.reading`."""
        return scaling.twonn

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Cubes from low to too high dimension, and copies of rows."""
        names = ("square", "5-cube", "20-cube", "5-cube, a third copied")
        return known.dimension_answers("twonn_dimension", names)
