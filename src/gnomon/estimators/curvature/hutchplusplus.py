"""Traces of curvature matrices by Hutch++."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.curvature import known
from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.estimating import CurvatureEstimator, asymmetry, product_cost
from gnomon.estimators.curvature.examples import affordable, groups
from gnomon.estimators.curvature.gauss_newton import GaussNewtonOperator
from gnomon.estimators.curvature.hessian import HessianOperator
from gnomon.estimators.curvature.quadratic_forms import data_error, quadratic_forms
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject

_CONVENTION = (
    "With respect to all trainable parameters, of the mean loss over the predictions of the examples that were used "
    "(all of the data, or a uniform sample of it: see the diagnostics), in evaluation mode; not divided by the number "
    "of parameters. The loss counts as a pure number (nats where it is a likelihood). The interval is over the "
    "instrument's random probes: it speaks of these examples, not of those the data might have held."
)

HESSIAN_TRACE = Quantity(
    name="hessian_trace",
    symbol=r"\mathrm{tr}\,H",
    unit=Unit.parse("1/weight^2"),
    definition=r"\mathrm{tr}\, \nabla^2_\theta \frac1N \sum_n \ell_n(\theta)",
    convention=_CONVENTION,
    source="Yao et al., arXiv:1912.07145",
    invariances=("example_permutation",),
)
GAUSS_NEWTON_TRACE = Quantity(
    name="gauss_newton_trace",
    symbol=r"\mathrm{tr}\,G",
    unit=Unit.parse("1/weight^2"),
    definition=r"\mathrm{tr}\, \frac1N \sum_n J_n^\top (\nabla^2_z \ell_n) J_n, \quad J = \partial z/\partial\theta",
    convention=(
        "z are the scores (logits or outputs) of a prediction. Equal to the trace of the true Fisher information for "
        f"softmax cross entropies. {_CONVENTION}"
    ),
    source="Schraudolph, Neural Computation 14 (2002) 1723; Martens, arXiv:1412.1193",
    invariances=("example_permutation",),
    lowest=0.0,
)


_GROUPS = 8
_HEADROOM = 4.0  # of the rounding over what the asymmetry of products shows of it, as in Lanczos


@dataclass(frozen=True, kw_only=True)
class TraceEstimate:
    """A trace and what is uncertain about it.

    Parameters
    ----------
    value, error, degrees_of_freedom : estimate, and its standard error over ``probes`` probes; 0 probes: exact.
    rounding : size of the products' rounding in it.
    size : the same with all of its terms taken as positive.
    deflated : the part that was not left to the probes.
    data_error : standard error over the clusters of the data; ``None`` when it cannot be known.
    """

    value: float
    error: float
    degrees_of_freedom: float
    rounding: float
    size: float
    deflated: float
    probes: int
    data_error: float | None


def hutchplusplus(operator: CurvatureOperator, products: int, rng: Rng) -> TraceEstimate:
    r"""The trace of A from ``products`` products: exactly on a sketched subspace, by random probes on the rest.

    An orthonormal basis Q of a sketch :math:`A\Omega` (``products`` // 4 columns) holds most of the largest
    eigenvectors. :math:`\mathrm{tr} A = \mathrm{tr}\, Q^\top A Q + \mathrm{tr} M` with
    :math:`M = (I - QQ^\top) A (I - QQ^\top)`, and the second term is the mean of :math:`z^\top M z` over probes z
    uniform on the sphere of radius :math:`\sqrt n` in the n = d − rank Q dimensions left.

    *Error.* Its variance is :math:`\frac{2n}{n+2} (\|M\|_F^2 - (\mathrm{tr} M)^2 / n)`, and the probes' own products
    give :math:`\|M\|_F^2 = \mathbb{E} \|Mz\|^2`: far steadier than the scatter of a few :math:`z^\top M z`. The
    interval is Student's, with the degrees of freedom that the scatter of :math:`\|Mz\|^2` shows.

    A matrix of at most ``products`` rows is multiplied with the identity, and its trace is exact.

    Source: Meyer, Musco, Musco & Woodruff, arXiv:2010.09649 (Hutch++); Epperly, Tropp & Webber, arXiv:2301.07825
    (probes on the sphere).
    """
    d = operator.dimension
    if d <= products:
        found = quadratic_forms(operator, torch.eye(d, dtype=torch.float64, device=operator.device))
        diagonal = torch.diagonal(found.product)
        value, size = float(diagonal.sum()), float(diagonal.abs().sum())
        return TraceEstimate(
            value=value,
            error=0.0,
            degrees_of_freedom=np.inf,
            rounding=_HEADROOM * (_asymmetry(found.product) + operator.precision) * size,
            size=size,
            deflated=value,
            probes=0,
            data_error=data_error(found.by_group.sum(axis=1), found.counts),
        )
    sketch = products // 4
    probes = products - 2 * sketch
    omega, z = (
        _normal(d, k, rng.child(name)).to(operator.device) for name, k in (("sketch", sketch), ("probe", probes))
    )
    q, _ = torch.linalg.qr(operator.matmat(omega))
    on_sketch = quadratic_forms(operator, q)
    projected = q.T @ on_sketch.product
    n = d - sketch
    z -= q @ (q.T @ z)
    z *= np.sqrt(n) / z.norm(dim=0)
    on_probes = quadratic_forms(operator, z)
    product = on_probes.product
    product -= q @ (q.T @ product)
    mean = float((z * product).sum(dim=0).mean())
    squares = product.square().sum(dim=0).cpu().numpy()
    square = float(squares.mean())
    variance = 2 * n / (n + 2) * max(square - mean**2 / n, 0.0) / probes
    scatter = float((squares / square).var(ddof=1)) / probes if square > 0 else 0.0
    deflated = float(projected.trace())
    # terms of either sign may cancel, their rounding does not
    size = float(projected.diagonal().abs().sum()) + abs(mean) + float(np.sqrt(square))
    by_group = on_sketch.by_group.sum(axis=1) + on_probes.by_group.mean(axis=1)
    return TraceEstimate(
        value=deflated + mean,
        error=float(np.sqrt(variance)),
        degrees_of_freedom=max(2.0, 2 / scatter) if scatter > 0 else np.inf,
        rounding=_HEADROOM * (_asymmetry(projected) + operator.precision) * size,
        size=size,
        deflated=deflated,
        probes=probes,
        data_error=data_error(by_group, on_probes.counts),
    )


def _asymmetry(matrix: torch.Tensor) -> float:
    """What rounding leaves between a matrix and its transpose, as a share of it."""
    return float((matrix - matrix.T).norm()) / max(float(matrix.norm()), 1e-300)


def _normal(rows: int, columns: int, rng: Rng) -> torch.Tensor:
    """Standard normal numbers, column by column, drawn on the CPU."""
    drawn = [torch.randn(rows, dtype=torch.float64, generator=rng.child(i).torch()) for i in range(columns)]
    return torch.stack(drawn, dim=1)


class _Trace(CurvatureEstimator):
    """The trace of one curvature matrix. Subclasses name the matrix and the quantity."""

    def __init__(self, *, products: int = 24, positions: int = 1024) -> None:
        if products < 8:
            raise GnomonError(f"{products} products are too few for a trace with an error", mend="use at least 8")
        self.products = products
        self.positions = positions

    def _vectors(self, dimension: int) -> int:
        return 2 * min(self.products, dimension)

    def _price(self, matrix: CurvatureOperator, data: Data, budget: Budget) -> Cost:
        d = matrix.dimension
        passes, products = (1, d) if d <= self.products else (3, self.products)
        examples = affordable(data, self.positions, budget)
        return product_cost(matrix, examples, data, passes=passes, products=products) + Cost(
            flops=4.0 * d * products**2
        )

    def _measure(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> list[Measurement]:
        (quantity,) = self.quantities
        used = self._sample(data, budget, rng)
        matrix = self.operator(subject, used, groups=groups(used, _GROUPS, rng), max_bytes=budget.bytes)
        with matrix.keeping():
            found = hutchplusplus(matrix, self.products, rng)
        if reason := asymmetry(found.rounding, found.size):
            return self._refused(reason, diagnostics={"parameters": matrix.dimension, "estimate": found.value})
        source = "rounding of the products, from their asymmetry"
        if found.probes == 0:
            uncertainty = Uncertainty.exact(systematic=found.rounding, systematic_source=source)
        else:
            uncertainty = Uncertainty.stderr(
                found.value,
                found.error,
                covers={"probe"},
                degrees_of_freedom=found.degrees_of_freedom,
                effective_samples=found.probes,
                systematic=found.rounding,
                systematic_source=source,
            )
        diagnostics = {
            "examples": len(used),
            "positions": int(used.lengths.sum()),
            "parameters": matrix.dimension,
            "products": min(self.products, matrix.dimension),
            "deflated": found.deflated,
            "data_stderr": found.data_error,
        }
        return [Measurement.ok(quantity, found.value, uncertainty, estimator=self.name, diagnostics=diagnostics)]


@register
class HessianTrace(_Trace):
    r"""Trace of the Hessian, :math:`\mathrm{tr}\,H = \sum_i \lambda_i`, by Hutch++.

    See `hutchplusplus` for the estimator and its error; the 95 % interval is over probes. Cost: ``products`` Hessian
    products over the examples used, each about four forward passes, and memory 16 · products · d bytes.

    Parameters
    ----------
    products : how many products with the Hessian are spent; the error falls at least as their number^(−1/2).
    positions : examples are drawn until they hold so many positions (tokens; one for an array).

    Raises
    ------
    GnomonError : when the loss, or a derivative of it, is NaN or infinite.

    Source: Meyer, Musco, Musco & Woodruff, arXiv:2010.09649.

    >>> subject, data, trace = known.linear_regression_trace(Rng(0))
    >>> (m,) = HessianTrace().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.uncertainty.contains(m.value, trace), sorted(m.uncertainty.covers)
    (True, ['probe'])
    """

    name = "hessian_trace"
    quantities = (HESSIAN_TRACE,)
    operator = HessianOperator

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Regressions whose Hessians are written down, and planted spectra, flat, decaying and indefinite."""
        makers = {
            "linear regression": known.linear_regression_trace,
            "logistic regression": known.logistic_trace,
            "planted flat spectrum": known.flat_trace,
            "planted outliers": known.outliers_trace,
            "planted saddle": known.saddle_trace,
        }
        return tuple(
            KnownAnswer(name=name, quantity=HESSIAN_TRACE.name, make=make, coverage=(0.90, 0.98))
            for name, make in makers.items()
        )


@register
class GaussNewtonTrace(_Trace):
    r"""Trace of the generalised Gauss–Newton matrix, :math:`\mathrm{tr}\,G`, by Hutch++.

    G is the part of the Hessian that stays when the network is replaced by its linearisation, and the true Fisher
    information for softmax cross entropies (see `GaussNewtonOperator`). See `hutchplusplus` for the estimator and its
    error; the 95 % interval is over probes. Cost and parameters: as `HessianTrace`.

    Source: Meyer, Musco, Musco & Woodruff, arXiv:2010.09649; Martens, arXiv:1412.1193.

    >>> subject, data, trace = known.softmax_trace(Rng(0))
    >>> (m,) = GaussNewtonTrace().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.uncertainty.contains(m.value, trace)
    True
    """

    name = "gauss_newton_trace"
    quantities = (GAUSS_NEWTON_TRACE,)
    operator = GaussNewtonOperator

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Softmax regression, where G is the Hessian, and a network whose own curvature G leaves out."""
        makers = {"softmax regression": known.softmax_trace, "product of two weights": known.product_trace}
        return tuple(
            KnownAnswer(name=name, quantity=GAUSS_NEWTON_TRACE.name, make=make, coverage=(0.90, 0.98))
            for name, make in makers.items()
        )
