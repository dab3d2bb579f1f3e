"""Root mean square length of activation rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.row_mean import RowMean
from gnomon.measurement import Quantity, Unit

ACTIVATION_NORM = Quantity(
    name="activation_norm",
    symbol=r"\lVert x \rVert_\mathrm{rms}",
    unit=Unit.parse("activation"),
    definition=r"\lVert x \rVert_\mathrm{rms} = \sqrt{\mathbb{E} \sum_j x_j^2}",
    convention="About the origin, not the mean; summed over features; every real position weighs the same.",
    source="Xiong et al., On Layer Normalization in the Transformer Architecture, ICML (2020), arXiv:2002.04745",
    dims=("site",),
    invariances=("rotation", "feature_permutation", "example_permutation"),
    lowest=0.0,
)


@register
class ActivationNorm(RowMean):
    r"""Typical length of an activation, :math:`\sqrt{\mathbb{E} \lVert x \rVert^2}`.

    The root of the mean over rows, with the root of the cluster-robust interval of that mean
    (`gnomon.measurement.cluster_mean`).

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared.

    Source: Xiong et al. (2020), who follow it through the layers; cluster-robust error as in Miller, arXiv:2411.00640.

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> data = ArrayData(np.tile([[3.0, 4.0]], (10, 1)))
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = ActivationNorm().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> m.value, str(m.unit)
    (5.0, 'activation')
    """

    name = "activation_norm"
    quantities = (ACTIVATION_NORM,)

    def numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `RowMean.numbers`."""
        return np.asarray(np.square(values).sum(axis=1))

    def transformed(self, mean: float) -> float:
        """See `RowMean.transformed`."""
        return math.sqrt(max(0.0, mean))

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Gaussian rows, alone and in sequences."""
        return (
            KnownAnswer(name="Gaussian rows", quantity="activation_norm", make=known.norm_of_rows),
            KnownAnswer(name="sequences of dependent rows", quantity="activation_norm", make=known.norm_of_sequences),
        )
