"""Conditional entropy against context length, beside n-grams counted on the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.information import known
from gnomon.estimators.information.clustered import FEWEST_CLUSTERS, ClusteredMeans, clustered_means, too_few
from gnomon.estimators.information.decay import decay
from gnomon.estimators.information.kneser_ney import held_out_losses
from gnomon.estimators.information.spans import Span, centres, span_of, spans
from gnomon.estimators.information.targets import Targets, measured_targets
from gnomon.estimators.information.token_losses import not_sequences
from gnomon.estimators.information.windows import Texts, draw_windows, longest_context
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit
from gnomon.randomness import Rng, hashed
from gnomon.subjects import Data, Subject

_TOKEN = Unit.parse("token")
_TARGETS = (
    "Targets are tokens with at least M others before them, M the longest context measured, so that every context is "
    "measured on the same targets; evaluation mode; natural logarithm."
)
_EXACTLY = (
    "The network is shown exactly m tokens: windows that begin at any place of a text. What it makes of the place in "
    "the text stays out of it, unlike in loss_by_position. Where every text begins with the same token, windows are "
    "shown with or without it, whichever predicts better (some networks take it for a promise that a text begins, "
    "others fail without it); it does not count."
)

ENTROPY = Quantity(
    name="conditional_entropy",
    symbol=r"H_m",
    unit=Unit.parse("nat/prediction"),
    definition=r"H_m = -\mathbb{E}\,\log p(x_{t+1} \mid x_{t-m+1}, \dots, x_t)",
    convention=(
        f"{_EXACTLY} It is a cross entropy: an upper bound on the texts' own conditional entropy. Averaged over spans "
        "of m: 0 (with a begin token) or 1 to 4, then two to each doubling. The interval is pointwise. "
        f"{_TARGETS}"
    ),
    source="Shannon, Bell System Technical Journal 30 (1951) 50; Khandelwal et al., arXiv:1805.04623",
    axes=("context",),
    invariances=("example_permutation",),
    lowest=0.0,
)
NGRAM_ENTROPY = Quantity(
    name="ngram_cross_entropy",
    symbol=r"H_n^\mathrm{KN}",
    unit=Unit.parse("nat/prediction"),
    definition=r"H_n^\mathrm{KN} = -\mathbb{E}\,\log p_n^\mathrm{KN}(x_{t+1} \mid x_{t-n+1}, \dots, x_t)",
    convention=(
        "Interpolated modified Kneser–Ney with n = 0, 1, … tokens of context, counted on nine tenths of the texts and "
        "scored on the other tenth, in turn, whole clusters at a time. It depends on how much text there is to count: "
        f"the diagnostics say. {_TARGETS}"
    ),
    source="Chen & Goodman, Computer Speech and Language 13 (1999) 359",
    axes=("context",),
    invariances=("example_permutation",),
    lowest=0.0,
)
BEYOND_NGRAMS = Quantity(
    name="beyond_ngrams_context",
    symbol=r"m^*",
    unit=_TOKEN,
    definition=r"m^* = \min\{m : H_{m'} < \min_n H_n^\mathrm{KN} \text{ for all } m' \ge m\}",
    convention=(
        "From so many tokens the network predicts better than any n-gram counted on the data does from all the tokens "
        "it uses. A span of lengths is named by its first, and the interval reaches to the last of its span. "
        f"{_EXACTLY} {_TARGETS}"
    ),
    source="Shannon (1951); Chen & Goodman (1999); see conditional_entropy and ngram_cross_entropy",
    invariances=("example_permutation",),
    lowest=0.0,
)
DECAY = Quantity(
    name="entropy_decay_exponent",
    symbol=r"\alpha_H",
    definition=r"H_m - H_\infty \propto m^{-\alpha_H}",
    convention=(
        "The exponent of the best power law from one token to M, spans weighted by their errors; not read where a "
        f"power law does not fit. {_EXACTLY} {_TARGETS}"
    ),
    source="Hilberg, Frequenz 44 (1990) 243; Takahira, Tanaka-Ishii & Dębowski, Entropy 18 (2016) 364",
    invariances=("example_permutation",),
    lowest=0.0,
)

_FOLDS = 10
_FEWEST_IN_SPAN = 4  # clusters in which a span of contexts was drawn, below which its error is not to be trusted
_PILOT = 16  # each way of showing windows is tried on this part of the positions
# What counting takes, in the arithmetic that a price is stated in and in memory, for each token and length of context;
# measured on 10⁵ tokens.
_FLOPS_A_GRAM = 200
_BYTES_A_GRAM = 50


@register
class ContextEntropy(Estimator):
    r"""The network's loss given exactly m tokens, beside back-off n-grams, and what follows from the two.

    The texts are cut into windows at random places. In a window, prediction j has exactly j tokens before it, so one
    forward pass reads a whole range of context lengths; those up to a factor of two apart share windows. The curve
    :math:`\hat H_m` is the mean over targets, each as likely as any other at every context; its error is robust to any
    dependence inside a cluster of texts and covers the data.

    * ``ngram_cross_entropy``: the same targets under n-grams counted on the other texts.
    * ``beyond_ngrams_context``: from which m on :math:`\hat H_m` is below that of all n-grams. Differences are taken
      target by target. The upper end is the first length from which the network is better than each n-gram with 97.5 %
      confidence, the lower end the first at which it is not worse than one; that this holds the truth in 95 % of cases
      rests on :math:`H_m` not rising before it.
    * ``entropy_decay_exponent``: fitted to the curve where one power law fits it, with a jackknife interval over
      clusters; otherwise ``insufficient``. The curve itself is what better laws are to be fitted to.

    M is the largest power of two, up to ``longest``, that half of the clusters and a quarter of the tokens have before
    them. Fewer than 10 clusters of such texts are ``insufficient``, and so are fewer than 4 in any span.

    Cost: ``positions`` tokens through the network, or twice as many as the data holds where that is less, and an eighth
    more to choose whether windows have a begin token; counting n-grams sorts the tokens once for each length and counts
    them once for each length and fold.

    Parameters
    ----------
    longest : longest context; one that the network's own limit, and the texts, allow is used.
    positions : tokens that pass through the network.
    ngram : longest n-gram, its last token included.

    Raises
    ------
    GnomonError : when a parameter is not positive.

    Source: Khandelwal et al. (2018), arXiv:1805.04623 (loss against context); Chen & Goodman (1999).

    >>> subject, data, order = known.chain_beyond(Rng(0))  # a Markov chain, and the network that is the chain
    >>> curve, ngrams, beyond, exponent = ContextEntropy().measure(
    ...     subject, data, sites=(), budget=Budget(), rng=Rng(0)
    ... )
    >>> curve.diagnostics["from"], len(ngrams.value)
    ([1, 2, 3, 4, 5, 7, 9, 13], 6)
    >>> beyond.value == order, exponent.status
    (True, 'insufficient')
    """

    name = "context_entropy"
    quantities = (ENTROPY, NGRAM_ENTROPY, BEYOND_NGRAMS, DECAY)
    needs = frozenset({"predictions", "probabilities"})

    def __init__(self, *, longest: int = 128, positions: int = 2**17, ngram: int = 6) -> None:
        if longest < 2 or positions < 1 or ngram < 1:
            raise GnomonError(
                f"no curve from contexts to {longest}, {positions} positions and {ngram}-grams",
                mend="use longest ≥ 2, positions ≥ 1, ngram ≥ 1",
            )
        self.longest = longest
        self.positions = positions
        self.ngram = ngram

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`: only for networks that predict each token from those before it."""
        return super().inapplicable(subject, data) or not_sequences(subject)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del subject, sites
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        share = 1.0 if budget.examples is None else min(1.0, budget.examples / len(data))
        tokens = min(share * float(data.lengths.sum()), _countable(self.ngram, budget))
        examples = (1 + 2 / _PILOT) * min(self.positions, 2 * tokens) / float(data.lengths.mean())
        return Cost(
            forward_passes=examples,
            flops=_FLOPS_A_GRAM * tokens * self.ngram,
            peak_bytes=budget.bytes + int(_BYTES_A_GRAM * self.ngram * tokens),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        del sites
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        if budget.examples is not None:
            data = data.sample(budget.examples, rng)
        data = data.sample(max(1, int(_countable(self.ngram, budget) / data.lengths.mean())), rng)
        texts = Texts.of(data)
        limit = self.longest if subject.context is None else min(self.longest, subject.context - 2)
        longest = longest_context(texts.lengths, texts.clusters, limit)
        if longest == 0:
            reason = "too few texts have two tokens or more before the one predicted"
            return [Measurement.insufficient(q, reason, estimator=self.name) for q in self.quantities]
        clusters = len(np.unique(texts.clusters[texts.lengths > longest]))
        if clusters < FEWEST_CLUSTERS:
            return too_few(self, clusters, f"texts of more than {longest} tokens", len(data))
        wanted = min(self.positions, 2 * int(data.lengths.sum()))
        if texts.begin is not None:
            texts = _better_shown(subject, texts, longest, wanted // _PILOT, budget, rng.child("pilot"))
        first = 1 if texts.begin is None else 0
        windows = draw_windows(texts, longest, wanted, rng)
        targets = measured_targets(subject, texts, windows, longest, budget, rng)
        if not np.isfinite(targets.losses).all():
            reason = "a token that occurs was given probability 0"
            return [Measurement.failed(q, reason, estimator=self.name) for q in self.quantities]
        found = spans(first, longest)
        fewest, (low, high) = _thinnest(targets, found)
        if fewest < _FEWEST_IN_SPAN:
            more = "positions" if wanted == self.positions else "texts"
            reason = f"{fewest} independent texts only were shown {low} to {high} tokens of; it takes more {more}"
            return [Measurement.insufficient(q, reason, estimator=self.name) for q in self.quantities]
        return self._read(texts, targets, found, longest, rng)

    def _read(
        self, texts: Texts, targets: Targets, found: tuple[Span, ...], longest: int, rng: Rng
    ) -> list[Measurement]:
        groups, span = targets.groups, span_of(targets.context, found)
        of_ngrams = held_out_losses(
            texts.tokens,
            texts.positions,
            _folds(texts, rng),
            targets.classes,
            min(self.ngram - 1, longest),
        )
        diagnostics = {
            "longest": longest,
            "begin_token": texts.begin,
            "texts": int((texts.lengths > longest).sum()),
            "texts_too_short": int((texts.lengths <= longest).sum()),
            "tokens_counted": len(texts.tokens),
        }
        curve = clustered_means(targets.losses, span, groups, len(found))
        everywhere = texts.positions >= longest
        place = np.repeat(texts.clusters, texts.lengths)[everywhere]
        rows = [clustered_means(row[everywhere], np.zeros_like(place), place, 1) for row in of_ngrams]
        ngrams = ClusteredMeans(
            np.array([r.means[0] for r in rows]),
            np.column_stack([r.influence[:, 0] for r in rows]),
            np.array([r.clusters[0] for r in rows]),
        )
        lengths = list(range(len(ngrams.means)))
        differences = [
            clustered_means(targets.losses - row[targets.token], span, groups, len(found)) for row in of_ngrams
        ]
        at = {
            "context": centres(found).tolist(),
            "from": [low for low, _ in found],
            "to": [high for _, high in found],
            "targets": np.bincount(span, minlength=len(found)),
        }
        return [
            self._curve(ENTROPY, curve, {**diagnostics, **at}),
            self._curve(NGRAM_ENTROPY, ngrams, {**diagnostics, "context": lengths}),
            self._beyond(differences, found, ngrams, diagnostics),
            self._decay(curve, found, diagnostics),
        ]

    def _curve(self, quantity: Quantity, curve: ClusteredMeans, diagnostics: Mapping[str, Any]) -> Measurement:
        more = {**diagnostics, "simultaneous_factor": curve.simultaneous_factor()}
        return Measurement.ok(quantity, curve.means, curve.intervals(), estimator=self.name, diagnostics=more)

    def _beyond(
        self,
        differences: Sequence[ClusteredMeans],
        found: tuple[Span, ...],
        ngrams: ClusteredMeans,
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        worst = np.max([d.means for d in differences], axis=0)
        upper = np.max([d.means + d.half_widths() for d in differences], axis=0)
        lower = np.max([d.means - d.half_widths() for d in differences], axis=0)
        best = int(np.argmin(ngrams.means))
        more = {
            **diagnostics,
            "best_ngram": best + 1,
            "excess_over_best": worst,
            "excess_low": lower,
            "excess_high": upper,
        }
        if upper[-1] >= 0:
            low, high = found[-1]
            reason = (
                f"given {f'{low} to {high}' if high > low else low} tokens, the longest contexts measured, the network "
                f"is not surely better than every n-gram: {worst[-1]:+.2g} nats, between {lower[-1]:+.2g} and "
                f"{upper[-1]:+.2g}, against the {best + 1}-gram"
            )
            return Measurement.insufficient(BEYOND_NGRAMS, reason, estimator=self.name, diagnostics=more)
        begins = found[_first_for_good(worst < 0)][0]
        uncertainty = Uncertainty.interval(
            float(found[int(np.argmax(lower < 0))][0]),
            float(found[_first_for_good(upper < 0)][1]),
            covers={"data"},
            effective_samples=float(min(d.clusters.min() for d in differences)),
            systematic=0.0,
        )
        return Measurement.ok(BEYOND_NGRAMS, float(begins), uncertainty, estimator=self.name, diagnostics=more)

    def _decay(self, curve: ClusteredMeans, found: tuple[Span, ...], diagnostics: Mapping[str, Any]) -> Measurement:
        fit = decay(curve, found)
        if fit is None:
            reason = "the texts allow too few context lengths for a power law to be told from others"
            return Measurement.insufficient(DECAY, reason, estimator=self.name, diagnostics=diagnostics)
        more = {**diagnostics, "limit": fit.limit, "amplitude": fit.amplitude}
        if fit.objection:
            more["estimate"] = fit.exponent
            return Measurement.insufficient(DECAY, fit.objection, estimator=self.name, diagnostics=more)
        uncertainty = Uncertainty.interval(
            fit.low, fit.high, covers={"data"}, effective_samples=float(curve.clusters.min())
        )
        return Measurement.ok(DECAY, fit.exponent, uncertainty, estimator=self.name, diagnostics=more)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Markov chains and the modules that are the chains; copies from lags with a power law."""
        return (
            KnownAnswer(name="Markov chain of order 3", quantity=ENTROPY.name, make=known.chain_context_entropy),
            KnownAnswer(name="chain with a begin token", quantity=ENTROPY.name, make=known.begun_chain_context_entropy),
            KnownAnswer(name="tosses of a coin", quantity=NGRAM_ENTROPY.name, make=known.coin_ngrams, seeds=(10, 100)),
            KnownAnswer(name="Markov chain against n-grams", quantity=BEYOND_NGRAMS.name, make=known.chain_beyond),
            KnownAnswer(
                name="uninformed network",
                quantity=BEYOND_NGRAMS.name,
                make=known.uninformed_beyond,
                reads_ok=0.0,
                insufficient_at_least=1.0,
            ),
            KnownAnswer(name="copies from power-law lags", quantity=DECAY.name, make=known.lags_decay, seeds=(12, 100)),
            KnownAnswer(
                name="a step, no power law",
                quantity=DECAY.name,
                make=known.step_no_decay,
                reads_ok=0.0,
                insufficient_at_least=1.0,
            ),
        )


def _better_shown(subject: Subject, texts: Texts, longest: int, positions: int, budget: Budget, rng: Rng) -> Texts:
    """``texts`` with or without their begin token, by the mean loss over spans on few windows, the same for both."""
    ways = (replace(texts, begin=None), texts)
    windows = draw_windows(ways[0], longest, positions, rng)
    means = []
    for way in ways:
        targets = measured_targets(subject, way, windows, longest, budget, rng)
        span = span_of(targets.context, spans(1, longest))
        counts = np.bincount(span)
        means.append(float((np.bincount(span, targets.losses)[counts > 0] / counts[counts > 0]).mean()))
    return ways[int(np.argmin(means))]


def _thinnest(targets: Targets, found: tuple[Span, ...]) -> tuple[int, Span]:
    """In how few clusters a span of contexts was measured, and which span that is."""
    pairs = np.unique(np.column_stack([span_of(targets.context, found), targets.groups]), axis=0)
    clusters = np.bincount(pairs[:, 0], minlength=len(found))
    return int(clusters.min()), found[int(np.argmin(clusters))]


def _countable(ngram: int, budget: Budget) -> float:
    """How many tokens can be counted within the budget's memory."""
    return budget.bytes / (_BYTES_A_GRAM * ngram)


def _folds(texts: Texts, rng: Rng) -> NDArray[np.int64]:
    """``(tokens,)`` fold of each: whole clusters, as many in one fold as in another."""
    clusters = np.unique(texts.clusters)
    order = np.argsort(hashed(rng.child("folds").key, clusters), kind="stable")
    fold = np.empty(len(clusters), np.int64)
    fold[order] = np.arange(len(clusters)) % min(_FOLDS, len(clusters))
    return np.asarray(np.repeat(fold[texts.clusters], texts.lengths))


def _first_for_good(holds: NDArray[np.bool_]) -> int:
    """From which index on it holds; the last one does."""
    fails = np.flatnonzero(~holds)
    return int(fails[-1]) + 1 if len(fails) else 0
