"""Local relevant dimension: how many directions the prediction depends on, at each single context."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.features import known
from gnomon.estimators.features.contexts import Contexts, sample_independent
from gnomon.estimators.features.conventions import SINGLE_PRECISION
from gnomon.estimators.features.jacobian_grams import JacobianGramAccumulator, JacobianGrams
from gnomon.estimators.features.outputs import (
    ChosenOutput,
    Component,
    FisherColumn,
    FisherProbe,
    Place,
    Probe,
    number_of_outputs,
)
from gnomon.estimators.features.sites import stream
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, accumulate

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)

_MISS = 0.05 / len(LEVELS)
_FEWEST_CONTEXTS = math.ceil(math.log(_MISS / 2) / math.log(LEVELS[-1]))

LOCAL_RELEVANT_DIMENSION = Quantity(
    name="local_relevant_dimension",
    symbol=r"d_\mathrm{loc}",
    unit=Unit.parse("dimension"),
    definition=(
        r"d_\mathrm{loc}(x) = \frac{(\operatorname{tr} G)^2}{\operatorname{tr} G^2},\quad "
        r"G = J^\top \bigl(\operatorname{diag} p - p p^\top\bigr) J,\quad J = \partial z / \partial h"
    ),
    convention=(
        "Quantiles 0.1, 0.25, 0.5, 0.75 and 0.9 over contexts; their intervals hold at once. z are the scores of one "
        "prediction an example (drawn by a hash of its number), p = softmax(z); G = JᵀJ for losses that are not "
        "categorical. In token models h is the activation at the prediction's own position, elsewhere all positions "
        "together. 0 where the prediction does not depend on the site."
    ),
    source="gnomon; G is the pull-back of the Fisher metric (Amari, Information Geometry and Its Applications, 2016)",
    dims=("site",),
    axes=("quantile",),
    lowest=0.0,
)


@register
class LocalRelevantDimension(Estimator):
    r"""Participation ratio :math:`(\operatorname{tr} G)^2 / \operatorname{tr} G^2` of each context's own metric G.

    For categorical outputs :math:`G = J^\top(\mathrm{diag}\,p - pp^\top)J` is the pull-back of the Fisher metric to
    the activations: what changes the predicted distribution counts, and a shift of all logits does not. For other
    outputs :math:`G = J^\top J`. What an average over contexts hides, this shows: a network may use many directions
    in all, and few at a time.

    With few outputs the Jacobian is exact. Otherwise the columns of the ``exact`` most probable classes are exact and
    the others are summed with random signs in ``probes`` probes; with
    :math:`G = A + \mathbb E\,hh^\top`, numerator and denominator are unbiased sums over pairs of probes, and the
    logarithm of the ratio is corrected, and its noise found, by the jackknife over probes. That noise widens the
    distribution over contexts; the interval includes a bound on what this does to each quantile.

    Contexts come from different clusters, so that the quantiles have exact intervals from order statistics, shared
    out over the five (Bonferroni); fewer than 51 are ``insufficient``. Cost: ``exact + probes`` backward passes for
    each context, or one an output.

    Parameters
    ----------
    contexts : number of contexts.
    outputs : largest number of outputs that are all taken exactly, by one backward pass each.
    exact, probes : with more outputs, number of backward passes for the most probable classes, and for all others
        together.

    Source: defined here; order-statistic intervals: David & Nagaraja, Order Statistics, 3rd ed. (2003), section 7.1;
    probes: Hutchinson, Communications in Statistics 19 (1990) 433.

    >>> import torch
    >>> from gnomon.subjects import ArrayData, Site, SquaredError
    >>> linear = torch.nn.Linear(4, 3, bias=False)
    >>> linear.weight.data = torch.eye(4)[:3]  # three outputs, each of its own coordinate
    >>> subject = Subject(linear, loss=SquaredError(), sites=[Site("input", "", "input")])
    >>> data = ArrayData(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(64, 3))
    >>> (m,) = LocalRelevantDimension().measure(subject, data, sites=["input"], budget=Budget(), rng=Rng(0))
    >>> m.value.round(4).tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0]
    """

    name = "local_relevant_dimension"
    quantities = (LOCAL_RELEVANT_DIMENSION,)
    needs = frozenset({"predictions", "gradients"})

    def __init__(self, contexts: int = 56, outputs: int = 16, exact: int = 5, probes: int = 4) -> None:
        if contexts < 1 or exact < 0 or probes < 3:
            raise GnomonError("local relevant dimension needs contexts ≥ 1, exact ≥ 0 and probes ≥ 3")
        self.contexts = contexts
        self.outputs = outputs
        self.exact = exact
        self.probes = probes

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: the stream from layer to layer."""
        return stream(subject)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`. Where sequences are cut, the passes are counted as fractions of whole ones."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        contexts = self._contexts(subject, data, budget, Rng(0))
        outputs, _ = self._outputs(subject, data, contexts.place)
        passes = float(contexts.data.lengths.sum() / data.lengths.mean())
        return Cost(
            forward_passes=passes,
            backward_passes=len(outputs) * passes,
            peak_bytes=8 * len(sites) * len(contexts.data) * len(outputs) ** 2,
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        contexts = self._contexts(subject, data, budget, rng)
        outputs, exact = self._outputs(subject, data, contexts.place)
        statistics = {s: JacobianGrams(s, outputs) for s in sites if s in subject.sites}
        found, _ = accumulate(subject, contexts.data, list(statistics.values()), rng, max_bytes=budget.bytes)
        measurements = []
        for site, statistic in statistics.items():
            grams = found[statistic]
            assert isinstance(grams, JacobianGramAccumulator)
            measurements.append(self._read(site, Dimensions.of(grams.grams[grams.present], exact)))
        return measurements

    def _contexts(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> Contexts:
        most = self.contexts if budget.examples is None else min(self.contexts, budget.examples)
        return Contexts.of(subject, data, sample_independent(data, most, rng))

    def _outputs(self, subject: Subject, data: Data, place: Place) -> tuple[tuple[ChosenOutput, ...], int]:
        """What is differentiated, and how many of these are exact columns; the rest are probes."""
        outputs = number_of_outputs(subject, data)
        exactly = outputs if outputs <= max(self.outputs, self.exact) else self.exact
        assert subject.loss is not None
        if subject.loss.categorical:
            columns = tuple(FisherColumn(place, rank) for rank in range(exactly))
            probes = 0 if exactly == outputs else self.probes
            return (*columns, *(FisherProbe(place, number, exactly) for number in range(probes))), exactly
        if exactly == outputs:
            return tuple(Component(place, index) for index in range(outputs)), outputs
        passes = self.exact + self.probes
        return tuple(Probe(place, number, passes) for number in range(passes)), 0

    def _read(self, site: str, found: Dimensions) -> Measurement:
        n = len(found.values)
        ranks = [_ranks(n, level, _MISS) for level in LEVELS]
        diagnostics: dict[str, object] = {"contexts": n}
        if n:
            diagnostics["mean"] = float(found.values.mean())
            diagnostics["probe_noise"] = found.noise
        if any(rank is None for rank in ranks):
            if n:
                diagnostics["estimate"] = np.quantile(found.values, LEVELS).tolist()
            return Measurement.insufficient(
                LOCAL_RELEVANT_DIMENSION,
                f"{n} independent contexts; intervals of the outer quantiles need {_FEWEST_CONTEXTS}",
                suffices={"examples": _FEWEST_CONTEXTS},
                site=site,
                estimator=self.name,
                diagnostics=diagnostics,
            )
        ordered = np.sort(found.values)
        values = np.quantile(ordered, LEVELS)
        low, high = (np.array([ordered[rank[end]] for rank in ranks if rank]) for end in (0, 1))
        factor = np.array([found.moved_by(a, b) for a, b in zip(low, high, strict=True)])
        uncertainty = Uncertainty.interval(
            np.minimum(np.maximum(low / factor, np.minimum(low, 1.0)), values),
            np.maximum(high * factor, values),
            covers={"data"} if found.noise == 0 else {"data", "probe"},
            effective_samples=float(n),
            systematic=SINGLE_PRECISION * float(ordered[-1]),
            systematic_source="gradients in single precision",
        )
        return Measurement.ok(
            LOCAL_RELEVANT_DIMENSION,
            values,
            uncertainty,
            site=site,
            estimator=self.name,
            diagnostics=diagnostics,
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Jacobians known at every input: exact and with probes, for squares, for classes and for many outputs."""
        quantity = cls.quantities[0].name
        return (
            KnownAnswer(name="linear map", quantity=quantity, site="input", make=known.linear_local),
            KnownAnswer(name="squares of two inputs", quantity=quantity, site="input", make=known.squares_local),
            KnownAnswer(name="softmax of 6 classes", quantity=quantity, site="input", make=known.few_classes_local),
            KnownAnswer(name="softmax of 200 classes", quantity=quantity, site="input", make=known.many_classes_local),
            KnownAnswer(name="40 outputs", quantity=quantity, site="input", make=known.many_outputs_local),
        )


@dataclass(frozen=True, eq=False)
class Dimensions:
    """The dimension of each context, and the standard deviation of the noise in its logarithm from the probes."""

    values: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @classmethod
    def of(cls, grams: NDArray[np.float64], exact: int) -> Dimensions:
        """From inner products ``(n, outputs, outputs)`` of ``exact`` columns followed by probes."""
        n, probes = len(grams), grams.shape[1] - exact
        everything = np.ones(probes)
        value = _ratio(grams, exact, everything)
        if probes == 0:
            return cls(value, np.zeros(n))
        logs = np.log(np.maximum(value, 1.0))
        without = np.log([np.maximum(_ratio(grams, exact, everything - one), 1.0) for one in np.eye(probes)])
        corrected = probes * logs - (probes - 1) * without.mean(axis=0)
        deviations = np.sqrt((probes - 1) / probes * np.square(without - without.mean(axis=0)).sum(axis=0))
        return cls(np.where(value > 0, np.exp(np.maximum(corrected, 0.0)), 0.0), deviations)

    @property
    def noise(self) -> float:
        """Root-mean-square of the deviations."""
        return float(np.sqrt(np.square(self.deviations).mean())) if len(self.deviations) else 0.0

    def moved_by(self, low: float, high: float) -> float:
        """Bound on the factor by which noise moves a quantile that lies between ``low`` and ``high``.

        On the logarithmic scale a spread S becomes that of S and the noise together, which moves the outermost
        quantile by so many times the difference; twice that, because neither is Gaussian.
        """
        if self.noise == 0:
            return 1.0
        spread = float(np.log(np.maximum(self.values, 1.0)).std())
        true_spread = np.sqrt(max(spread**2 - self.noise**2, 0.0))
        near = self.deviations[(low <= self.values) & (self.values <= high)]
        noise = float(np.sqrt(np.square(near).mean()))
        outermost = float(norm.ppf(LEVELS[-1]))
        return float(np.exp(2 * outermost * (np.hypot(true_spread, noise) - true_spread)))


def _ratio(grams: NDArray[np.float64], exact: int, used: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Ratio of unbiased :math:`(\operatorname{tr} G)^2` and :math:`\operatorname{tr} G^2`.

    ``used`` is 1 for each probe that takes part, else 0.
    """
    squares = np.square(grams)
    trace, norm = np.einsum("nkk->n", grams[:, :exact, :exact]), squares[:, :exact, :exact].sum(axis=(1, 2))
    squared_trace = trace**2
    number = used.sum()
    if number:
        sizes = np.einsum("nkk->nk", grams)[:, exact:] * used
        pairs = np.outer(used, used) * (1 - np.eye(len(used))) / (number * (number - 1))
        squared_trace = squared_trace + 2 * trace * sizes.sum(axis=1) / number
        squared_trace = squared_trace + np.einsum("nk,kl,nl->n", sizes, pairs, sizes)
        norm = norm + 2 * (squares[:, :exact, exact:] * used).sum(axis=(1, 2)) / number
        norm = norm + (squares[:, exact:, exact:] * pairs).sum(axis=(1, 2))
    return np.asarray(np.divide(squared_trace, norm, out=np.zeros_like(squared_trace), where=norm > 0))


def _ranks(n: int, level: float, miss: float) -> tuple[int, int] | None:
    """Order statistics (from 0) between which the quantile lies, except with probability ``miss``; ``None`` if none."""
    if n == 0:
        return None
    low, high = int(binom.ppf(miss / 2, n, level)), int(binom.isf(miss / 2, n, level)) + 1
    return (low - 1, high - 1) if low >= 1 and high <= n else None
