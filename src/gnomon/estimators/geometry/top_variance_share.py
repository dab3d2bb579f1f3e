"""Share of the variance of activations that lies along one direction."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.estimators.geometry.spectrum import FEWEST_CLUSTERS, Spectrum, spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.subjects import RowAccumulator

TOP_VARIANCE_SHARE = Quantity(
    name="top_variance_share",
    symbol=r"\lambda_1 / \operatorname{tr} C",
    definition=r"\lambda_1(C) / \operatorname{tr} C",
    convention="C is the covariance of activation rows about their mean, every real position weighing the same.",
    source="Pearson, Philosophical Magazine 2 (1901) 559; Mu & Viswanath, ICLR (2018), arXiv:1702.01417",
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation", "example_permutation"),
    lowest=0.0,
    highest=1.0,
)
_LARGEST_SHARE = 0.5  # of the value; an error beyond it leaves nothing to report


@register
class TopVarianceShare(RowEstimator):
    r"""How far one direction dominates: the share :math:`\lambda_1 / \operatorname{tr} C` of the variance along it.

    The largest eigenvalue of a sample is too high, since its eigenvector is fitted to the noise; the variance of one
    half of the sequences along the first eigenvector of the other half is too low, since that eigenvector is not
    the true one. The value is the middle of the two and the systematic bound reaches to both. The interval covers the
    data, by the influence of each sequence.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; five eigendecompositions of d × d a site, shared with `ActivationEffectiveRank`.

    Source: Pearson (1901); for language models Mu & Viswanath (2018).

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(1000, 5)) * [4, 1, 1, 1, 1])
    >>> subject = Subject(torch.nn.Identity())
    >>> (m,) = TopVarianceShare().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 1), m.uncertainty.contains(m.value, 16 / 20)
    (0.8, True)
    """

    name = "top_variance_share"
    quantities = (TOP_VARIANCE_SHARE,)

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        clusters = len(np.unique(rows.clusters))
        if clusters < FEWEST_CLUSTERS:
            reason = f"{clusters} independent rows; at least {FEWEST_CLUSTERS} are needed"
            return [self._refusal(reason, rows, site, FEWEST_CLUSTERS / clusters)]
        found = spectrum_of(rows)
        if found is None:
            return [self._refusal("the variance cannot be told from zero", rows, site)]
        fitted, held_out = float(found.variances[0] / found.variances.sum()), float(found.held_out.mean())
        value, gap = (fitted + held_out) / 2, abs(fitted - held_out) / 2
        diagnostics = {"rows": len(rows.values), "clusters": clusters, "fitted": fitted, "held_out": held_out}
        half_width = _half_width(found, fitted)
        if half_width + gap > _LARGEST_SHARE * value:
            reason = f"the error is {(half_width + gap) / value:.0%} of the estimate"
            growth = max(2.0, ((half_width + gap) / (_LARGEST_SHARE * value)) ** 2)
            return [self._refusal(reason, rows, site, growth, {"estimate": value, **diagnostics})]
        low, high = np.clip([value - half_width, value + half_width], 0, 1)
        uncertainty = Uncertainty.interval(
            low,
            high,
            covers={"data"},
            effective_samples=float(clusters),
            systematic=gap,
            systematic_source="fitted against held-out variance along the first eigenvector",
        )
        return [
            Measurement.ok(
                TOP_VARIANCE_SHARE, value, uncertainty, site=site, estimator=self.name, diagnostics=diagnostics
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
            TOP_VARIANCE_SHARE,
            reason,
            suffices=suffices(rows, growth),
            site=site,
            estimator=self.name,
            diagnostics=diagnostics,
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Gaussians: one dominant direction, a decaying spectrum, and in sequences."""
        name = "top_variance_share"
        return (
            KnownAnswer(name="one dominant direction", quantity=name, make=known.dominant_share),
            KnownAnswer(name="decaying spectrum", quantity=name, make=known.share_of_decaying),
            KnownAnswer(name="sequences of dependent rows", quantity=name, make=known.share_of_sequences),
        )


def _half_width(found: Spectrum, share: float) -> float:
    r"""From the influence of each row, :math:`[(v_1 \cdot x)^2 - p_1 \|x\|^2] / \operatorname{tr} C`."""
    return found.half_width((found.squares[:, 0] - share * found.squares.sum(axis=1)) / found.variances.sum())
