"""Effective rank of activations: the exponential of the entropy of their variances."""

from __future__ import annotations

import math

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.estimators.geometry.spectrum import FEWEST_CLUSTERS, Floats, Spectrum, spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit
from gnomon.subjects import RowAccumulator

ACTIVATION_EFFECTIVE_RANK = Quantity(
    name="activation_effective_rank",
    symbol=r"e^{H(\lambda)}",
    unit=Unit.parse("dimension"),
    definition=r"e^{H(\lambda)}, \quad H = -\sum_k p_k \ln p_k, \quad p_k = \lambda_k / \sum_l \lambda_l",
    convention="λ are the eigenvalues of the covariance of activation rows: variances, not singular values.",
    source="Roy & Vetterli, EUSIPCO (2007)",
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation", "example_permutation"),
    lowest=1.0,
)
_LARGEST_CORRECTION = 0.3


@register
class ActivationEffectiveRank(RowEstimator):
    r"""How many directions the variance is spread over, :math:`e^{H}` with the entropy H of the variance shares.

    The entropy of a sample is too low, by d/2n for an isotropic Gaussian and by c/n in general: the value is
    extrapolated from n and n/2 clusters, :math:`\hat H = 2 H_n - \overline{H_{n/2}}`, and the systematic bound is the
    size of that correction. Where it exceeds 0.3 nat (for an isotropic Gaussian: fewer than 2d rows) the reading is
    refused. The interval covers the data, by the influence of each sequence on H. It counts weak directions more
    than ``participation_ratio``, and is never below it.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; five eigendecompositions of d × d a site.

    Source: Roy & Vetterli (2007); bias as in Page, Physical Review Letters 71 (1993) 1291.

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(1000, 50)))
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = ActivationEffectiveRank().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> round(m.value), m.uncertainty.contains(m.value, 50)
    (50, True)
    """

    name = "activation_effective_rank"
    quantities = (ACTIVATION_EFFECTIVE_RANK,)

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        clusters = len(np.unique(rows.clusters))
        if clusters < FEWEST_CLUSTERS:
            reason = f"{clusters} independent rows; at least {FEWEST_CLUSTERS} are needed"
            return [self._refusal(reason, rows, site, FEWEST_CLUSTERS / clusters)]
        found = spectrum_of(rows)
        if found is None:
            return [self._refusal("the variance cannot be told from zero", rows, site)]
        entropy = _entropy(found.variances)
        correction = entropy - float(np.mean([_entropy(half) for half in found.halves]))
        diagnostics = {"rows": len(rows.values), "clusters": clusters, "plug_in": math.exp(entropy)}
        value, width = max(1.0, math.exp(entropy + correction)), rows.values.shape[1]
        if abs(correction) > _LARGEST_CORRECTION or width > 2 * clusters:
            reason = f"{clusters} independent rows are too few for {width} features"
            growth = max(abs(correction) / _LARGEST_CORRECTION, width / (2 * clusters), 1.0) * 2
            return [self._refusal(reason, rows, site, growth, {"estimate": value, **diagnostics})]
        half_width = _half_width(found)
        uncertainty = Uncertainty.interval(
            max(1.0, value * math.exp(-half_width)),
            value * math.exp(half_width),
            covers={"data"},
            effective_samples=float(clusters),
            systematic=value * (math.exp(abs(correction)) - 1),
            systematic_source="finite n: the size of the correction",
        )
        return [
            Measurement.ok(
                ACTIVATION_EFFECTIVE_RANK,
                value,
                uncertainty,
                site=site,
                estimator=self.name,
                diagnostics=diagnostics,
            )
        ]

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`."""
        small = min(rows, width)
        return 10.0 * rows * width * small + 50.0 * small**3

    def _refusal(
        self,
        reason: str,
        rows: RowAccumulator,
        site: str,
        growth: float | None = None,
        diagnostics: dict[str, float] | None = None,
    ) -> Measurement:
        return Measurement.insufficient(
            ACTIVATION_EFFECTIVE_RANK,
            reason,
            suffices=suffices(rows, growth),
            site=site,
            estimator=self.name,
            diagnostics=diagnostics,
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Gaussians: isotropic, with a decaying spectrum, and in sequences."""
        name = "activation_effective_rank"
        return (
            KnownAnswer(name="isotropic", quantity=name, make=known.rank_of_isotropic),
            KnownAnswer(name="decaying spectrum", quantity=name, make=known.rank_of_decaying),
            KnownAnswer(name="sequences of dependent rows", quantity=name, make=known.rank_of_sequences),
        )


def _entropy(variances: Floats) -> float:
    shares = variances / variances.sum()
    return float(-(shares * np.log(shares)).sum())


def _half_width(found: Spectrum) -> float:
    r"""From the influence of each row on H, :math:`-\sum_k (\ln p_k + H)\,(v_k \cdot x)^2 / \operatorname{tr} C`."""
    shares = found.variances / found.variances.sum()
    weights = np.log(shares) + _entropy(found.variances)
    return found.half_width(-(found.squares @ weights) / found.variances.sum())
