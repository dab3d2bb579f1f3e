r"""Linear networks of two layers that start from small random weights: how strong each mode effectively starts.

While all weights are small, the hidden vectors of a mode, :math:`p = W_1 v` and :math:`q = W_2^\top u`, obey
:math:`\dot p = s q`, :math:`\dot q = s p`: what grows is :math:`r = (p + q)/2`, as :math:`e^{st}`, and
:math:`p - q` dies out. The mode is then as good as aligned and balanced, with :math:`u_0 = |r|^2`. A stronger mode,
learned before, takes its direction of the hidden space with it: what a weaker mode has in that direction decays again.
So the effective starts are the squared lengths of the r, in the order of the singular values, after Gram and Schmidt.
With N hidden units and independent normal weights of standard deviations :math:`\sigma_1, \sigma_2`,

.. math:: u_{0,\alpha} = \frac{\sigma_1^2 + \sigma_2^2}{4}\,\chi^2_{N - \alpha}, \qquad \alpha = 0, 1, \dots

both exact as the weights tend to zero, for singular values that differ. With three layers or more the start is no such
linear growth, and nothing is claimed.

Source: Saxe, McClelland & Ganguli, arXiv:1312.6120 (modes); Atanasov, Bordelon & Pehlevan, arXiv:2111.00034 (silent
alignment); the law of the starts is derived here, and tested against simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.deep_linear import LEARNING_TIME, SOURCE, STEEPEST, LearningTime, positive, steepness
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

_SAFETY = 4.0


def effective_starts(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    r"""The effective start of every mode, shape ``(..., modes)``, from the weights before training.

    Parameters
    ----------
    first, second : :math:`W_1`, shape ``(..., hidden, inputs)``, and :math:`W_2`, ``(..., outputs, hidden)``.
    left, right : singular vectors of the target in columns, ``(outputs, modes)`` and ``(inputs, modes)``, in descending
        order of singular value; at most as many as hidden units.
    """
    grows = (first @ right + np.swapaxes(second, -1, -2) @ left) / 2
    return np.asarray(np.square(np.diagonal(np.linalg.qr(grows).R, axis1=-2, axis2=-1)))


def interference(starts: Sequence[float], singular_values: Sequence[float]) -> NDArray[np.float64]:
    r"""About how far, relatively, each effective start may be off at finite weights, shape ``(modes,)``.

    When the stronger mode j of a pair is learned, the weaker one, i, has grown to
    :math:`\epsilon^2 = (u_{0j}/s_j)^{1 - s_i/s_j}` of it; both feel it at order :math:`\epsilon^4`. A mode alone is off
    by :math:`u_0/s`. The factor of 4 is empirical: for starts of typical size it bounds what simulations show.
    """
    u, s = np.asarray(starts), np.asarray(singular_values)
    stronger, weaker = np.maximum(s[:, None], s[None, :]), np.minimum(s[:, None], s[None, :])
    start = np.where(s[:, None] >= s[None, :], u[:, None], u[None, :])
    pairs = (start / stronger) ** (2 * (1 - weaker / stronger))
    np.fill_diagonal(pairs, 0.0)
    return np.asarray(_SAFETY * (u / s + pairs.sum(axis=1)))


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class RandomLearningTime(Theory):
    r"""The median, over random starts :math:`u_0`, of the steps until a mode is learned; `quantile` has the whole law.

    The systematic bound is that of `LearningTime`, with effective starts that are relatively off by what `interference`
    says. Single runs are told from their own weights by `LearningTime` with their
    `effective_starts`; of those with 32 hidden units or more, 97 in 100 were within the same bound.

    Parameters
    ----------
    singular_values : all that are not zero, descending.
    mode : which of them, from 0.
    hidden : number N of hidden units, at least as many as singular values.
    scales : standard deviations of the entries of the first and the second matrix.
    learning_rate, share, whiteness_error : as for `LearningTime`.

    Raises
    ------
    GnomonError : for inputs out of range.

    >>> two = RandomLearningTime(
    ...     singular_values=(3.0, 1.0), mode=1, hidden=32, scales=(1e-3, 1e-3), learning_rate=0.02
    ... )
    >>> [round(steps, 1) for steps in (two.value(), two.quantile(0.05), two.quantile(0.95))]
    [279.7, 269.7, 291.1]
    """

    name: ClassVar[str] = "random_linear_learning_time"
    title: ClassVar[str] = "When a linear network of two layers learns a singular value, from small random weights"
    domain: ClassVar[str] = (
        "two layers, independent normal weights small enough for modes not to interfere, singular values that differ, "
        "white inputs and a learning rate as for aligned starts; median over starts"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = LEARNING_TIME
    singular_values: tuple[float, ...]
    mode: int
    hidden: int
    scales: tuple[float, float]
    learning_rate: float
    share: float = 0.5
    whiteness_error: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        s = self.singular_values
        if not s or list(s) != sorted(s, reverse=True) or not s[-1] > 0:
            raise GnomonError(f"singular values {s} are not positive and descending", mend="sort them, drop zeros")
        if not 0 <= self.mode < len(s):
            raise GnomonError(f"there is no mode {self.mode} among {len(s)}", mend=f"give 0 to {len(s) - 1}")
        if self.hidden < len(s):
            raise GnomonError(f"{self.hidden} hidden units cannot hold {len(s)} modes", mend="give more hidden units")
        if not all(scale > 0 for scale in self.scales):
            raise GnomonError(f"scales {self.scales} are not positive", mend="give standard deviations")
        positive(self, "learning_rate")
        self.quantile(0.5)

    def quantile(self, probability: float) -> float:
        """Steps that the mode takes no longer than, with this probability over starts."""
        # the stronger the start, the shorter the time
        return self._from(self._starts(1 - probability)[self.mode]).value()

    def value(self) -> float:
        """The median."""
        return self.quantile(0.5)

    def systematic(self) -> float:
        """See the class."""
        return self._typical().systematic()

    def outside(self) -> tuple[str, ...]:
        """What `LearningTime` declines, and steps too large for the strongest mode."""
        reasons = list(self._typical().outside())
        steep = steepness(self.singular_values[0], 2, self.learning_rate)
        if self.mode > 0 and steep > STEEPEST:
            reasons.append(f"learning rate × curvature of the strongest mode is {steep:.3g}, more than {STEEPEST}")
        return tuple(reasons)

    def _typical(self) -> LearningTime:
        """From the median starts, with what other modes do to this one."""
        starts = self._starts(0.5)
        off = float(interference(starts, self.singular_values)[self.mode])
        return replace(self._from(starts[self.mode]), start_error=off)

    def _starts(self, probability: float) -> list[float]:
        variance = sum(scale**2 for scale in self.scales) / 4
        return [variance * float(chi2.ppf(probability, self.hidden - i)) for i in range(len(self.singular_values))]

    def _from(self, start: float) -> LearningTime:
        return LearningTime(
            singular_value=self.singular_values[self.mode],
            start=start,
            learning_rate=self.learning_rate,
            share=self.share,
            whiteness_error=self.whiteness_error,
        )

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """See `Theory.examples`."""
        two: tuple[float, ...] = (3.0, 1.0)
        small, tall = (1e-3, 1e-3), (0.3, 0.3)
        return {
            "inside": [cls(singular_values=two, mode=1, hidden=32, scales=small, learning_rate=0.02)],
            "outside": [
                cls(singular_values=(3.0, 2.9), mode=1, hidden=32, scales=small, learning_rate=0.02),
                cls(singular_values=two, mode=1, hidden=32, scales=tall, learning_rate=0.02),
                cls(singular_values=two, mode=1, hidden=32, scales=small, learning_rate=0.15),
            ],
        }
