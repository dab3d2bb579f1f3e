"""The local learning coefficient: how much of the loss around the parameters is within reach at a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.degeneracy import known
from gnomon.estimators.degeneracy.langevin import TRIALS, Chains, Scheme, Trace
from gnomon.estimators.degeneracy.potential import Potential
from gnomon.estimators.degeneracy.reading import Reading, read
from gnomon.measurement import LOCAL_LEARNING_COEFFICIENT, Cost, Measurement, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable


@register
class LocalLearningCoefficient(Estimator):
    r"""Degeneracy of the loss at the parameters, :math:`\hat\lambda = n\beta\,\mathbb{E}_p[K]`.

    For a regular model with many data it is half the number of parameters; directions that the loss does not feel
    count nothing, and singular ones less than half. For a quadratic loss with Hessian eigenvalues :math:`h_i` it is
    :math:`\sum_i \frac12 n\beta h_i / (n\beta h_i + \gamma)`, and with any loss, as partial integration tells,
    :math:`\frac{\gamma}{2} \mathbb{E}|w - w^*|^2` is what γ holds back from half the directions that are quadratic.

    *Chains.* All chains start at w* and are evaluated at once (`torch.func.vmap`). Trajectories of Langevin dynamics
    are accepted or rejected as wholes, so that they sample the posterior exactly, whatever the step size, which is
    chosen for 90 % to be accepted. With ``batch_size``, gradients are noisy and nothing can be rejected: the splitting
    BAOAB is run with steps half as long and with the batch's own slope at w* taken off, which takes most of the noise.

    *Correction.* Where nothing is rejected, step size and minibatches heat the chains. By how much is known exactly
    from the chains themselves (the virial theorem, see `Trace`), and its share of the energy is taken off. What remains
    of the virial is noise of mean zero, and as much of it as varies with the energy is taken off too (see `read`).

    *Error.* Statistical: a jackknife over chains, Student's t; it covers ``{"chain"}`` only. Systematic, of schemes
    that do not reject: the whole of the correction for heating.

    *Insufficient* when chains run away or find lower loss than at w* (which is then no minimum), do not agree
    (rank-normalised split R-hat above 1.1), still drift (second halves against first, beyond 6 standard errors) or hold
    fewer than 40 effective samples. The estimate is then among the diagnostics.

    Cost: ``steps`` + ``burn_in`` gradients of each chain over the examples used, at most ``positions`` positions (or,
    a step, over ``batch_size`` of all examples).

    Parameters
    ----------
    chains : at least 2.
    steps, burn_in : gradients that each chain spends on recording, and beforehand.
    n_beta : nβ; default n / log n.
    localisation : γ; default √d over the mean square of the d weights (1 if they are all zero).
    step_size : ε, the square of the time step (the ε of stochastic gradient Langevin dynamics); default: chosen.
    batch_size : examples a step; default: all those used at every step.
    positions : positions (tokens; examples of an array) of the examples used, when ``batch_size`` is not given.
    scheme : ``adjusted``, ``splitting`` or ``euler``, see `Chains`; default: adjusted unless there are minibatches.
    trajectory : steps of a trajectory.
    keep_slope : leave the slope of L_n at w* in, as Lau et al. do.

    Raises
    ------
    GnomonError : for parameters out of range, and when the loss or its gradient at w* is NaN or infinite.

    Source: Lau et al., arXiv:2308.12108 (definition); Riou-Durand & Vogrinc, arXiv:2202.13230 (adjusted trajectories);
    Leimkuhler & Matthews, arXiv:1203.5428 (splitting); Assaraf & Caffarel, PRL 83 (1999) 4682 (zero-variance control
    variates).

    >>> subject, data, truth = known.linear_regression(Rng(0))
    >>> (found,) = LocalLearningCoefficient().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> print(f"{found.value:.1f} where {truth:.1f} is exact")
    4.8 where 4.8 is exact
    """

    name = "local_learning_coefficient"
    quantities = (LOCAL_LEARNING_COEFFICIENT,)
    needs = frozenset({"predictions", "gradients"})

    def __init__(
        self,
        *,
        chains: int = 8,
        steps: int = 320,
        burn_in: int = 160,
        n_beta: float | None = None,
        localisation: float | None = None,
        step_size: float | None = None,
        batch_size: int | None = None,
        positions: int = 1024,
        scheme: Scheme | None = None,
        trajectory: int = 8,
        keep_slope: bool = False,
    ) -> None:
        least = {"chains": 2, "batch_size": 1, "positions": 1, "trajectory": 1, "steps": 8 * trajectory, "burn_in": 0}
        given: dict[str, Any] = {k: v for k, v in locals().items() if k in least and v is not None}
        for name, value in given.items():
            if value < least[name]:
                raise GnomonError(f"{name} = {value} is too few", mend=f"use at least {least[name]}")
        for name, number in (("n_beta", n_beta), ("localisation", localisation), ("step_size", step_size)):
            if number is not None and not (number > 0 and np.isfinite(number)):
                raise GnomonError(f"{name} = {number} is not a positive number")
        if scheme == "adjusted" and batch_size is not None:
            raise GnomonError("trajectories of minibatches cannot be adjusted", mend="leave out batch_size or scheme")
        self.chains = chains
        self.steps = steps
        self.burn_in = burn_in
        self.n_beta = n_beta
        self.localisation = localisation
        self.step_size = step_size
        self.batch_size = batch_size
        self.positions = positions
        self.scheme: Scheme = scheme or ("adjusted" if batch_size is None else "splitting")
        self.trajectory = trajectory
        self.keep_slope = keep_slope

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        if reason := super().inapplicable(subject, data):
            return reason
        return "" if trainable(subject) else f"{subject.name} has no trainable parameters"

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`. A call serves all chains: it counts as one pass, and the other chains as arithmetic."""
        del sites
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        n = self._examples(data, budget)
        a_step = n if self.batch_size is None else min(n, self.batch_size)
        tuning = TRIALS + self.burn_in if self.step_size is None else self.burn_in
        settling = self.burn_in // 2 if self.scheme != "adjusted" and self.step_size is None else 0
        gradients = a_step * (tuning + settling + self.steps + 1) + n
        length = float(np.mean(data.lengths))
        d = sum(p.numel() for p in trainable(subject).values())
        matrices = sum(p.numel() for p in subject.module.parameters() if p.ndim > 1)
        others = 6.0 * matrices * length * gradients * (self.chains - 1)
        drawn = 40.0 * d * self.chains * (tuning + settling + self.steps)
        held = 8 * 4 * d * self.chains
        return Cost(
            forward_passes=gradients + n + 4,
            backward_passes=gradients + 4,
            flops=others + drawn,
            peak_bytes=budget.bytes + held,
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        del sites
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        n = self._examples(data, budget)
        data = data.sample(n, rng)
        if len(np.unique(data.clusters)) < 2:
            reason = "from a single example no posterior's temperature can be told"
            return [
                Measurement.insufficient(self.quantities[0], reason, suffices={"examples": 2.0}, estimator=self.name)
            ]
        potential = Potential(
            subject, data, rng, batch_size=self.batch_size, max_bytes=budget.bytes, keep_slope=self.keep_slope
        )
        with potential.computing():
            return [self._read(potential, rng)]

    def _examples(self, data: Data, budget: Budget) -> int:
        """How many examples are used."""
        most = len(data) if budget.examples is None else min(budget.examples, len(data))
        if self.batch_size is not None:
            return most
        return min(most, max(2, int(self.positions / float(np.mean(data.lengths)))))

    def _read(self, potential: Potential, rng: Rng) -> Measurement:
        tau = self.n_beta or potential.predictions / float(np.log(potential.predictions))
        trace, diagnostics = self._sample(potential, torch.full((self.chains,), tau, dtype=torch.float64), rng)
        if not trace.finite:
            return self._insufficient("the chains ran away to infinite loss", diagnostics)
        reading = read(trace)
        diagnostics |= described(reading)
        systematic = abs(reading.heating)
        if reading.unsettled:
            return self._insufficient(reading.unsettled, diagnostics)
        if reading.value + reading.half_width + systematic < 0:
            reason = f"the chains found lower loss than at the parameters, by {-reading.value:.3g} in units of 1/nβ"
            return self._insufficient(f"{reason}: these are no minimum", diagnostics)
        uncertainty = Uncertainty.stderr(
            reading.value,
            reading.error,
            covers={"chain"},
            degrees_of_freedom=self.chains - 1,
            effective_samples=reading.effective_samples,
            systematic=systematic,
            systematic_source="step size and noise of minibatches" if self.scheme != "adjusted" else "",
        )
        return Measurement.ok(
            self.quantities[0], reading.value, uncertainty, estimator=self.name, diagnostics=diagnostics
        )

    def _sample(self, potential: Potential, taus: Tensor, rng: Rng) -> tuple[Trace, dict[str, Any]]:
        """The record of settled chains at inverse temperatures ``taus``, and how it was made."""
        localisation = self.localisation or default_localisation(potential)
        chains = Chains(
            potential,
            taus,
            localisation,
            self.scheme,
            rng,
            step_size=self.step_size or 1 / localisation,
            persistence=self.trajectory,
        )
        settle(chains, self.burn_in, tune=self.step_size is None)
        trace = chains.run(self.steps)
        return trace, {
            "parameters": potential.dimension,
            "predictions": potential.predictions,
            "batch_examples": potential.batch_examples,
            "loss": potential.loss,
            "n_beta": float(taus[0]),
            "localisation": localisation,
            "scheme": self.scheme,
            "step_size": float(chains.steps[0]),
            "chains": len(taus),
            "draws": len(trace.energy),
            "accepted": trace.accepted,
            "batched": potential.batched,
        }

    def _insufficient(self, reason: str, diagnostics: dict[str, Any]) -> Measurement:
        return Measurement.insufficient(self.quantities[0], reason, estimator=self.name, diagnostics=diagnostics)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Regressions in closed form, and singular potentials whose integral is done numerically."""
        name = LOCAL_LEARNING_COEFFICIENT.name
        seeds = (3, 60)
        return (
            KnownAnswer(name="linear regression", quantity=name, make=known.linear_regression, seeds=seeds),
            KnownAnswer(name="redundant features", quantity=name, make=known.redundant_regression, seeds=seeds),
            KnownAnswer(name="normal crossing w1 w2", quantity=name, make=known.crossing, reads_ok=0.7, seeds=seeds),
            KnownAnswer(
                name="normal crossing w1² w2²", quantity=name, make=known.squared_crossing, reads_ok=0.7, seeds=seeds
            ),
            KnownAnswer(
                name="saddle",
                quantity=name,
                make=known.saddle,
                coverage=(0.0, 1.0),
                reads_ok=0.0,
                insufficient_at_least=0.9,
                seeds=seeds,
            ),
        )


def default_localisation(potential: Potential) -> float:
    """√d over the mean square of the weights, 1 where they are all zero."""
    square = float(potential.centre.double().square().mean())
    return float(np.sqrt(potential.dimension)) / square if square > 0 else 1.0


def settle(chains: Chains, steps: int, *, tune: bool) -> None:
    """Bring ``chains`` from the centre to where they belong, and choose their step size if they are to ``tune``."""
    if not tune:
        if steps:
            chains.run(steps)
        return
    chains.tune(steps)
    if chains.scheme != "adjusted":
        # the steps were tuned on one batch and with rejection: neither bounds them once gradients are noisy
        chains.steps = chains.steps / 4
        chains.run(max(1, steps // 2))


def described(reading: Reading) -> dict[str, Any]:
    """A reading as diagnostics."""
    return {
        "estimate": reading.value,
        "estimate_error": reading.error,
        "uncorrected": reading.uncorrected,
        "control_coefficient": reading.coefficient,
        "heating": reading.heating,
        "held_back": reading.spread / 2,
        "r_hat": reading.r_hat,
        "effective_samples": reading.effective_samples,
        "drift": reading.drift,
        "drift_error": reading.drift_error,
    }
