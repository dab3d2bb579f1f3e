"""The learning coefficient itself: what the local one tends to as the temperature falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.degeneracy import known
from gnomon.estimators.degeneracy.local_learning_coefficient import LocalLearningCoefficient, described
from gnomon.estimators.degeneracy.potential import Potential
from gnomon.estimators.degeneracy.reading import read
from gnomon.measurement import LEARNING_COEFFICIENT, Cost, Measurement, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable

_COLDER = 4.0
_LOGARITHMS = 2.0  # the multiplicity less one that is allowed for
_HALF = 0.5  # what a single quadratic direction counts


@register
class LearningCoefficient(LocalLearningCoefficient):
    r"""The limit :math:`\lambda` of the local learning coefficient as the temperature falls.

    Chains at :math:`\tau = n\beta` and at 4τ read :math:`\hat\lambda(\tau)` and :math:`\hat\lambda(4\tau)`. The value
    is the latter. What is missing from it is bounded by how much the two differ, :math:`D`, whichever way the limit is
    approached: at a regular minimum as :math:`\lambda - \hat\lambda \propto \gamma/\tau`, and more generally
    :math:`\tau^{-p}` with :math:`p \ge 1/2`, what is missing is at most D; with logarithms,
    :math:`\lambda - \hat\lambda = (m - 1)/\log\tau`, it is at most :math:`\sqrt{(m - 1) D/\log 4}`. The systematic
    bound is the sum of both, for a multiplicity m up to 3 and with D as large as its error allows: it is on what
    localisation and finite nβ hold back.

    Insufficient, beside what `LocalLearningCoefficient` declines, when that bound exceeds the value and a half: the
    limit is out of reach. That is the rule for networks of many parameters: only their local coefficient is read.

    Cost: twice that of `LocalLearningCoefficient`, whose parameters it takes.

    Source: Watanabe (2009) (free energy :math:`\lambda\log n - (m-1)\log\log n`); Lau et al., arXiv:2308.12108.

    >>> subject, data, truth = known.limit_of_regression(Rng(0))
    >>> (found,) = LearningCoefficient().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> print(f"{found.value:.1f} where the limit is {truth}")
    5.0 where the limit is 5.0
    """

    name = "learning_coefficient"
    quantities = (LEARNING_COEFFICIENT,)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        price = super().cost(subject, data, sites, budget)
        d = sum(p.numel() for p in trainable(subject).values())
        return replace(price, flops=2 * price.flops, peak_bytes=price.peak_bytes + 8 * 4 * d * self.chains)

    def _read(self, potential: Potential, rng: Rng) -> Measurement:
        tau = self.n_beta or potential.predictions / float(np.log(potential.predictions))
        taus = torch.tensor([tau, _COLDER * tau], dtype=torch.float64).repeat_interleave(self.chains)
        trace, diagnostics = self._sample(potential, taus, rng)
        if not trace.finite:
            return self._insufficient("the chains ran away to infinite loss", diagnostics)
        warm, cold = (read(trace.of(np.arange(self.chains) + i * self.chains)) for i in (0, 1))
        moved = cold.value - warm.value
        spread = float(np.hypot(warm.half_width, cold.half_width))
        missing = max(moved, 0.0) + spread
        bound = missing + float(np.sqrt(_LOGARITHMS * missing / np.log(_COLDER))) + abs(cold.heating)
        diagnostics |= described(cold) | {"at_n_beta": warm.value, "difference": moved, "bound": bound}
        return self._verdict(warm.unsettled or cold.unsettled, cold.value, cold.error, bound, diagnostics)

    def _verdict(
        self, unsettled: str, value: float, error: float, bound: float, diagnostics: dict[str, Any]
    ) -> Measurement:
        if unsettled:
            return self._insufficient(unsettled, diagnostics)
        if value < 0:
            reason = "the chains found lower loss than at the parameters: these are no minimum"
            return self._insufficient(reason, diagnostics)
        if bound > max(value, _HALF):
            reason = f"the limit is out of reach: {value:.3g} at four times nβ may still miss {bound:.3g} of it"
            return self._insufficient(reason, diagnostics)
        uncertainty = Uncertainty.stderr(
            value,
            error,
            covers={"chain"},
            degrees_of_freedom=self.chains - 1,
            effective_samples=diagnostics["effective_samples"],
            systematic=bound,
            systematic_source="localisation, finite nβ, step size",
        )
        return Measurement.ok(LEARNING_COEFFICIENT, value, uncertainty, estimator=self.name, diagnostics=diagnostics)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A regular model, a normal crossing and a linear network, by their closed forms."""
        name, seeds = LEARNING_COEFFICIENT.name, (3, 60)
        return (
            KnownAnswer(name="linear regression", quantity=name, make=known.limit_of_regression, seeds=seeds),
            KnownAnswer(
                name="normal crossing w1 w2²", quantity=name, make=known.limit_of_crossing, reads_ok=0.0, seeds=seeds
            ),
            KnownAnswer(
                name="linear network 3-2-3",
                quantity=name,
                make=known.limit_of_linear_network,
                reads_ok=0.5,
                seeds=seeds,
            ),
        )
