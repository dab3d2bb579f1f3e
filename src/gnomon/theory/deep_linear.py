r"""Deep linear networks learn a task mode by mode: when each singular value is learned.

A network :math:`y = W_L \cdots W_1 x` is trained by gradient descent, of step size η, on
:math:`\frac12 \mathbb{E}\|W_* x - W_L \cdots W_1 x\|^2` with white inputs, :math:`\mathbb{E}xx^\top = I`. With
*aligned* weights, :math:`W_l = R_{l+1} A_l R_l^\top` where the first and the last R hold the singular vectors of
:math:`W_*`, the inner ones are any orthogonal matrices and the A are diagonal, modes do not feel each other. With
*balanced* ones, the same entry a in every A, the strength :math:`u = a^L` of the mode of singular value s follows,
with :math:`t = \eta k` after k steps,

.. math:: \dot a = f(a) = a^{L-1}(s - a^L), \qquad \dot u = L\,u^{2 - 2/L}(s - u).

Two layers, :math:`u = s / (1 + (s/u_0 - 1)\,e^{-2st})`: a plateau, then a fast rise. At any depth, with
:math:`x = u/s`,

.. math:: t(u_0 \to u_1) = \frac{s^{2/L - 2}}{L} \int_{x_0}^{x_1} \frac{dx}{x^{2-2/L}(1 - x)},

which is a logarithm or a hypergeometric function. Steps are no flow: as its modified equation tells, gradient descent
takes

.. math:: k = \frac{t}{\eta} + \frac12 \log\frac{f(a_1)}{f(a_0)} - \frac{\eta}{12}\Bigl[\int_{a_0}^{a_1}
    \frac{f'^2}{f}\,da + f'(a_1) - f'(a_0)\Bigr] + O(\eta^2).

Source: Saxe, McClelland & Ganguli, arXiv:1312.6120; PNAS 116 (2019) 11537. Modified equation: Hairer, Lubich & Wanner,
Geometric Numerical Integration (2006), section IX.1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import hyp2f1

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity, Unit
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SOURCE = "Saxe, McClelland & Ganguli, ICLR 2014, arXiv:1312.6120"

LEARNING_TIME = Quantity(
    name="learning_time_of_a_mode",
    symbol=r"k_q",
    unit=Unit.parse("step"),
    definition=r"k_q = \min\{k : u_\alpha^\top W(k)\, v_\alpha \ge q\,s_\alpha\}, \quad W = W_L \cdots W_1, \quad "
    r"W_* = \textstyle\sum_\alpha s_\alpha u_\alpha v_\alpha^\top",
    convention="k counts steps of gradient descent from 0 at the start and is interpolated linearly between the last "
    "step below and the first one above.",
    source=SOURCE,
    lowest=0.0,
)
STEEPEST = 0.5  # largest η × curvature of the loss along the mode; 2 is where gradient descent diverges
LEAST_WHITE = 0.1
MOST_START_ERROR = 0.2
_LEARNED = 28.0  # logit of u/s of a mode that is learned to rounding


def flow_time(start: float, end: float, singular_value: float, layers: int) -> float:
    """The time in which gradient flow takes a mode from the strength ``start`` to ``end``; 0 < both < singular value.

    >>> round(flow_time(1e-3, 0.5, 1.0, 2), 6) == round(math.log(999) / 2, 6)
    True
    """
    parts = [_antiderivative(u / singular_value, layers) for u in (start, end)]
    return float(singular_value ** (2 / layers - 2) / layers * (parts[1] - parts[0]))


def strength(time: float, start: float, singular_value: float, layers: int) -> float:
    """The strength u of a mode after gradient flow for ``time``; 0 < ``start`` < singular value.

    For one and two layers in closed form, else by inverting `flow_time`. ``time`` is at least 0.

    >>> strength(0.0, 0.01, 1.0, 2), round(strength(math.log(99) / 2, 0.01, 1.0, 2), 9)
    (0.01, 0.5)
    """
    s = singular_value
    if layers == 1:
        return s - (s - start) * math.exp(-time)
    if layers == 2:
        return s / (1 + (s / start - 1) * math.exp(-2 * s * time))
    # in the logit of u/s, so that neither end is lost to rounding
    low = math.log(start / (s - start))
    if time <= 0 or flow_time(start, _inverse_logit(_LEARNED, s), s, layers) <= time:
        return start if time <= 0 else s
    root = brentq(lambda z: flow_time(start, _inverse_logit(z, s), s, layers) - time, low, _LEARNED, xtol=1e-12)
    return _inverse_logit(float(root), s)


def learning_steps(start: float, end: float, singular_value: float, layers: int, learning_rate: float) -> float:
    """Steps of gradient descent from ``start`` to ``end``: `flow_time` and the first term beyond it."""
    flow = flow_time(start, end, singular_value, layers) / learning_rate
    speeds = [u ** (1 - 1 / layers) * (singular_value - u) for u in (start, end)]
    return flow + 0.5 * math.log(speeds[1] / speeds[0])


def next_term(start: float, end: float, singular_value: float, layers: int, learning_rate: float) -> float:
    """The term of order η that `learning_steps` leaves out, by quadrature over log u."""
    s, depth = singular_value, layers

    def slope(u: float) -> float:
        return float(u ** (1 - 2 / depth) * ((depth - 1) * s - (2 * depth - 1) * u))

    def integrand(log_u: float) -> float:
        u = math.exp(log_u)
        return float(slope(u) ** 2 / (depth * u ** (1 - 2 / depth) * (s - u)))

    integral, _ = quad(integrand, math.log(start), math.log(end))
    return -learning_rate / 12 * (float(integral) + slope(end) - slope(start))


def aligned_starts(
    weights: Sequence[NDArray[np.float64]], left: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""The strength of every mode in ``weights``, and its relative error as a start; shapes ``(modes,)``.

    The error is of second order in what the weights miss, :math:`\frac12 d^2`, where d is the largest of the entries of
    the product between the mode and others, over u, or the sum of the spectral norms of
    :math:`W_{l+1}^\top W_{l+1} - W_l W_l^\top`, which gradient flow conserves, over :math:`u^{2/L}`. The factor is
    empirical: it bounds what simulations show.

    Parameters
    ----------
    weights : :math:`W_1, \dots, W_L`, each ``(outputs, inputs)`` of its layer.
    left, right : singular vectors of the target in columns, ``(outputs, modes)`` and ``(inputs, modes)``.
    """
    product = weights[0]
    for w in weights[1:]:
        product = w @ product
    between = left.T @ product @ right
    starts = np.diagonal(between).copy()
    across = np.abs(between - np.diag(starts))
    conserved = [after.T @ after - before @ before.T for before, after in itertools.pairwise(weights)]
    imbalance = sum(float(np.linalg.norm(c, 2)) for c in conserved)
    sizes = np.abs(starts)
    missed = np.maximum(across.max(axis=0), across.max(axis=1)) / sizes
    return starts, np.maximum(missed, imbalance / sizes ** (2 / len(weights))) ** 2 / 2


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class LearningTime(Theory):
    r"""Steps until a mode reaches a share of its singular value, :math:`t(u_0 \to qs)/\eta` and the next term.

    The systematic bound is what the next order in η and the interpolation between steps may add; for inputs that are
    not quite white the same share of the time as their covariance is off; and the time that a relative error of the
    start takes to grow, :math:`\delta\,u_0^{2/L - 1}/(\eta L (s - u_0))`.

    Parameters
    ----------
    singular_value : s.
    start : strength :math:`u_0` at the first step.
    learning_rate : η.
    layers : L.
    share : q, the share of s that counts as learned, in (0, 1).
    whiteness_error : largest distance of an eigenvalue of :math:`\mathbb{E}xx^\top` from 1.
    start_error : δ, how far, relatively, the start may be off as weights are not aligned; see `aligned_starts`.

    Raises
    ------
    GnomonError : for numbers that are not positive, a share outside (0, 1), or no layer.

    >>> found = LearningTime(singular_value=2.0, start=1e-3, learning_rate=0.02).predict()
    >>> f"{found.value:.2f} ± {found.uncertainty.systematic:.2f} steps"
    '96.39 ± 0.02 steps'
    """

    name: ClassVar[str] = "deep_linear_learning_time"
    title: ClassVar[str] = "When a deep linear network learns a singular value, from aligned weights"
    domain: ClassVar[str] = (
        "a start below the target, aligned and balanced (to a fifth of it), white inputs (covariance within 0.1 of the "
        "identity), learning rate at most a quarter of where the mode would diverge; off by less than a step there "
        "if alignment and inputs are exact"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = LEARNING_TIME
    singular_value: float
    start: float
    learning_rate: float
    layers: int = 2
    share: float = 0.5
    whiteness_error: float = 0.0
    start_error: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "singular_value", "start", "learning_rate")
        if self.layers < 1:
            raise GnomonError(f"layers = {self.layers} is no number of layers", mend="give 1, 2, …")
        if not 0 < self.share < 1:
            raise GnomonError(f"share = {self.share} is not between 0 and 1", mend="give e.g. 0.5")
        for name in ("whiteness_error", "start_error"):
            if not getattr(self, name) >= 0:
                raise GnomonError(f"{name} = {getattr(self, name)} is negative", mend="give a distance")

    @property
    def end(self) -> float:
        """The strength that counts as learned."""
        return self.share * self.singular_value

    def value(self) -> float:
        """See `learning_steps`; 0 for a mode that is there from the start."""
        if self.start >= self.end:
            return 0.0
        return max(0.0, learning_steps(self.start, self.end, self.singular_value, self.layers, self.learning_rate))

    def systematic(self) -> float:
        """See the class."""
        if self.start >= self.end:
            return 0.0
        following = next_term(self.start, self.end, self.singular_value, self.layers, self.learning_rate)
        between = steepness(self.singular_value, self.layers, self.learning_rate) / 8
        off = self.whiteness_error / (1 - self.whiteness_error) * self.value()
        depth, above = self.layers, self.singular_value - self.start
        late = self.start_error * self.start ** (2 / depth - 1) / (self.learning_rate * depth * above)
        return float(2 * abs(following) + between + off + late)

    def outside(self) -> tuple[str, ...]:
        """Step size, start and inputs."""
        reasons = []
        steep = steepness(self.singular_value, self.layers, self.learning_rate)
        if steep > STEEPEST:
            reasons.append(f"learning rate × curvature at the target is {steep:.3g}, more than {STEEPEST}")
        if self.start >= self.end:
            reasons.append(f"the mode starts at {self.start:.3g}, above the {self.end:.3g} that counts as learned")
        if self.whiteness_error > LEAST_WHITE:
            reasons.append(f"the covariance of the inputs is {self.whiteness_error:.3g} off the identity")
        if self.start_error > MOST_START_ERROR:
            reasons.append(f"the weights are not aligned and balanced: the start may be {self.start_error:.0%} off")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        one = cls(singular_value=2.0, start=1e-3, learning_rate=0.02)
        deep = cls(singular_value=2.0, start=1e-2, learning_rate=0.02, layers=4, share=0.9, whiteness_error=0.05)
        return {
            "inside": [one, deep],
            "outside": [
                cls(singular_value=2.0, start=1e-3, learning_rate=0.4),
                cls(singular_value=2.0, start=1.5, learning_rate=0.02),
                cls(singular_value=2.0, start=1e-3, learning_rate=0.02, whiteness_error=0.5),
                cls(singular_value=2.0, start=1e-3, learning_rate=0.02, layers=3, start_error=1.0),
            ],
        }


def steepness(singular_value: float, layers: int, learning_rate: float) -> float:
    r"""η times the curvature of the loss along a mode that is learned, :math:`\eta L s^{2 - 2/L}`."""
    return float(learning_rate * layers * singular_value ** (2 - 2 / layers))


def positive(theory: Theory, *names: str) -> None:
    """Raises GnomonError when one of these inputs is no positive number."""
    for name in names:
        number = getattr(theory, name)
        if not (number > 0 and math.isfinite(number)):
            raise GnomonError(f"{name} = {number} is not a positive number", mend=f"mend {name}")


def _antiderivative(x: float, layers: int) -> float:
    r""":math:`\int x^{p-1}/(1 - x)\,dx` with :math:`p = 2/L - 1`."""
    if layers == 1:
        return -math.log1p(-x)
    if layers == 2:
        return math.log(x) - math.log1p(-x)
    p = 2 / layers - 1
    return float(x**p / p + x ** (p + 1) / (p + 1) * hyp2f1(1.0, p + 1, p + 2, x))


def _inverse_logit(z: float, singular_value: float) -> float:
    return singular_value / (1 + math.exp(-z))
