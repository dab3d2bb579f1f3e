"""Mean cosine between activations."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.jackknife import jackknife_half_width
from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.subjects import RowAccumulator

ANISOTROPY = Quantity(
    name="anisotropy",
    symbol=r"\overline{\cos}",
    definition=r"\overline{\cos} = \mathbb{E}\,\frac{x \cdot x'}{\lVert x\rVert \lVert x' \rVert}",
    convention="x and x' are activation rows of two different sequences; rows of length zero are left out.",
    source="Ethayarajh, EMNLP (2019), arXiv:1909.00512",
    dims=("site",),
    invariances=("rotation", "scaling", "feature_permutation", "example_permutation"),
    lowest=-1.0,
    highest=1.0,
)
_FEWEST_CLUSTERS = 8


@register
class Anisotropy(RowEstimator):
    r"""Whether activations point the same way: the mean cosine between rows of different sequences.

    With unit rows :math:`u_i` whose sums over sequences are :math:`s_c`, the mean over all pairs from different
    sequences is :math:`(\lVert\sum_c s_c\rVert^2 - \sum_c \lVert s_c\rVert^2) / (n^2 - \sum_c m_c^2)`: exact, not a
    sample of pairs. The interval is the jackknife over sequences.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared.

    Source: Ethayarajh (2019).

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(500, 20)) + 1)
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = Anisotropy().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 1)
    0.5
    """

    name = "anisotropy"
    quantities = (ANISOTROPY,)
    rate = -0.5

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        values = rows.values.astype(np.float64)
        lengths = np.linalg.norm(values, axis=1)
        present = lengths > 0
        names, ids = np.unique(rows.clusters[present], return_inverse=True)
        count = len(names)
        if count < _FEWEST_CLUSTERS:
            reason = f"{count} independent rows of length above zero; at least {_FEWEST_CLUSTERS} are needed"
            budget = suffices(rows, _FEWEST_CLUSTERS / max(count, 1))
            return [Measurement.insufficient(ANISOTROPY, reason, suffices=budget, site=site, estimator=self.name)]
        sums = np.zeros((count, values.shape[1]))
        np.add.at(sums, ids, values[present] / lengths[present, None])
        sizes = np.bincount(ids).astype(np.float64)
        total, own = sums.sum(axis=0), np.square(sums).sum(axis=1)
        whole = float(total @ total)
        cosines, pairs = whole - own.sum(), sizes.sum() ** 2 - np.square(sizes).sum()
        # what goes with a cluster: every pair that it takes part in
        without = (cosines - 2 * (sums @ total - own)) / (pairs - 2 * sizes * (sizes.sum() - sizes))
        half_width = jackknife_half_width(without)
        value = cosines / pairs
        value, low, high = np.clip([value, value - half_width, value + half_width], -1, 1)
        return [
            Measurement.ok(
                ANISOTROPY,
                value,
                Uncertainty.interval(low, high, covers={"data"}, effective_samples=float(count), systematic=0.0),
                site=site,
                estimator=self.name,
                diagnostics={"rows": int(present.sum()), "clusters": count, "rows_without": int((~present).sum())},
            )
        ]

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`."""
        return 10.0 * rows * width

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Directions that are one fixed direction with known probability, alone and in sequences."""
        return (
            KnownAnswer(name="isotropic rows", quantity="anisotropy", make=known.isotropic_directions),
            KnownAnswer(name="a shared direction", quantity="anisotropy", make=known.shared_direction),
            KnownAnswer(name="shared in sequences", quantity="anisotropy", make=known.shared_in_sequences),
        )
