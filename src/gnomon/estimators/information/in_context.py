"""Loss against position in the text, and the in-context learning score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator, register
from gnomon.estimators.information import known
from gnomon.estimators.information.clustered import FEWEST_CLUSTERS, clustered_means, too_few
from gnomon.estimators.information.spans import centres, span_of, spans
from gnomon.estimators.information.token_losses import LossAccumulator, TokenLosses, not_sequences
from gnomon.measurement import Measurement, Quantity, Unit, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Statistic, Subject

_CONVENTION = (
    "ℓ_t is the negative log-likelihood of the token that t tokens of its text stand before, a token that begins "
    "every text included; evaluation mode; natural logarithm. All positions are measured on the same texts, those "
    "that reach the last one. The tokens before are also the place in the text: what changes with the place is in "
    "it, unlike in conditional_entropy."
)
_SHARE = 10  # the early position is the late one divided by this, as 50 is of 500
_LATEST = 500
_FEWEST_POSITIONS = 10

SCORE = Quantity(
    name="in_context_learning_score",
    symbol=r"s_\mathrm{ICL}",
    unit=Unit.parse("nat/prediction"),
    definition=(
        r"s_\mathrm{ICL} = \mathbb{E}\,\ell_{t_1} - \mathbb{E}\,\ell_{t_0}, \quad \ell_t = -\log p(x_t \mid x_{<t})"
    ),
    convention=(
        "Negative where later tokens are predicted better. t₁ = 500 and t₀ = 50, or, where fewer than three quarters "
        "of the texts are so long, t₁ is what three quarters of them reach, and t₀ a tenth of it; each is averaged "
        f"over the tenth of positions that ends there. {_CONVENTION}"
    ),
    source="Olsson et al., arXiv:2209.11895; Kaplan et al., arXiv:2001.08361 (loss by position)",
    invariances=("example_permutation",),
)
BY_POSITION = Quantity(
    name="loss_by_position",
    symbol=r"\mathcal{L}(t)",
    unit=Unit.parse("nat/prediction"),
    definition=r"\mathcal{L}(t) = \mathbb{E}\,\ell_t, \quad \ell_t = -\log p(x_t \mid x_{<t})",
    convention=(
        "Averaged over spans of positions: 1, 2, 3, 4, then two to each doubling (the diagnostics hold their ends). "
        f"The interval is pointwise. {_CONVENTION}"
    ),
    source="Kaplan et al., arXiv:2001.08361, section D.5",
    axes=("position",),
    invariances=("example_permutation",),
    lowest=0.0,
)


@register
class InContextLearning(StreamingEstimator):
    r"""How much better late tokens are predicted than early ones of the same text.

    .. math:: \hat s = \frac{\sum_c (a_c - r\, b_c)}{\sum_c m_c}

    where text :math:`c` has :math:`m_c` predictions with losses that sum to :math:`a_c` among the late positions, and
    sum to :math:`b_c` among :math:`m_c / r` early ones. Late and early are paired in each text, which takes out what
    makes one text harder than another; the error is robust to any dependence inside a cluster of texts, and covers
    the data. Texts that do not reach the late position are left out and counted.

    Fewer than 10 clusters, or texts of fewer than 10 predictions, are ``insufficient``. Cost: one forward pass, shared,
    and 4 bytes a token.

    Parameters
    ----------
    early, late : positions that are compared, in tokens before the predicted one; default: 50 and 500, or what the
        texts allow.

    Raises
    ------
    GnomonError : unless 1 ≤ early < late.

    Source: Olsson et al. (2022), arXiv:2209.11895; cluster-robust error as in Miller, arXiv:2411.00640.

    >>> subject, data, truth = known.coin_score(Rng(0))
    >>> score, curve = InContextLearning().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> score.value < 0, score.uncertainty.contains(score.value, truth)
    (True, True)
    >>> curve.diagnostics["from"][:6], curve.diagnostics["to"][:6]
    ([1, 2, 3, 4, 5, 7], [1, 2, 3, 4, 6, 8])
    """

    name = "in_context_learning"
    quantities = (SCORE, BY_POSITION)
    needs = frozenset({"predictions", "probabilities"})
    rate = -0.5

    def __init__(self, *, early: int | None = None, late: int | None = None) -> None:
        if (late is not None and late < 2) or (early is not None and not 1 <= early < (late or np.inf)):
            raise GnomonError(f"positions {early} and {late} cannot be compared", mend="give 1 ≤ early < late")
        self.early = early
        self.late = late

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`: only for networks that predict each token from those before it."""
        return super().inapplicable(subject, data) or not_sequences(subject)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`."""
        del subject, data, sites, budget
        return {"losses": TokenLosses()}

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
        del subject, sites, budget, rng
        losses = found["losses"]
        assert isinstance(losses, LossAccumulator)
        late = self.late or min(_LATEST, int(np.sort(losses.lengths)[len(losses.lengths) // 4]) - 1)
        early = self.early or max(1, round(late / _SHARE))
        long_enough = losses.lengths > late
        clusters = len(np.unique(losses.clusters[long_enough]))
        diagnostics: dict[str, Any] = {
            "early": early,
            "late": late,
            "texts": int(long_enough.sum()),
            "texts_too_short": int((~long_enough).sum()),
            "clusters": clusters,
        }
        reason = ""
        if early >= late:
            reason = f"three quarters of the texts reach position {late}, not past the early one, {early}"
        elif self.late is None and late < _FEWEST_POSITIONS:
            reason = f"a quarter of the texts have fewer than {_FEWEST_POSITIONS} predictions"
        if reason:
            return [Measurement.insufficient(q, reason, estimator=self.name) for q in self.quantities]
        if clusters < FEWEST_CLUSTERS:
            return too_few(self, clusters, f"texts of more than {late} tokens", len(long_enough))
        used = np.repeat(long_enough, losses.lengths) & ~np.isnan(losses.losses)
        positions, examples = losses.positions[used], losses.examples[used]
        values = losses.losses[used].astype(np.float64)
        if not np.isfinite(values).all():
            reason = "a token that occurs was given probability 0"
            return [Measurement.failed(q, reason, estimator=self.name) for q in self.quantities]
        groups = losses.clusters[examples]
        return [
            self._score(values, positions, groups, (early, late), diagnostics),
            self._curve(values, positions, groups, late, diagnostics),
        ]

    def _score(
        self,
        values: NDArray[np.float64],
        positions: NDArray[np.int64],
        groups: NDArray[np.int64],
        compared: tuple[int, int],
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        sums, counts, means = [], [], []
        for position in compared:
            here = (positions > 0.9 * position) & (positions <= position)
            sums.append(np.bincount(groups[here], values[here], groups.max() + 1))
            counts.append(np.bincount(groups[here], minlength=groups.max() + 1))
            means.append(values[here].mean())
        # every text has as many early positions as any other, and as many late ones
        ratio = counts[1].sum() / counts[0].sum()
        value, uncertainty = cluster_mean(sums[1] - ratio * sums[0], counts[1].astype(np.float64))
        more = {"early_loss": float(means[0]), "late_loss": float(means[1])}
        return Measurement.ok(SCORE, value, uncertainty, estimator=self.name, diagnostics={**diagnostics, **more})

    def _curve(
        self,
        values: NDArray[np.float64],
        positions: NDArray[np.int64],
        groups: NDArray[np.int64],
        late: int,
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        found = spans(1, late)
        span = span_of(positions, found)
        kept = span >= 0
        curve = clustered_means(values[kept], span[kept], groups[kept], len(found))
        more = {
            "position": centres(found).tolist(),
            "from": [low for low, _ in found],
            "to": [high for _, high in found],
            "simultaneous_factor": curve.simultaneous_factor(),
        }
        return Measurement.ok(
            BY_POSITION, curve.means, curve.intervals(), estimator=self.name, diagnostics={**diagnostics, **more}
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Markov chains and the modules that are the chains; a network that learns a coin's bias as it reads."""
        return (
            KnownAnswer(name="Markov chain of order 3", quantity=SCORE.name, make=known.chain_score),
            KnownAnswer(name="coins of unknown bias", quantity=SCORE.name, make=known.coin_score),
            KnownAnswer(name="Markov chain of order 3, curve", quantity=BY_POSITION.name, make=known.chain_by_position),
            KnownAnswer(name="coins of unknown bias, curve", quantity=BY_POSITION.name, make=known.coin_by_position),
        )
