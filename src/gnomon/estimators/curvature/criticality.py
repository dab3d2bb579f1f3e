"""Is this a local minimum, a saddle, or merely where training stopped?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.curvature import known
from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.estimating import CurvatureEstimator, product_cost
from gnomon.estimators.curvature.examples import affordable, clusters_in, groups
from gnomon.estimators.curvature.extremes import smallest_eigenvalue_bound
from gnomon.estimators.curvature.gradient_noise import GradientNoise, gradient_noise
from gnomon.estimators.curvature.hessian import HessianOperator
from gnomon.estimators.curvature.lanczos import Krylov, lanczos, start_vectors
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject

GRADIENT_NORM = Quantity(
    name="gradient_norm",
    symbol=r"\|\nabla L\|",
    unit=Unit.parse("1/weight"),
    definition=r"\| \mathbb{E}\, \nabla_\theta \ell \|_2",
    convention=(
        "With respect to all trainable parameters, in evaluation mode, every prediction of the same weight, over all "
        "the examples that could be drawn and not just those at hand: the part of the sample gradient's norm that is "
        "sampling noise is taken off. Presumes that the parameters were not fitted to these very examples."
    ),
    source="McCandlish et al., arXiv:1812.06162 (gradient and its noise)",
    lowest=0.0,
)
CRITICALITY = Quantity(
    name="criticality",
    symbol=r"\kappa",
    definition=(
        r"\kappa = 0 \text{ if } \nabla L \ne 0; \quad -1 \text{ if } \nabla L = 0,\ \lambda_{\min}(\nabla^2 L) < "
        r"-\tau\lambda_{\max}; \quad +1 \text{ if } \nabla L = 0,\ \lambda_{\min}(\nabla^2 L) \ge -\tau\lambda_{\max}"
    ),
    convention=(
        "+1: a local minimum; −1: a saddle (or maximum); 0: merely where training stopped. L is the mean loss over all "
        "the examples that could be drawn. The gradient counts as zero when it cannot be told from zero at level "
        "0.975 with the examples at hand. τ = 0.02 unless chosen otherwise: less curvature than that, relative to the "
        "sharpness, is flat. Presumes that the parameters were not fitted to these very examples."
    ),
    source="Nesterov & Polyak, Math. Program. 108 (2006) 177 (approximate second-order stationarity)",
    lowest=-1.0,
    highest=1.0,
)
_VERDICTS = {-1: "saddle", 0: "not stationary", 1: "local minimum"}
_GROUPS = 16  # of either half
_FEWEST_CLUSTERS = 8  # of the second
# of the 5 % that the verdict may fail, half goes to the gradient and half to the curvature
_FAILURE = 0.025


@dataclass(frozen=True, kw_only=True)
class _Curvature:
    """The ends found on one half, and the curvature along its most negative direction measured on the other."""

    top: float
    bottom: float
    floor: float
    rounding: float
    held_out: float
    half_width: float
    expected_half_width: float

    def verdict(self, flat: float) -> int | None:
        if self.held_out + self.half_width + self.rounding < -flat * self.top:
            return -1
        if self.top > 0 and self.floor - self.expected_half_width - self.rounding >= -flat * self.top:
            return 1
        return None


@register
class Criticality(CurvatureEstimator):
    r"""Local minimum, saddle, or merely where training stopped, for the loss over all that could be drawn.

    *Gradient.* The gradients :math:`S_k` of independent groups of examples give the norm of the gradient with its
    sampling noise taken off, and a sign-flip test of :math:`\nabla L = 0` (`gradient_noise`).

    *Curvature.* The Hessian of a few examples has negative eigenvalues at any minimum, for they are not at *their*
    minimum. So the examples are halved, by cluster. Lanczos on one half gives its sharpness, a direction u of most
    negative curvature and a lower bound on its :math:`\lambda_{\min}` that fails with probability 2.5 %
    (`smallest_eigenvalue_bound`). The other half has had no say in u, so its :math:`u^\top H u` is an unbiased
    estimate of the curvature along u, with a Student interval over groups, and
    :math:`\lambda_{\min}(\nabla^2 L) \le u^\top \nabla^2 L\, u`. It is a saddle if that is surely below
    :math:`-\tau\lambda_{\max}`. It is a minimum if the first half's bound, less what sampling may have lifted it by,
    is above: :math:`\lambda_{\min}` is concave, so that on average a sample's is too low and never too high. Otherwise
    the curvature is undecided.

    The verdict is right with probability 0.95, over probes and data; a gradient too small to be told from zero is no
    part of that promise (``gradient_noise`` among the diagnostics says what can be told).

    Cost: ``steps`` passes of one Hessian product over the first half (at most ``positions`` positions), a gradient
    and a product over the second (at most four times as many).

    Parameters
    ----------
    steps : Lanczos steps.
    positions : positions (tokens; examples of an array) of the first half.
    flat : τ above.

    Raises
    ------
    GnomonError : when the loss, or a derivative of it, is NaN or infinite.

    Source: Nesterov & Polyak (2006); Dauphin et al., arXiv:1406.2572; van Dorsselaer, Hochstenbach & van der Vorst
    (2000) for the bound.

    >>> subject, data, truth = known.saddle_verdict(Rng(0))
    >>> found = Criticality().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> [m.quantity for m in found], found[1].value, found[1].diagnostics["verdict"]
    (['gradient_norm', 'criticality'], -1.0, 'saddle')
    """

    name = "criticality"
    quantities = (GRADIENT_NORM, CRITICALITY)
    operator = HessianOperator

    def __init__(self, *, steps: int = 16, positions: int = 1024, flat: float = 0.02) -> None:
        if steps < 2:
            raise GnomonError(f"no curvature from {steps} steps", mend="use at least 2")
        if not 0 <= flat < 1:
            raise GnomonError(f"flat = {flat} is not a share of the sharpness", mend="use 0 ≤ flat < 1")
        self.steps = steps
        self.positions = positions
        self.flat = flat

    def _vectors(self, dimension: int) -> int:
        return min(self.steps, dimension) + 2 * _GROUPS

    def _price(self, matrix: CurvatureOperator, data: Data, budget: Budget) -> Cost:
        n = len(data) if budget.examples is None else min(budget.examples, len(data))
        first = min(affordable(data, self.positions, budget), n // 2)
        second = min(affordable(data, 4 * self.positions, budget), n - n // 2)
        d, steps = matrix.dimension, min(self.steps, matrix.dimension)
        price = product_cost(matrix, first, data, passes=steps, products=steps)
        price += product_cost(matrix, first + second, data, passes=1, products=1)
        return price + Cost(flops=4.0 * d * (steps**2 + _GROUPS**2))

    def _measure(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> list[Measurement]:
        if budget.examples is not None:
            data = data.sample(budget.examples, rng)
        if clusters_in(data) < 2 * _FEWEST_CLUSTERS:
            reason = f"{clusters_in(data)} independent examples: the noise of the gradient cannot be known"
            return self._refused(reason, suffices={"examples": 2 * _FEWEST_CLUSTERS})
        first, second = self._halves(data, budget, rng)
        if clusters_in(second) < _FEWEST_CLUSTERS:
            reason = f"4 · {self.positions} positions hold only {clusters_in(second)} independent examples"
            needed = np.ceil(self.positions * _FEWEST_CLUSTERS / clusters_in(second))
            return self._refused(reason, suffices={"positions": float(needed)})
        hessian = HessianOperator(subject, data, max_bytes=budget.bytes)
        on_first = hessian.on(first)
        with on_first.keeping():
            (run,) = lanczos(on_first, start_vectors(hessian.dimension, 1, rng), self.steps)
        direction = run.ritz_vector(0)
        halves = [
            _grouped(hessian.on(half, groups(half, _GROUPS, rng.child(i))), direction)
            for i, half in enumerate((first, second))
        ]
        return self._read(run, halves, rng)

    def _halves(self, data: Data, budget: Budget, rng: Rng) -> tuple[Data, Data]:
        """Two parts that share no cluster."""
        one, other = groups(data, 2, rng.child("halves"))
        first, second = data.take(one), data.take(other)
        return (
            first.sample(affordable(first, self.positions, budget), rng),
            second.sample(affordable(second, 4 * self.positions, budget), rng),
        )

    def _read(self, run: Krylov, halves: Sequence[_Grouped], rng: Rng) -> list[Measurement]:
        one, other = halves
        gradients = torch.cat([one.gradients, other.gradients])
        counts = np.concatenate([one.counts, other.counts])
        noise = gradient_noise((gradients @ gradients.T).cpu().numpy(), counts, rng)
        held_out, uncertainty = cluster_mean(other.forms, other.counts, level=1 - 2 * _FAILURE)
        half_width = float(np.asarray(uncertainty.half_width))
        curvature = _Curvature(
            top=float(run.ritz_values[-1]),
            bottom=float(run.ritz_values[0]),
            floor=min(float(run.ritz_values[0]), smallest_eigenvalue_bound([run], _FAILURE)),
            rounding=run.rounding,
            held_out=held_out,
            half_width=half_width,
            expected_half_width=half_width * float(np.sqrt(other.counts.sum() / one.counts.sum())),
        )
        diagnostics: dict[str, Any] = {
            "examples": one.examples + other.examples,
            "positions": one.positions + other.positions,
            "parameters": run.dimension,
            "sample_gradient_norm": noise.sample_norm,
            "gradient_noise": noise.noise,
            "p_value": noise.p_value,
        }
        return [self._norm(noise, diagnostics), self._verdict(noise, curvature, diagnostics)]

    def _norm(self, noise: GradientNoise, diagnostics: dict[str, Any]) -> Measurement:
        uncertainty = Uncertainty.interval(noise.low, noise.high, covers={"data"}, systematic=0.0)
        return Measurement.ok(GRADIENT_NORM, noise.norm, uncertainty, estimator=self.name, diagnostics=diagnostics)

    def _verdict(self, noise: GradientNoise, curvature: _Curvature, diagnostics: dict[str, Any]) -> Measurement:
        moving = noise.p_value < _FAILURE
        verdict = 0 if moving else curvature.verdict(self.flat)
        low, high = curvature.held_out - curvature.half_width, curvature.held_out + curvature.half_width
        diagnostics = {
            **diagnostics,
            "sharpness": curvature.top,
            "smallest_eigenvalue": curvature.bottom,
            "smallest_eigenvalue_bound": curvature.floor,
            "held_out_curvature": [low, curvature.held_out, high],
        }
        if verdict is None:
            reason = (
                "neither a saddle nor a minimum is certain: the gradient cannot be told from zero, the curvature along "
                f"the most negative direction found is in [{low:.3g}, {high:.3g}], and the smallest eigenvalue of the "
                f"examples at hand may be {curvature.floor:.3g}, at a sharpness of {curvature.top:.3g}"
            )
            return Measurement.insufficient(CRITICALITY, reason, estimator=self.name, diagnostics=diagnostics)
        uncertainty = Uncertainty.interval(verdict, verdict, covers={"probe", "data"})
        diagnostics = {**diagnostics, "verdict": _VERDICTS[verdict]}
        return Measurement.ok(CRITICALITY, verdict, uncertainty, estimator=self.name, diagnostics=diagnostics)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Planted minima, saddles and slopes, seen through noisy examples."""
        verdict, norm, seeds = CRITICALITY.name, GRADIENT_NORM.name, (12, 100)
        return (
            KnownAnswer(name="planted minimum", quantity=verdict, make=known.minimum_verdict, seeds=seeds),
            KnownAnswer(name="planted saddle", quantity=verdict, make=known.saddle_verdict, seeds=seeds),
            KnownAnswer(name="planted slope", quantity=verdict, make=known.slope_verdict, seeds=seeds),
            KnownAnswer(
                name="flat minimum, to a sample a saddle",
                quantity=verdict,
                make=known.noisy_curvature,
                coverage=(0.0, 1.0),
                reads_ok=0.0,
                insufficient_at_least=0.9,
                seeds=seeds,
            ),
            KnownAnswer(name="planted slope, norm", quantity=norm, make=known.slope_norm, seeds=seeds),
            KnownAnswer(name="planted minimum, norm", quantity=norm, make=known.minimum_norm, seeds=seeds),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Grouped:
    """Gradients ``(groups, d)``, curvatures along a direction and predictions of groups, all summed."""

    gradients: Tensor
    forms: NDArray[np.float64]
    counts: NDArray[np.float64]
    examples: int
    positions: int


def _grouped(hessian: HessianOperator, direction: Tensor) -> _Grouped:
    gradients, forms, counts = [], [], []
    for gradient, product, count in hessian.group_gradients(direction):
        gradients.append(gradient)
        forms.append(float(direction @ product))
        counts.append(count)
    return _Grouped(
        gradients=torch.stack(gradients),
        forms=np.array(forms),
        counts=np.array(counts, dtype=np.float64),
        examples=len(hessian.data),
        positions=int(hessian.data.lengths.sum()),
    )
