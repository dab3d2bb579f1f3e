"""Participation ratio of activations, free of the bias of finite samples."""

from __future__ import annotations

import math

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.hsic import FEWEST_CLUSTERS, moments
from gnomon.estimators.geometry.jackknife import jackknife_half_width
from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit
from gnomon.subjects import RowAccumulator

PARTICIPATION_RATIO = Quantity(
    name="participation_ratio",
    symbol=r"d_\mathrm{PR}",
    unit=Unit.parse("dimension"),
    definition=r"d_\mathrm{PR} = (\operatorname{tr} C)^2 / \operatorname{tr} C^2",
    convention="C is the covariance of activation rows about their mean, every real position weighing the same.",
    source="Gao et al., bioRxiv 214262 (2017); Litwin-Kumar et al., Neuron 93 (2017) 1153",
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation", "example_permutation"),
    lowest=1.0,
)
_LARGEST_LOG_ERROR = math.log(2)


@register
class ParticipationRatio(RowEstimator):
    r"""How many directions share the variance evenly.

    :math:`d_\mathrm{PR} = (\operatorname{tr} C)^2 / \operatorname{tr} C^2` with the covariance C of the rows. Both
    traces are averages over rows of distinct sequences (U-statistics, see `moments`), so that neither the finite
    sample nor dependence inside a sequence biases them: an isotropic Gaussian in d dimensions reads d also when there
    are only d rows, where the plug-in formula reads d/2. The interval is the jackknife over clusters of
    :math:`\ln d_\mathrm{PR}`. The ratio of two unbiased estimates has a bias of the order of its squared relative
    error, which the interval exceeds; where that error reaches a factor of two, the reading is refused.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; :math:`2 n^2 d` operations a site.

    Source: Gao et al. (2017); unbiased traces as in Chen, Zhang & Zhong, JASA 105 (2010) 810.

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(50, 50)))
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = ParticipationRatio().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> 40 < m.value < 60, m.uncertainty.contains(m.value, 50)
    (True, True)
    """

    name = "participation_ratio"
    quantities = (PARTICIPATION_RATIO,)
    rate = -0.5

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        clusters = len(np.unique(rows.clusters))
        diagnostics = {"rows": len(rows.values), "clusters": clusters}
        if clusters < FEWEST_CLUSTERS:
            reason = f"{clusters} independent rows; at least {FEWEST_CLUSTERS} are needed"
            return [self._refusal(reason, rows, site, FEWEST_CLUSTERS / clusters)]
        found = moments([rows.values], rows.clusters)
        square, product = float(found.traces[0]), float(found.products[0, 0])
        squares, products = found.traces_without[:, 0], found.products_without[:, 0, 0]
        if min(square, product, squares.min(), products.min()) <= 0:
            return [self._refusal("the variance cannot be told from zero", rows, site, None)]
        half_width = jackknife_half_width(np.log(squares) - np.log(products))
        value = square / product
        if half_width > _LARGEST_LOG_ERROR:
            reason = f"known only to a factor of {math.exp(half_width):.1f}"
            return [self._refusal(reason, rows, site, (half_width / _LARGEST_LOG_ERROR) ** 2)]
        uncertainty = Uncertainty.interval(
            max(1.0, value * math.exp(-half_width)),
            max(1.0, value * math.exp(half_width)),
            covers={"data"},
            effective_samples=float(clusters),
            systematic=0.0,
        )
        # noise can take the unbiased ratio of a single direction below one
        return [
            Measurement.ok(
                PARTICIPATION_RATIO,
                max(1.0, value),
                uncertainty,
                site=site,
                estimator=self.name,
                diagnostics=diagnostics,
            )
        ]

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`."""
        return rows**2 * (2.0 * width + 50)

    def _refusal(self, reason: str, rows: RowAccumulator, site: str, growth: float | None) -> Measurement:
        return Measurement.insufficient(
            PARTICIPATION_RATIO, reason, suffices=suffices(rows, growth), site=site, estimator=self.name
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Gaussians: isotropic with as many rows as dimensions, with a decaying spectrum, and in clusters."""
        return (
            KnownAnswer(name="isotropic, n = d = 100", quantity="participation_ratio", make=known.isotropic),
            KnownAnswer(name="decaying spectrum", quantity="participation_ratio", make=known.decaying),
            KnownAnswer(name="sequences of dependent rows", quantity="participation_ratio", make=known.dependent),
        )
