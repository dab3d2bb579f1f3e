"""Calibration error, debiased, with an interval that holds for perfectly calibrated models too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import described
from gnomon.estimators.loss.prediction_sums import PredictionAccumulator, PredictionSums
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Statistic, Subject

CALIBRATION_ERROR = Quantity(
    name="calibration_error",
    symbol=r"\mathrm{CE}_2",
    definition=(
        r"\mathrm{CE}_2 = \Bigl(\sum_b \pi_b\, g_b^2\Bigr)^{1/2},\quad "
        r"g_b = \mathbb{E}\bigl[\hat p - 1[\hat y = y] \mid \hat p \in b\bigr],\quad \pi_b = \Pr[\hat p \in b]"
    ),
    convention="Root mean square over 15 equal bins of the top label's probability; predictions weigh the same.",
    source="Kumar, Liang & Ma, NeurIPS 2019, arXiv:1909.10155",
    invariances=("logit_shift", "example_permutation"),
    lowest=0.0,
    highest=1.0,
)

FEWEST_CLUSTERS = 30
_DRAWS = 4000


@register
class CalibrationError(StreamingEstimator):
    r"""Root-mean-square gap between confidence and accuracy, over fixed bins of confidence.

    With cluster sums :math:`s_{cb}` of (confidence − hit) in bin :math:`b`, :math:`S_b = \sum_c s_{cb}`, and
    :math:`N_b` of all :math:`N` predictions in the bin, the square of the error is estimated without its usual bias
    by leaving the terms inside a cluster out,

    .. math:: \hat\theta = \frac{C}{C-1} \sum_b \frac{S_b^2 - \sum_c s_{cb}^2}{N N_b}.

    The reading is :math:`\sqrt{\max(\hat\theta, 0)}`. Where a model is calibrated this is a degenerate U-statistic,
    to which neither a normal error nor the bootstrap applies, so the interval inverts a test: :math:`\theta` is in
    it unless the observed :math:`\hat\theta` lies in a 2.5 % tail of its distribution, a noncentral quadratic form
    of Gaussians with the cluster-robust covariance of the bins, drawn with common random numbers. The interval
    is never empty: its upper end is that of :math:`\max(\hat\theta, 0)`. Fewer than 30 independent examples or
    clusters are ``insufficient``. Cost: one forward pass, shared.

    Parameters
    ----------
    bins : number of equal bins of confidence. Anything but 15 is another quantity, for exploration.

    Source: Kumar, Liang & Ma (2019), arXiv:1909.10155; debiasing after Bröcker, Climate Dynamics 39 (2012) 655.

    >>> import torch
    >>> from gnomon.subjects import ArrayData, CrossEntropy
    >>> subject = Subject(torch.nn.Identity(), loss=CrossEntropy())
    >>> data = ArrayData(torch.tensor([[4.0, 0.0]]).repeat(100, 1), torch.arange(100) % 2)  # sure, right half the time
    >>> (m,) = CalibrationError().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 2), m.uncertainty.contains(m.value, 0.982 - 0.5)
    (0.48, True)
    """

    name = "calibration_error"
    quantities = (CALIBRATION_ERROR,)
    needs = frozenset({"predictions", "probabilities"})

    def __init__(self, bins: int = 15) -> None:
        if bins < 1:
            raise GnomonError(f"{bins} bins of confidence", mend="use at least 1")
        self.bins = bins

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`."""
        del subject, data, sites, budget
        return {"predictions": PredictionSums(self.bins)}

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """See `StreamingEstimator.finish`."""
        del sites, budget
        sums = found["predictions"]
        assert isinstance(sums, PredictionAccumulator)
        gaps, counts = sums.by_cluster(sums.overconfidence), sums.by_cluster(sums.in_bin)
        clusters = len(counts)
        diagnostics: dict[str, object] = {**described(subject, sums), "clusters": clusters, "bins": self.bins}
        if clusters >= 2:
            binned = BinnedGaps.of(gaps, counts)
            diagnostics["estimate"] = float(np.sqrt(max(binned.squared_error, 0.0)))
            diagnostics["bias_removed"] = binned.noise
        if clusters < FEWEST_CLUSTERS:
            return [
                Measurement.insufficient(
                    CALIBRATION_ERROR,
                    f"{clusters} independent examples or clusters; the interval needs {FEWEST_CLUSTERS}",
                    suffices={"examples": FEWEST_CLUSTERS},
                    estimator=self.name,
                    diagnostics=diagnostics,
                )
            ]
        if not np.isfinite(binned.squared_error):
            return [Measurement.failed(CALIBRATION_ERROR, "a score is not finite", estimator=self.name)]
        low, high = binned.interval(rng)
        value = float(np.sqrt(max(binned.squared_error, 0.0)))
        uncertainty = Uncertainty.interval(
            min(float(np.sqrt(low)), value),
            max(float(np.sqrt(high)), value),
            covers={"data"},
            effective_samples=float(clusters),
            systematic=0.0,
        )
        return [Measurement.ok(CALIBRATION_ERROR, value, uncertainty, estimator=self.name, diagnostics=diagnostics)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Perfectly calibrated subjects (independent and in clusters), and a planted error."""
        quantity = "calibration_error"
        return (
            KnownAnswer(name="calibrated softmax", quantity=quantity, make=known.softmax_calibration),
            KnownAnswer(name="calibrated, clusters of copies", quantity=quantity, make=known.copies_calibration),
            KnownAnswer(name="tempered softmax", quantity=quantity, make=known.tempered_calibration),
            KnownAnswer(name="slightly tempered softmax", quantity=quantity, make=known.slightly_tempered_calibration),
        )


@dataclass(frozen=True)
class BinnedGaps:
    r"""The U-statistic, and what its distribution at any true value depends on.

    With :math:`z_b = S_b / \sqrt{N N_b}`, Gaussian around :math:`\sqrt\theta\, u_b` for a unit vector :math:`u`,
    the statistic is :math:`\lVert z\rVert^2` less its noise.

    Parameters
    ----------
    squared_error : the unbiased estimate :math:`\hat\theta`.
    noise : expectation of :math:`\lVert z\rVert^2 - \theta`.
    direction : the unit vector u, ``(bins,)``.
    influence : ``(clusters, bins + 1)``: each cluster's part in the error of z, and in the relative error of
        :math:`\theta` that comes from the random share of predictions in each bin.
    """

    squared_error: float
    noise: float
    direction: NDArray[np.float64]
    influence: NDArray[np.float64]

    @classmethod
    def of(cls, gaps: NDArray[np.float64], counts: NDArray[np.float64]) -> BinnedGaps:
        """From cluster sums ``(clusters, bins)`` of confidence less hit, and of predictions."""
        used = counts.sum(axis=0) > 0
        gaps, counts = gaps[:, used], counts[:, used]
        clusters, in_bin, total = len(counts), counts.sum(axis=0), counts.sum()
        scale = np.sqrt(total * in_bin)
        z = gaps.sum(axis=0) / scale
        correction = clusters / (clusters - 1)
        squares = np.square(gaps).sum(axis=0) / scale**2
        squared_error = float(correction * (np.square(z) - squares).sum())
        direction = z / max(float(np.linalg.norm(z)), 1e-300)
        mean_gap = gaps.sum(axis=0) / in_bin
        of_z = (gaps - mean_gap * counts) / scale
        of_share = (counts * (np.square(direction) * total / in_bin)).sum(axis=1) - counts.sum(axis=1)
        influence = np.sqrt(correction) * np.column_stack([of_z, of_share / total])
        noise = float(np.square(influence[:, :-1]).sum())
        return cls(squared_error, noise, direction, influence)

    def interval(self, rng: Rng, *, level: float = 0.95) -> tuple[float, float]:
        r"""Both ends for :math:`\theta`: where the observed value is in the tail of its distribution."""
        of_z, of_share = self._errors(rng)
        along, squares = of_z @ self.direction, np.square(of_z).sum(axis=1) - self.noise

        def quantile(theta: float, probability: float) -> float:
            return float(np.quantile(theta * (1 + of_share) + 2 * np.sqrt(theta) * along + squares, probability))

        tail = (1 - level) / 2
        return (
            _crossing(lambda theta: quantile(theta, 1 - tail), self.squared_error),
            _crossing(lambda theta: quantile(theta, tail), max(self.squared_error, 0.0)),
        )

    def _errors(self, rng: Rng) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draws of the errors of z and of the shares, Student t with the clusters' degrees of freedom."""
        freedom = len(self.influence) - 1
        generator = rng.child("errors").numpy()
        covariance = self.influence.T @ self.influence
        powers, axes = np.linalg.eigh(covariance)
        root = axes * np.sqrt(np.maximum(powers, 0.0))
        drawn = generator.normal(size=(_DRAWS, len(root))) @ root.T
        drawn *= np.sqrt(freedom / generator.chisquare(freedom, size=(_DRAWS, 1)))
        return drawn[:, :-1], drawn[:, -1]


def _crossing(rising: Callable[[float], float], target: float) -> float:
    """Where in [0, 1] the function passes ``target`` on its way up."""
    if rising(0.0) >= target:
        return 0.0
    if rising(1.0) <= target:
        return 1.0
    return float(brentq(lambda theta: rising(theta) - target, 0.0, 1.0, xtol=1e-12))
