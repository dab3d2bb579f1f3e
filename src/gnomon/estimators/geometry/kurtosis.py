"""Kurtosis of activations over their features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.row_mean import RowMean
from gnomon.measurement import Quantity

ACTIVATION_KURTOSIS = Quantity(
    name="activation_kurtosis",
    symbol=r"\kappa",
    definition=(
        r"\kappa = \mathbb{E}\,\frac{\tfrac1d \sum_j (x_j - \bar x)^4}{\bigl[\tfrac1d \sum_j (x_j - \bar x)^2\bigr]^2},"
        r"\quad \bar x = \tfrac1d \sum_j x_j"
    ),
    convention=(
        "Moments over the d features of one row, then the mean over rows; 3(d-1)/(d+1) for features that are "
        "independent and Gaussian, about d for a single massive one. Rows whose features are all "
        "equal are left out."
    ),
    source="Elhage, Lasenby & Olah, Privileged Bases in the Transformer Residual Stream, Transformer Circuits (2023)",
    dims=("site",),
    invariances=("scaling", "feature_permutation", "example_permutation"),
    lowest=1.0,
)


@register
class ActivationKurtosis(RowMean):
    r"""Whether few features carry the activation: the kurtosis over features,
    :math:`\kappa = \mathbb{E}\,[m_4/m_2^2]`, where :math:`m_p = \tfrac1d \sum_j (x_j - \bar x)^p` in each row.

    Rotations mix features towards 3; outlier dimensions and massive activations show as values far above it. Unlike
    most of this family it depends on the basis, which is what it is for. The interval is cluster-robust
    (`gnomon.measurement.cluster_mean`).

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared.

    Source: Elhage, Lasenby & Olah (2023).

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> one_massive = ArrayData(np.tile(np.eye(100)[:1], (10, 1)))
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = ActivationKurtosis().measure(subject, one_massive, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 2)
    98.01
    """

    name = "activation_kurtosis"
    quantities = (ACTIVATION_KURTOSIS,)

    def numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `RowMean.numbers`."""
        size = np.abs(values).max(axis=1, keepdims=True)
        centred = values - values.mean(axis=1, keepdims=True)
        # what is left of equal features is rounding of their mean
        equal = np.abs(centred).max(axis=1, keepdims=True) <= 1e-12 * size
        with np.errstate(invalid="ignore", divide="ignore"):
            centred = np.where(equal, np.nan, centred / size)
        squares = np.square(centred)
        return np.asarray(np.square(squares).mean(axis=1) / squares.mean(axis=1) ** 2)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Gaussian features, alone and in sequences, and sparse signs."""
        return (
            KnownAnswer(name="Gaussian features", quantity="activation_kurtosis", make=known.kurtosis_of_gaussian),
            KnownAnswer(
                name="sequences of dependent rows", quantity="activation_kurtosis", make=known.kurtosis_of_sequences
            ),
        )
