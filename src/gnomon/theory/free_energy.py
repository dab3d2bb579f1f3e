r"""Which phase of a singular model the posterior prefers, as examples are added.

A phase is a neighbourhood of one optimum: a loss L, a learning coefficient λ and its multiplicity m. What n examples
say for it is its free energy, minus the logarithm of its share of the evidence,

.. math:: F(n) = n L + \lambda \log n - (m - 1)\log\log n + c + o(1).

A phase of lower loss and larger λ loses to a simpler one at first and wins in the end: with :math:`\Delta L` the gap of
the losses, :math:`\Delta\lambda` that of the coefficients and :math:`\Delta c` that of the constants, for equal m, from

.. math:: n_* = -\frac{\Delta\lambda}{\Delta L}\,
    W_{-1}\!\left(-\frac{\Delta L}{\Delta\lambda}\,e^{-\Delta c/\Delta\lambda}\right)

examples on, where W is Lambert's function. The constants are known for two kinds of phase. Around a regular optimum in
d dimensions, where the prior has the density φ and the loss the Hessian H,
:math:`c = \frac12\log\det H - \frac d2 \log 2\pi - \log\varphi`. At a normal crossing :math:`s \prod_{i=1}^m w_i^{2k}`,

.. math:: c = \log\frac{k^m (m-1)!\,s^\lambda}{\Gamma(\lambda)\,\varphi}, \qquad \lambda = \frac{1}{2k},

from the leading pole of :math:`\int K^z \varphi\,dw`. With m > 1 the remainder falls as :math:`1/\log n` only.

Source: Watanabe, Algebraic Geometry and Statistical Learning Theory (2009), sections 6.2 and 7.6; for phases Chen, Lau,
Mendel, Wei & Murfet, arXiv:2310.06301; Corless et al., Advances in Computational Mathematics 5 (1996) 329 (W).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import lambertw

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity, Unit
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SOURCE = "Watanabe (2009); Chen et al., arXiv:2310.06301"
_FEWEST = 16
_MOST = 1e15

CROSSOVER = Quantity(
    name="phase_crossover",
    symbol=r"n_*",
    unit=Unit.parse("example"),
    definition=r"n_* = \sup\{n : F_0(n) < F_1(n)\}, \quad F_i(n) = -\log \int_{\text{phase } i} e^{-n L(w)} "
    r"\varphi(w)\,dw",
    convention="Phase 0 is the simple one: of smaller learning coefficient and larger loss. Losses are in nats.",
    source=SOURCE,
    lowest=0.0,
)
LOG_ODDS = Quantity(
    name="log_odds_of_phases",
    symbol=r"F_0 - F_1",
    unit=Unit.parse("nat"),
    definition=r"F_0(n) - F_1(n) = \log \frac{\int_{\text{phase } 1} e^{-n L(w)} \varphi(w)\,dw}"
    r"{\int_{\text{phase } 0} e^{-n L(w)} \varphi(w)\,dw}",
    convention="Positive where the posterior prefers phase 1. Losses are in nats an example.",
    source=SOURCE,
)


def free_energies(
    samples: ArrayLike,
    losses: ArrayLike,
    coefficients: ArrayLike,
    multiplicities: ArrayLike = 1,
    constants: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """F of every phase at every number of samples, shape ``(*samples, phases)``, in nats. Samples are above 1.

    The smallest wins, and :math:`e^{-F}` are the posterior's shares up to a factor.

    >>> free_energies([100, 10_000], losses=[0.01, 0.0], coefficients=[0.5, 1.5]).argmin(axis=-1).tolist()
    [0, 1]
    """
    n = np.asarray(samples, dtype=np.float64)[..., None]
    level, slope, m, rest = (
        np.asarray(given, dtype=np.float64) for given in (losses, coefficients, multiplicities, constants)
    )
    return np.asarray(n * level + slope * np.log(n) - (m - 1) * np.log(np.log(n)) + rest)


def regular_constant(log_determinant: float, parameters: int, log_density: float) -> float:
    """The constant c of a regular phase, from the logarithms of det H and of the prior's density at the optimum."""
    return 0.5 * log_determinant - 0.5 * parameters * math.log(2 * math.pi) - log_density


def crossing_constant(power: int, multiplicity: int, strength: float, log_density: float) -> float:
    r"""The constant c of a phase :math:`s \prod_{i=1}^m w_i^{2k}` that has no other parameters; see the module."""
    coefficient = 1 / (2 * power)
    factorial = math.lgamma(multiplicity)
    powers = multiplicity * math.log(power) + coefficient * math.log(strength)
    return powers + factorial - math.lgamma(coefficient) - log_density


@dataclass(frozen=True, kw_only=True, eq=False)
class _Phases(Theory):
    """Two phases: 0, the simple one, and 1."""

    losses: tuple[float, float]
    coefficients: tuple[float, float]
    multiplicities: tuple[int, int] = (1, 1)
    constants: tuple[float, float] = (0.0, 0.0)
    constant_error: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.coefficients) <= 0 or min(self.multiplicities) < 1:
            raise GnomonError("a coefficient is not positive or a multiplicity below 1", mend="mend it")
        if self.constant_error is not None and self.constant_error < 0:
            raise GnomonError(f"constant_error = {self.constant_error} is negative", mend="give a distance in nats")

    def _odds(self, samples: float) -> float:
        simple, other = free_energies(samples, self.losses, self.coefficients, self.multiplicities, self.constants)
        return float(simple - other)


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseOdds(_Phases):
    r"""By how much n examples prefer phase 1 to phase 0, :math:`F_0(n) - F_1(n)`, see `free_energies`.

    The systematic bound is what is said of the constants.

    Parameters
    ----------
    losses, coefficients, multiplicities : L, λ and m of phase 0 and of phase 1.
    constants : c of both, as far as they are known; see `regular_constant`, `crossing_constant`.
    constant_error : how far the difference of what is left out, the remainder included, may be off, in nats; ``None``
        where nothing is known of it.
    samples : n.

    Raises
    ------
    GnomonError : for inputs that are not finite, or of the wrong sign.

    >>> odds = PhaseOdds(losses=(0.01, 0.0), coefficients=(0.5, 1.5), samples=1000)
    >>> round(odds.predict().value, 3)
    3.092
    """

    name: ClassVar[str] = "phase_odds"
    title: ClassVar[str] = "Which phase the posterior prefers"
    domain: ClassVar[str] = (
        "two separate optima, at least 16 examples, population loss; off by the constants that are not given, and by "
        "terms of order 1/n, or 1/log n with multiplicities; fluctuations of data come on top"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = LOG_ODDS
    samples: int

    def value(self) -> float:
        """The difference."""
        return self._odds(max(self.samples, 2))

    def systematic(self) -> float | None:
        """See the class."""
        return self.constant_error

    def outside(self) -> tuple[str, ...]:
        """The expansion is for large n."""
        return () if self.samples >= _FEWEST else (f"{self.samples} examples are fewer than {_FEWEST}",)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        losses, coefficients = (0.01, 0.0), (0.5, 1.5)
        return {
            "inside": [cls(losses=losses, coefficients=coefficients, multiplicities=(2, 1), samples=1000)],
            "outside": [cls(losses=losses, coefficients=coefficients, samples=5)],
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseCrossover(_Phases):
    r"""From how many examples on phase 1 wins, :math:`n_* = -\frac{\Delta\lambda}{\Delta L} W_{-1}(\cdot)`.

    In closed form for equal multiplicities, see the module, else as the largest root. The systematic bound is how far
    the root moves when the constants do.

    Parameters
    ----------
    losses, coefficients, multiplicities, constants, constant_error : as for `PhaseOdds`; phase 0 is the simple one.

    Raises
    ------
    GnomonError : for inputs that are not finite, or of the wrong sign.

    >>> cross = PhaseCrossover(losses=(0.01, 0.0), coefficients=(0.5, 1.5), constant_error=1.0).predict()
    >>> f"{cross.value:.0f} ± {cross.uncertainty.systematic:.0f}"
    '647 ± 121'
    """

    name: ClassVar[str] = "phase_crossover"
    title: ClassVar[str] = "When a phase of lower loss and larger learning coefficient takes over"
    domain: ClassVar[str] = (
        "two separate optima, the one of larger coefficient with the lower loss, a crossover above 16 examples; "
        "relative error that of the constants over nΔL − Δλ: tens of per cent where they are not given"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = CROSSOVER

    def value(self) -> float:
        """The largest n at which both are equal; 0 where there is none."""
        gap, simpler = self.losses[0] - self.losses[1], self.coefficients[1] - self.coefficients[0]
        if gap <= 0 or simpler <= 0:
            return 0.0
        if self.multiplicities[0] == self.multiplicities[1]:
            argument = -gap / simpler * math.exp(-(self.constants[1] - self.constants[0]) / simpler)
            return float(-simpler / gap * lambertw(argument, -1).real) if argument >= -math.exp(-1) else 0.0
        # beyond this the gap of the losses grows faster than all else
        turn = max(_FEWEST, 2 * (simpler + max(self.multiplicities)) / gap)
        if self._odds(turn) > 0:
            grid = np.geomspace(2.0, turn, 4001)
            below = [n for n in grid if self._odds(n) <= 0]
            return float(brentq(self._odds, below[-1], turn)) if below else 0.0
        end = turn
        while self._odds(end) <= 0 and end < _MOST:
            end *= 2
        return float(brentq(self._odds, turn, end)) if end < _MOST else _MOST

    def systematic(self) -> float | None:
        """See the class."""
        if self.constant_error is None:
            return None
        first, second = self.constants
        moved = [replace(self, constants=(first, second + e)) for e in (-self.constant_error, self.constant_error)]
        return max(abs(one.value() - self.value()) for one in moved)

    def outside(self) -> tuple[str, ...]:
        """There must be a crossover, and not a small one."""
        if self.losses[0] <= self.losses[1]:
            return ("the simple phase has the lower loss: it wins however many examples there are",)
        if self.coefficients[0] >= self.coefficients[1]:
            return ("the phase of lower loss has no larger coefficient: it wins however few examples there are",)
        found = self.value()
        if found >= _MOST:
            return (f"the crossover is beyond {_MOST:.0e} examples",)
        return () if found >= _FEWEST else (f"a crossover at {found:.3g} examples is below {_FEWEST}",)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        return {
            "inside": [
                cls(losses=(0.01, 0.0), coefficients=(0.5, 1.5), constant_error=0.5),
                cls(losses=(0.01, 0.0), coefficients=(0.5, 1.0), multiplicities=(2, 1)),
            ],
            "outside": [
                cls(losses=(0.0, 0.01), coefficients=(0.5, 1.5)),
                cls(losses=(0.01, 0.0), coefficients=(1.5, 0.5)),
                cls(losses=(1.0, 0.0), coefficients=(0.5, 1.5)),
            ],
        }
