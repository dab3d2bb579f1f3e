"""Intrinsic dimension by maximum likelihood over several neighbours."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.dimension import DIMENSION, DimensionEstimator
from gnomon.estimators.geometry.scaling import MLE_NEIGHBOURS, Reading, Scaling
from gnomon.measurement import Quantity

MLE_DIMENSION = Quantity(
    name="mle_dimension",
    symbol=r"d_\mathrm{MLE}",
    unit=DIMENSION,
    definition=(
        r"d_\mathrm{MLE} = \lim_{n \to \infty} \Bigl[\mathbb{E}\,\tfrac{1}{k-1}\sum_{j=1}^{k-1}"
        r"\ln(r_k / r_j)\Bigr]^{-1}"
    ),
    convention=(
        f"k = {MLE_NEIGHBOURS}; inverse local dimensions are averaged over rows, as MacKay and Ghahramani "
        "propose, so that where it varies, the harmonic mean is read; neighbours as for twonn_dimension."
    ),
    source=(
        "Levina & Bickel, NeurIPS 17 (2004); MacKay & Ghahramani, Comments on 'Maximum likelihood estimation of "
        "intrinsic dimension' (2005)"
    ),
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation"),
    lowest=0.0,
)


@register
class LevinaBickel(DimensionEstimator):
    r"""Intrinsic dimension by maximum likelihood over the ten nearest neighbours.

    With distances :math:`r_{i,1} \le \dots \le r_{i,k}`, the value is
    :math:`\hat d = \bigl[\tfrac{1}{n(k-1)} \sum_i \sum_{j<k} \ln(r_{i,k}/r_{i,j})\bigr]^{-1}` at full n. It varies
    less from sample to sample than TwoNN and, looking farther, is more biased; interval, systematic bound and
    refusal are as for `TwoNN`.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; :math:`n^2 d` operations for the neighbours, shared with `TwoNN` and `Gride`.

    Source: Levina & Bickel (2004); MacKay & Ghahramani (2005).

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> square = np.random.default_rng(0).random((1000, 2)) @ np.random.default_rng(1).normal(size=(2, 16))
    >>> subject, data = Subject(torch.nn.Identity()), ArrayData(square)
    >>> (m,) = LevinaBickel().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> m.status, bool(abs(m.value - 2) < 0.2), m.uncertainty.contains(m.value, 2)
    ('ok', True, True)
    """

    name = "levina_bickel"
    quantities = (MLE_DIMENSION,)

    def reading(self, scaling: Scaling) -> Reading:
        """See `DimensionEstimator.reading`."""
        return scaling.mle

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A sphere, a cube of too high dimension, and copies that float32 keeps apart."""
        names = ("5-sphere", "20-cube", "square, a third copied to float32 rounding")
        return known.dimension_answers("mle_dimension", names)
