r"""Gradient descent on a quadratic loss: the exact path of every mode, and the learning rate at which it diverges.

With :math:`L(w) = L_* + \frac12 (w - w_*)^\top H (w - w_*)`, the distance c of w from the critical point along an
eigenvector of H, of eigenvalue λ, obeys on its own

.. math:: c_{k+1} = T c_k - D c_{k-1}, \qquad T = 1 + \beta - \eta\lambda, \quad D = \beta

with learning rate η and momentum β of Polyak's kind, and :math:`T = (1 + \beta)(1 - \eta\lambda)`,
:math:`D = \beta(1 - \eta\lambda)` with that of Nesterov, as `torch.optim.SGD` has them (no dampening, no velocity
at the start). With :math:`r_\pm` the roots of :math:`r^2 - Tr + D`,

.. math:: c_k = c_1 S_{k-1} - D c_0 S_{k-2}, \qquad S_k = \frac{r_+^{k+1} - r_-^{k+1}}{r_+ - r_-}.

Both roots are inside the unit circle, and every start converges, if and only if :math:`|D| < 1` and
:math:`|T| < 1 + D`: for :math:`0 < \lambda` and :math:`|\beta| < 1`, below

.. math:: \eta_* = \frac{2(1 + \beta)}{\lambda_\mathrm{max}} \ \text{(Polyak)}, \qquad
    \eta_* = \frac{2(1 + \beta)}{(1 + 2\beta)\lambda_\mathrm{max}} \ \text{(Nesterov, } \beta \ge 0).

Source: Polyak, USSR Computational Mathematics and Mathematical Physics 4 (1964) 1; Goh, Distill (2017) e6; Cohen et
al., arXiv:2103.00065, appendix B (Nesterov).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SOURCE = "Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1; Cohen et al., arXiv:2103.00065"

CRITICAL_LEARNING_RATE = Quantity(
    name="critical_learning_rate",
    symbol=r"\eta_*",
    definition=r"\eta_* = \sup\{\eta : \lim_{k \to \infty} L(w_k) < \infty \text{ from every } w_0\}",
    convention="Full-batch gradient descent at a constant learning rate; the loss has the unit 1 / (η × weight^-2).",
    source=SOURCE,
    lowest=0.0,
)
EXCESS_LOSS = Quantity(
    name="loss_above_critical_point",
    symbol=r"L(w_k) - L_*",
    definition=r"L(w_k) - L_* = \tfrac12 \sum_i \lambda_i c_{i,k}^2",
    convention="Full batch, after k steps, in the unit of the loss; negative below a saddle.",
    source=SOURCE,
)
_LARGEST = 1e300


def critical_learning_rate(largest_eigenvalue: float, momentum: float = 0.0, *, nesterov: bool = False) -> float:
    """The learning rate from which on gradient descent diverges, for a positive eigenvalue and 0 ≤ momentum < 1.

    >>> critical_learning_rate(4.0), critical_learning_rate(4.0, 0.9), critical_learning_rate(4.0, 0.5, nesterov=True)
    (0.5, 0.95, 0.375)
    """
    return 2 * (1 + momentum) / ((1 + 2 * momentum if nesterov else 1.0) * largest_eigenvalue)


def distances(
    eigenvalues: ArrayLike,
    starts: ArrayLike,
    learning_rate: float,
    steps: ArrayLike,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> NDArray[np.float64]:
    """The distances c along the modes after ``steps`` steps, of shape ``(*steps, modes)``, converging or not.

    ``eigenvalues`` and ``starts`` have one entry a mode. Cost: independent of the number of steps.

    >>> distances([1.0, 4.0], [1.0, 1.0], 0.25, [0, 1, 2])
    array([[1.    , 1.    ],
           [0.75  , 0.    ],
           [0.5625, 0.    ]])
    """
    decay = 1 - learning_rate * np.asarray(eigenvalues, dtype=np.float64)
    k = np.asarray(steps)[..., None]
    trace, determinant = (1 + momentum) * decay, momentum * decay
    if not nesterov:
        trace, determinant = decay + momentum, np.full_like(decay, momentum)
    # zero velocity at the start
    first = 1 + (decay - 1) * (1 + momentum * nesterov)
    path = first * _sums(trace, determinant, k - 1) - determinant * _sums(trace, determinant, k - 2)
    return np.where(k == 0, 1.0, path) * np.asarray(starts, dtype=np.float64)


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalLearningRate(Theory):
    r"""The learning rate at which gradient descent diverges, :math:`\eta_* = 2(1 + \beta)/\lambda_\mathrm{max}`.

    With Nesterov's momentum :math:`2(1 + \beta)/((1 + 2\beta)\lambda_\mathrm{max})`.

    Parameters
    ----------
    largest_eigenvalue : of the Hessian.
    smallest_eigenvalue : of the Hessian, where it is known; below a negative one there is no minimum.
    momentum : β ≥ 0.
    nesterov : whether it is Nesterov's momentum.

    Raises
    ------
    GnomonError : for numbers that are not finite, a negative momentum, or a smallest eigenvalue above the largest.

    >>> CriticalLearningRate(largest_eigenvalue=20.0, momentum=0.9).predict().value
    0.19
    """

    name: ClassVar[str] = "critical_learning_rate"
    title: ClassVar[str] = "Where gradient descent on a quadratic diverges"
    domain: ClassVar[str] = (
        "a quadratic loss that is bounded below, full batches, constant learning rate, 0 ≤ momentum < 1; exact there, "
        "and for other losses the condition for a minimum to be stable"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = CRITICAL_LEARNING_RATE
    largest_eigenvalue: float
    smallest_eigenvalue: float = 0.0
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum < 0:
            raise GnomonError(f"momentum = {self.momentum} is negative", mend="give 0 or more")
        if 0 < self.largest_eigenvalue < self.smallest_eigenvalue:
            raise GnomonError("the smallest eigenvalue is above the largest", mend="swap them")

    def value(self) -> float:
        """See `critical_learning_rate`; 0 where every learning rate diverges, infinite where none does."""
        if self.momentum >= 1 or self.smallest_eigenvalue < 0 or self.largest_eigenvalue < 0:
            return 0.0
        if self.largest_eigenvalue == 0:
            return math.inf
        return critical_learning_rate(self.largest_eigenvalue, self.momentum, nesterov=self.nesterov)

    def systematic(self) -> float:
        """It is exact."""
        return 0.0

    def outside(self) -> tuple[str, ...]:
        """There must be a minimum, and curvature, and a velocity that decays."""
        reasons = []
        lowest = min(self.smallest_eigenvalue, self.largest_eigenvalue)
        if lowest < 0:
            reasons.append(f"an eigenvalue of {lowest:.3g}: the loss is not bounded below")
        if self.largest_eigenvalue == 0:
            reasons.append("the loss is flat")
        if self.momentum >= 1:
            reasons.append(f"a velocity with momentum {self.momentum:g} never decays")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {
            "inside": [cls(largest_eigenvalue=4.0), cls(largest_eigenvalue=4.0, momentum=0.9, nesterov=True)],
            "outside": [
                cls(largest_eigenvalue=4.0, smallest_eigenvalue=-1.0),
                cls(largest_eigenvalue=4.0, momentum=1.0),
                cls(largest_eigenvalue=0.0),
            ],
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class QuadraticDescent(Theory):
    r"""The loss after k steps, :math:`L(w_k) - L_* = \frac12 \sum_i \lambda_i c_{i,k}^2`, see `distances`.

    It holds below and above the critical learning rate, at minima and at saddles.

    Parameters
    ----------
    eigenvalues : of the Hessian, float64.
    starts : distances from the critical point along its eigenvectors, as many, float64.
    learning_rate : η > 0.
    step : k ≥ 0.
    momentum : β ≥ 0.
    nesterov : whether it is Nesterov's momentum.

    Raises
    ------
    GnomonError : for inputs out of range or of different shapes.

    >>> one = QuadraticDescent(eigenvalues=np.array([4.0]), starts=np.array([1.0]), learning_rate=0.125, step=2)
    >>> one.predict().value
    0.125
    """

    name: ClassVar[str] = "quadratic_descent"
    title: ClassVar[str] = "The loss along gradient descent on a quadratic"
    domain: ClassVar[str] = (
        "a quadratic loss, full batches, constant learning rate and momentum, no overflow; exact to rounding there"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = EXCESS_LOSS
    eigenvalues: NDArray[np.float64]
    starts: NDArray[np.float64]
    learning_rate: float
    step: int
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eigenvalues.ndim != 1 or self.eigenvalues.shape != self.starts.shape or not self.eigenvalues.size:
            raise GnomonError("eigenvalues and starts are not two vectors of one length", mend="give one a mode")
        if not self.learning_rate > 0 or self.step < 0 or self.momentum < 0:
            raise GnomonError("a learning rate, a step or a momentum is out of range", mend="see the parameters")

    def value(self) -> float:
        """The sum over modes."""
        return self._sum(self.eigenvalues)

    def systematic(self) -> float:
        """Rounding, which grows with the steps."""
        return 1e-15 * (self.step + 10) * self._sum(np.abs(self.eigenvalues))

    def outside(self) -> tuple[str, ...]:
        """The loss must be a number."""
        found = self._sum(np.abs(self.eigenvalues))
        return () if found < _LARGEST else (f"the loss overflows within {self.step} steps",)

    def _sum(self, weights: NDArray[np.float64]) -> float:
        with np.errstate(all="ignore"):
            c = distances(
                self.eigenvalues,
                self.starts,
                self.learning_rate,
                self.step,
                momentum=self.momentum,
                nesterov=self.nesterov,
            )
            terms = 0.5 * weights * c**2
            return float(terms.sum()) if np.isfinite(terms).all() else math.inf

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        modes, starts = np.array([4.0, 1.0, -0.1]), np.array([1.0, -2.0, 0.1])
        return {
            "inside": [
                cls(eigenvalues=modes, starts=starts, learning_rate=0.3, step=20),
                cls(eigenvalues=modes, starts=starts, learning_rate=0.3, step=20, momentum=0.9, nesterov=True),
            ],
            "outside": [cls(eigenvalues=modes, starts=starts, learning_rate=3.0, step=1000)],
        }


def _sums(trace: NDArray[np.float64], determinant: NDArray[np.float64], k: NDArray[np.int64]) -> NDArray[np.float64]:
    """The S of the module, for k ≥ −1: geometric sums of the ratio of the roots, exact where these coincide."""
    root = np.sqrt((trace**2 - 4 * determinant).astype(np.complex128))
    # the larger root without cancellation, and the other from the product of both
    large = (trace + np.where(trace >= 0, 1.0, -1.0) * root) / 2
    safe = np.where(large == 0, 1.0, large)
    small = determinant / safe
    gap = (small - large) / safe
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log1p(gap)
        geometric = np.expm1((k + 1) * log_ratio) / gap
    geometric = np.where(gap == 0, k + 1, np.where(small == 0, np.sign(k + 1), geometric))
    found = np.where(large == 0, (k == 0) * 1.0, geometric * safe ** np.maximum(k, 0) * np.where(k < 0, 0.0, 1.0))
    return np.asarray(found.real)
