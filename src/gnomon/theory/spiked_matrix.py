r"""A signal of rank one in a matrix of noise: what its singular values and vectors show of it.

:math:`X = s\,uv^\top + \sigma W` with N rows and M columns, unit vectors u and v, and independent entries of W, of
variance 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.marchenko_pastur import (
    edge_scale,
    marchenko_pastur_stieltjes,
    marchenko_pastur_stieltjes_slope,
)
from gnomon.theory.registry import register
from gnomon.theory.spiked_covariance import SPIKE_OVERLAP
from gnomon.theory.theory import Theory

SOURCE = (
    "Benaych-Georges & Nadakuditi, J. Multivariate Anal. 111 (2012) 120, arXiv:1103.2221; "
    "Gavish & Donoho, arXiv:1305.5870"
)

OUTLIER_SINGULAR_VALUE = Quantity(
    name="outlier_singular_value",
    symbol=r"\hat s_1",
    definition=r"\hat s_1 = \lVert s\,uv^\top + \sigma W\rVert_2",
    convention="in the unit of the entries",
    source="Benaych-Georges & Nadakuditi, J. Multivariate Anal. 111 (2012) 120",
    lowest=0.0,
)

Side = Literal["left", "right"]


_STRONG = 1e4
"""Thresholds: so far beyond, the deviation is 1 up to 10⁻⁸, and rounding would take more from the formula."""


def matrix_threshold(rows: int, columns: int) -> float:
    """The strength :math:`(NM)^{1/4}`, in units of σ, below which a signal leaves no trace."""
    return math.sqrt(math.sqrt(rows * columns))


def matrix_outlier(strength: float, rows: int, columns: int) -> float:
    r"""The largest singular value for σ = 1: :math:`\sqrt{(s^2+N)(s^2+M)}/s` beyond the threshold, else the edge.

    >>> matrix_outlier(20.0, 100, 100), matrix_outlier(5.0, 100, 100)
    (25.0, 20.0)
    """
    if strength <= matrix_threshold(rows, columns):
        return math.sqrt(rows) + math.sqrt(columns)
    return math.sqrt((strength**2 + rows) * (strength**2 + columns)) / strength


def matrix_overlap(strength: float, along: int, across: int) -> float:
    r"""Squared cosine, for σ = 1, of the singular vector of ``along`` entries: :math:`1-\frac{a(s^2+b)}{s^2(s^2+a)}`.

    a is ``along`` and b ``across``: N and M for u, M and N for v. Below the threshold 0.
    """
    if strength <= matrix_threshold(along, across):
        return 0.0
    power = strength**2
    return 1 - along * (power + across) / (power * (power + along))


def matrix_deviation(strength: float, rows: int, columns: int) -> float:
    r"""Standard deviation of the outlier for normal noise, σ = 1.

    The outlier solves :math:`1/s = E + \sqrt{BC}` with :math:`B = \hat s\,u^\top(\hat s^2-WW^\top)^{-1}u`, C likewise
    of v and :math:`W^\top W`, and :math:`E = u^\top(\hat s^2-WW^\top)^{-1}Wv`. In the singular vectors of W, u and v
    are uniform and independent, which gives the variances of B, C and E as traces; to first order

    .. math:: \delta\hat s = s^2\frac{d\hat s}{ds}\Bigl(\delta E + \tfrac12\sqrt{C/B}\,\delta B
        + \tfrac12\sqrt{B/C}\,\delta C\Bigr).

    It tends to 1 for strong signals, and is 1 from `_STRONG` thresholds on.
    Raises GnomonError at or below the threshold, where the largest singular value follows the law of Tracy and Widom.
    """
    if strength <= matrix_threshold(rows, columns):
        raise GnomonError(
            f"a strength of {strength} is not beyond the threshold", mend="below it the edge fluctuates, by edge_scale"
        )
    if strength > _STRONG * matrix_threshold(rows, columns):
        return 1.0
    short, long = sorted((rows, columns))
    outlier = matrix_outlier(strength, rows, columns)
    x, scaled = outlier**2, np.array([outlier**2 / long])
    one = -float(marchenko_pastur_stieltjes(scaled, short / long)[0]) / long  # mean of 1/(x − k) over the spectrum
    two = float(marchenko_pastur_stieltjes_slope(scaled, short / long)[0]) / long**2
    # over the longer side, long − short eigenvalues are 0
    one_long = (short * one + (long - short) / x) / long
    two_long = (short * two + (long - short) / x**2) / long
    slope = (strength - short * long / strength**3) / outlier
    variance = (x * two - one) / long
    variance += 0.5 * x * one_long / one * (two - one**2) / short
    variance += 0.5 * x * one / one_long * (two_long - one_long**2) / long
    return float(strength**2 * slope * math.sqrt(variance))


@dataclass(frozen=True, kw_only=True, eq=False)
class _SpikedMatrix(Theory):
    strength: float
    rows: int
    columns: int
    noise: float

    domain: ClassVar[str] = (
        "normal noise, 16 rows and columns or more, one signal outside the critical window around the threshold: "
        "beyond it, three standard deviations or more from the edge; below it, by a factor 1 − min(N, M)^(−1/3)"
    )
    source: ClassVar[str] = SOURCE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.strength >= 0 and self.noise > 0) or min(self.rows, self.columns) < 1:
            raise GnomonError(
                f"a signal of {self.strength} in {self.rows} × {self.columns} entries of noise {self.noise}",
                mend="take a strength of 0 or more, noise, and 1 or more of rows and columns",
            )

    @property
    def relative_strength(self) -> float:
        """In units of the threshold."""
        return self.strength / self.noise / matrix_threshold(self.rows, self.columns)

    def outside(self) -> tuple[str, ...]:
        """Too small, or too near the threshold."""
        fewest = min(self.rows, self.columns)
        reasons = []
        if fewest < 16:
            reasons.append(f"{fewest} rows or columns are fewer than 16")
        t = self.relative_strength
        if t > 1:
            critical = self._gap() < 3 * matrix_deviation(self.strength / self.noise, self.rows, self.columns)
        else:
            critical = t > 1 - fewest ** (-1 / 3)
        if critical:
            reasons.append(f"{t:.3g} times the threshold's strength is in its critical window at this size")
        return tuple(reasons)

    def _gap(self) -> float:
        """Between outlier and edge, for σ = 1."""
        edge = math.sqrt(self.rows) + math.sqrt(self.columns)
        return matrix_outlier(self.strength / self.noise, self.rows, self.columns) - edge


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class SpikedMatrix(_SpikedMatrix):
    r"""The largest singular value of a signal of rank one in noise.

    .. math:: \hat s_1 \to \begin{cases}\sqrt{(s^2+\sigma^2N)(s^2+\sigma^2M)}\,/s & s > \sigma(NM)^{1/4}\\
        \sigma(\sqrt N+\sqrt M) & \text{else,}\end{cases}

    with fluctuations of `matrix_deviation`. The bound is their variance over twice the distance to the edge, which is
    how the curvature at the edge shifts a mean; below the threshold, twice the scale on which the edge fluctuates.

    Parameters
    ----------
    strength : s.
    rows, columns : N and M.
    noise : σ, positive.

    Raises GnomonError on what has no meaning.

    >>> SpikedMatrix(strength=20.0, rows=100, columns=100, noise=1.0).value()
    25.0
    """

    name: ClassVar[str] = "spiked_matrix"
    title: ClassVar[str] = "Outlier of a signal in noise"
    predicts: ClassVar[Quantity] = OUTLIER_SINGULAR_VALUE

    def value(self) -> float:
        """The limit."""
        return self.noise * matrix_outlier(self.strength / self.noise, self.rows, self.columns)

    def systematic(self) -> float:
        """See the class."""
        if self.relative_strength > 1:
            deviation = matrix_deviation(self.strength / self.noise, self.rows, self.columns)
            return self.noise * deviation**2 / (2 * self._gap())
        edge = math.sqrt(self.rows) + math.sqrt(self.columns)
        return self.noise * edge_scale(self.rows, self.columns) / edge  # of the root: half of twice the scale

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Beyond and below the threshold; next to it, and too small."""
        return {
            "inside": (
                cls(strength=60.0, rows=100, columns=200, noise=2.0),
                cls(strength=10.0, rows=100, columns=200, noise=2.0),
            ),
            "outside": (
                cls(strength=26.0, rows=100, columns=200, noise=2.0),
                cls(strength=60.0, rows=3, columns=200, noise=2.0),
            ),
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class SpikedMatrixOverlap(_SpikedMatrix):
    r"""Squared cosine between a first singular vector and the signal's.

    .. math:: (u^\top\hat u)^2 \to 1 - \frac{N(t+M)}{t(t+N)}, \quad (v^\top\hat v)^2 \to 1 - \frac{M(t+N)}{t(t+M)},
        \qquad t = s^2/\sigma^2,

    beyond the threshold and 0 below it. The bound is empirical in its factor: :math:`2/(mD^2)` with
    :math:`m = \min(N, M)` and :math:`D = 1 - NM/t^2` beyond the threshold, and 2 over the vector's length and
    :math:`(1-\sqrt{t}/(NM)^{1/4})^2` below.

    Parameters
    ----------
    strength : s.
    rows, columns : N and M.
    noise : σ, positive.
    side : ``left`` for u, of N entries; ``right`` for v, of M.

    Raises GnomonError on what has no meaning.

    >>> round(SpikedMatrixOverlap(strength=20.0, rows=100, columns=100, noise=1.0, side="left").value(), 4)
    0.75
    """

    side: Side

    name: ClassVar[str] = "spiked_matrix_overlap"
    title: ClassVar[str] = "Singular vectors of a signal in noise"
    predicts: ClassVar[Quantity] = SPIKE_OVERLAP

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side not in ("left", "right"):
            raise GnomonError(f"unknown side {self.side!r}", mend="use left or right")

    def value(self) -> float:
        """The limit."""
        along, across = (self.rows, self.columns) if self.side == "left" else (self.columns, self.rows)
        return matrix_overlap(self.strength / self.noise, along, across)

    def systematic(self) -> float:
        """See the class."""
        t = self.relative_strength
        if t > 1:
            return 2 / (min(self.rows, self.columns) * (1 - t**-4) ** 2)
        along = self.rows if self.side == "left" else self.columns
        return 2 / (along * (1 - t) ** 2) if t < 1 else math.inf

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Beyond and below the threshold; next to it, and too small."""
        return {
            "inside": (
                cls(strength=60.0, rows=100, columns=200, noise=2.0, side="left"),
                cls(strength=10.0, rows=100, columns=200, noise=2.0, side="right"),
            ),
            "outside": (
                cls(strength=26.0, rows=100, columns=200, noise=2.0, side="right"),
                cls(strength=60.0, rows=3, columns=200, noise=2.0, side="left"),
            ),
        }
