"""The ends of the Hessian's spectrum and its density, all from one Lanczos run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.curvature import known
from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.estimating import CurvatureEstimator, asymmetry, product_cost
from gnomon.estimators.curvature.examples import affordable, groups
from gnomon.estimators.curvature.extremes import largest_eigenvalue_bound, smallest_eigenvalue_bound
from gnomon.estimators.curvature.hessian import HessianOperator
from gnomon.estimators.curvature.lanczos import Krylov, lanczos, start_vectors
from gnomon.estimators.curvature.quadratic_forms import data_error, quadratic_forms
from gnomon.estimators.curvature.quadrature import density_grid, spectral_density
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject

_CONVENTION = (
    "H is the Hessian, with respect to all trainable parameters, of the mean loss over the predictions of the examples "
    "that were used (all of the data, or a uniform sample of it: see the diagnostics), in evaluation mode. The loss "
    "counts as a pure number (nats where it is a likelihood). The interval is over the instrument's random probes: it "
    "speaks of these examples, not of those the data might have held."
)

TOP = Quantity(
    name="hessian_top_eigenvalue",
    symbol=r"\lambda_{\max}",
    unit=Unit.parse("1/weight^2"),
    definition=r"\lambda_{\max}(H), \quad H = \nabla^2_\theta \frac1N \sum_n \ell_n(\theta)",
    convention=f"Also called the sharpness. {_CONVENTION}",
    source="Cohen et al., arXiv:2103.00065 (sharpness); LeCun, Simard & Pearlmutter, NIPS 1992",
    invariances=("example_permutation",),
)
BOTTOM = Quantity(
    name="hessian_bottom_eigenvalue",
    symbol=r"\lambda_{\min}",
    unit=Unit.parse("1/weight^2"),
    definition=r"\lambda_{\min}(H), \quad H = \nabla^2_\theta \frac1N \sum_n \ell_n(\theta)",
    convention=_CONVENTION,
    source="Dauphin et al., arXiv:1406.2572; Ghorbani, Krishnan & Xiao, arXiv:1901.10159",
    invariances=("example_permutation",),
)
DENSITY = Quantity(
    name="hessian_spectral_density",
    symbol=r"\varphi_\sigma",
    unit=Unit.parse("weight^2"),
    definition=r"\varphi_\sigma(t) = \frac{1}{d \sigma \sqrt{2\pi}} \sum_{i=1}^d e^{-(t - \lambda_i(H))^2 / 2\sigma^2}",
    convention=(
        "Share of eigenvalues per unit of eigenvalue, smoothed by a Gaussian of width σ, on an even grid from five "
        "widths below the smallest to five above the largest eigenvalue; its integral is 1. Grid and σ are among the "
        f"diagnostics. {_CONVENTION}"
    ),
    source="Lin, Saad & Yang, arXiv:1308.5467; Ghorbani, Krishnan & Xiao, arXiv:1901.10159",
    axes=("eigenvalue",),
    lowest=0.0,
)
SHARPNESS_RATIO = Quantity(
    name="sharpness_ratio",
    symbol=r"\eta\lambda_{\max}/2",
    definition=r"\frac{\lambda_{\max}(H)}{2/\eta}",
    convention=(
        "η is the learning rate. Full-batch gradient descent without momentum is stable along every direction below "
        f"1; training at the edge of stability hovers around it. {_CONVENTION}"
    ),
    source="Cohen et al., arXiv:2103.00065",
    invariances=("example_permutation",),
)
# an end of the spectrum that is not known to this share of the range is not read
_COARSEST = 0.25
_GROUPS = 8


@register
class HessianSpectrum(CurvatureEstimator):
    r"""Largest and smallest eigenvalue of the Hessian, its spectral density, and the sharpness against 2/η.

    ``steps`` Lanczos steps with full reorthogonalisation from each of ``probes`` random start vectors give Ritz
    values :math:`\vartheta_i` and quadrature weights :math:`w_i`.

    * :math:`\lambda_{\max} \ge \max \vartheta`, always; and it is below the point where the Lanczos polynomial
      exceeds what a random start vector's component can be, but for a probability of 5 %
      (`largest_eigenvalue_bound`). The same for :math:`\lambda_{\min}`. The reading is the Ritz value.
    * :math:`\varphi_\sigma(t) \approx \sum_i w_i g_\sigma(t - \vartheta_i)`, averaged over probes, with the pointwise
      band and bound on the bias of `spectral_density`.

    The systematic part is the rounding of products, judged by how far the computed :math:`Q^\top H Q` is from
    tridiagonal. What another draw of examples would change is *not* in the interval; its first-order standard error
    :math:`\widehat{\mathrm{se}}(u^\top H_c u)` over clusters is among the diagnostics as ``data_stderr``.

    Cost: ``steps`` · ``probes`` Hessian products over the examples used, each about four forward passes; a forward and
    a backward pass beside, once where the memory limit lets the graph be kept and at every step where it does not; and
    one more product for ``data_stderr``. Memory 8 · steps · probes · d bytes.

    Parameters
    ----------
    probes, steps : random start vectors, and Lanczos steps from each.
    positions : examples are drawn until they hold so many positions (tokens; one for an array).
    learning_rate : η, for the ratio of the sharpness to 2/η; without it that is not read.

    Raises
    ------
    GnomonError : when the loss, or a derivative of it, is NaN or infinite.

    Source: Golub & Meurant, Matrices, Moments and Quadrature (2010); van Dorsselaer, Hochstenbach & van der Vorst,
    SIAM J. Matrix Anal. 22 (2000) 837; Lin, Saad & Yang, arXiv:1308.5467.

    >>> subject, data, top = known.linear_regression_top(Rng(0))
    >>> found = HessianSpectrum(learning_rate=0.1).measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> [m.quantity for m in found]
    ['hessian_top_eigenvalue', 'hessian_bottom_eigenvalue', 'hessian_spectral_density', 'sharpness_ratio']
    >>> found[0].uncertainty.contains(found[0].value, top)
    True
    >>> bool(abs(found[3].value - 0.05 * found[0].value) < 1e-12)
    True
    """

    name = "hessian_spectrum"
    quantities = (TOP, BOTTOM, DENSITY, SHARPNESS_RATIO)
    operator = HessianOperator

    def __init__(
        self, *, probes: int = 1, steps: int = 16, positions: int = 1024, learning_rate: float | None = None
    ) -> None:
        if probes < 1 or steps < 2:
            raise GnomonError(f"no spectrum from {probes} probes and {steps} steps", mend="use probes ≥ 1, steps ≥ 2")
        if learning_rate is not None and not learning_rate > 0:
            raise GnomonError(f"learning rate {learning_rate} is not positive")
        self.probes = probes
        self.steps = steps
        self.positions = positions
        self.learning_rate = learning_rate

    def _vectors(self, dimension: int) -> int:
        return min(self.steps, dimension) * self.probes

    def _price(self, matrix: CurvatureOperator, data: Data, budget: Budget) -> Cost:
        d, examples = matrix.dimension, affordable(data, self.positions, budget)
        steps = min(self.steps, d)
        price = product_cost(matrix, examples, data, passes=steps, products=steps * self.probes)
        price += product_cost(matrix, examples, data, passes=1, products=2)
        return price + Cost(flops=4.0 * d * steps**2 * self.probes)

    def _measure(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> list[Measurement]:
        used = self._sample(data, budget, rng)
        hessian = self.operator(subject, used, max_bytes=budget.bytes)
        with hessian.keeping():
            runs = lanczos(hessian, start_vectors(hessian.dimension, self.probes, rng), self.steps)
        largest = float(max(np.abs(run.ritz_values).max() for run in runs))
        if largest == 0.0:
            return self._refused("the Hessian is zero", diagnostics={"parameters": hessian.dimension})
        if reason := asymmetry(max(run.rounding for run in runs), largest):
            return self._refused(reason, diagnostics={"parameters": hessian.dimension})
        return self._read(runs, hessian.on(used, groups(used, _GROUPS, rng)))

    def _read(self, runs: Sequence[Krylov], hessian: CurvatureOperator) -> list[Measurement]:
        top_run = max(runs, key=lambda run: float(run.ritz_values[-1]))
        bottom_run = min(runs, key=lambda run: float(run.ritz_values[0]))
        top, bottom = float(top_run.ritz_values[-1]), float(bottom_run.ritz_values[0])
        ceiling = max(top, largest_eigenvalue_bound(runs, 0.05))
        floor = min(bottom, smallest_eigenvalue_bound(runs, 0.05))
        rounding = max(run.rounding for run in runs)
        errors = _data_errors(hessian, top_run, bottom_run)
        shared = {
            "examples": len(hessian.data),
            "positions": int(hessian.data.lengths.sum()),
            "parameters": hessian.dimension,
            "probes": len(runs),
            "steps": len(runs[0].alphas),
        }
        at_top = {**shared, "residual": float(top_run.residuals[-1]), "data_stderr": errors[0]}
        at_bottom = {**shared, "residual": float(bottom_run.residuals[0]), "data_stderr": errors[1]}
        found = [
            self._end(TOP, top, (top, ceiling), top - bottom, rounding, at_top),
            self._end(BOTTOM, bottom, (floor, bottom), top - bottom, rounding, at_bottom),
            self._density(runs, (bottom, top), ceiling - floor, rounding, shared),
        ]
        if self.learning_rate is None:
            reason = "the learning rate is not known; give HessianSpectrum(learning_rate=…)"
            return [*found, Measurement.insufficient(SHARPNESS_RATIO, reason, estimator=self.name)]
        half = self.learning_rate / 2
        ends = (half * top, half * ceiling)
        return [*found, self._end(SHARPNESS_RATIO, half * top, ends, half * (top - bottom), half * rounding, shared)]

    def _end(
        self,
        quantity: Quantity,
        value: float,
        ends: tuple[float, float],
        extent: float,
        rounding: float,
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        """A reading at an end of the spectrum, unless it may lie too far beyond what was found."""
        width = ends[1] - ends[0]
        if width > _COARSEST * extent:
            return Measurement.insufficient(
                quantity,
                f"after {self.steps} steps it is only known to lie in [{ends[0]:.3g}, {ends[1]:.3g}]",
                # without a gap in the spectrum the width falls as the square of the number of steps
                suffices={"steps": float(np.ceil(self.steps * np.sqrt(width / (_COARSEST * extent))))},
                estimator=self.name,
                diagnostics={**diagnostics, "estimate": value},
            )
        uncertainty = Uncertainty.interval(
            *ends,
            covers={"probe"},
            effective_samples=float(self.probes),
            systematic=rounding,
            systematic_source="rounding of the products, from their asymmetry",
        )
        return Measurement.ok(quantity, value, uncertainty, estimator=self.name, diagnostics=diagnostics)

    def _density(
        self,
        runs: Sequence[Krylov],
        ends: tuple[float, float],
        extent: float,
        rounding: float,
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        grid, width = density_grid(*ends, self.steps)
        density = spectral_density(runs, grid, width, extent)
        # an eigenvalue off by r moves its bump's height by at most r times the steepest slope of the Gaussian
        slope = np.exp(-0.5) / (np.sqrt(2 * np.pi) * width**2)
        uncertainty = Uncertainty.interval(
            density.low,
            density.high,
            covers={"probe"},
            effective_samples=float(self.probes),
            systematic=density.bias + rounding * float(slope),
            systematic_source="bias of the quadrature and rounding of the products",
        )
        mass = float(density.values.sum() * (grid[1] - grid[0]))
        more = {"eigenvalue": grid.tolist(), "width": width, "mass": mass}
        return Measurement.ok(
            DENSITY, density.values, uncertainty, estimator=self.name, diagnostics={**diagnostics, **more}
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Regressions whose Hessians are written down, and planted spectra."""
        top, bottom, density = TOP.name, BOTTOM.name, DENSITY.name
        return (
            KnownAnswer(name="linear regression", quantity=top, make=known.linear_regression_top),
            KnownAnswer(name="logistic regression", quantity=top, make=known.logistic_top),
            KnownAnswer(name="softmax regression", quantity=top, make=known.softmax_top),
            KnownAnswer(name="planted bulk, top", quantity=top, make=known.bulk_top),
            KnownAnswer(name="planted saddle, bottom", quantity=bottom, make=known.saddle_bottom),
            KnownAnswer(name="planted spectrum, density", quantity=density, make=known.planted_density),
        )


def _data_errors(hessian: CurvatureOperator, top_run: Krylov, bottom_run: Krylov) -> tuple[float | None, float | None]:
    """First-order standard errors over clusters of the two ends: of uᵀHu with its eigenvector u held fixed."""
    found = quadratic_forms(hessian, torch.stack([top_run.ritz_vector(-1), bottom_run.ritz_vector(0)], dim=1))
    top, bottom = (data_error(column, found.counts) for column in found.by_group.T)
    return top, bottom
