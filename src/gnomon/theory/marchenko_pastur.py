r"""The Marchenko–Pastur law: the eigenvalues of a large matrix of independent entries.

Throughout, W has sides :math:`n \le M` and entries of variance 1, and the law is that of the n eigenvalues of
:math:`WW^\top/M`, which depends on the aspect :math:`c = n/M` alone. The other eigenvalues of :math:`W^\top W/M` are 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

Array = NDArray[np.float64]

SOURCE = "Marchenko & Pastur, Math. USSR Sb. 1 (1967) 457"

NOISE_EIGENVALUES = Quantity(
    name="noise_eigenvalues",
    symbol=r"\lambda_i",
    definition=r"WW^\top v_i = M\lambda_i v_i,\ W \in \mathbb{R}^{n \times M},\ n \le M",
    convention="The n eigenvalues in descending order; the entries of W are independent, of equal variance.",
    source=SOURCE,
    axes=("component",),
    lowest=0.0,
)

_HALVINGS = 64
_FEWEST = 8
_HEAVIEST = 9.0


def marchenko_pastur_edges(aspect: float) -> tuple[float, float]:
    r"""The ends of the support, :math:`(1 \mp \sqrt c)^2`."""
    root = math.sqrt(aspect)
    return (1 - root) ** 2, (1 + root) ** 2


def marchenko_pastur_density(x: Array, aspect: float) -> Array:
    r"""Density :math:`\sqrt{(x_+ - x)(x - x_-)}/(2\pi c x)` between the edges :math:`x_\pm`, 0 elsewhere.

    >>> marchenko_pastur_density(np.array([0.1, 1.0, 5.0]), 0.25).round(4)
    array([0.    , 0.6164, 0.    ])
    """
    low, high = marchenko_pastur_edges(aspect)
    inside = (x > low) & (x < high)
    safe = np.where(inside, x, 1.0)
    density = np.sqrt(np.where(inside, (high - safe) * (safe - low), 0.0)) / (2 * np.pi * aspect * safe)
    return np.asarray(density)


def marchenko_pastur_cdf(x: Array, aspect: float) -> Array:
    r"""Distribution function: the integral of the density in closed form, with :math:`r` the root in the density,

    .. math::

        F(x) = \frac{1}{2\pi c}\Bigl[r + (1+c)\arcsin\frac{x-1-c}{2\sqrt c}
               - (1-c)\arcsin\frac{(1+c)x - (1-c)^2}{2\sqrt c\,x} + \pi c\Bigr].

    >>> marchenko_pastur_cdf(np.array([0.0, 1.0, 4.0]), 1.0).round(3)
    array([0.   , 0.609, 1.   ])
    """
    low, high = marchenko_pastur_edges(aspect)
    x = np.clip(x, max(low, 1e-300), high)
    r = np.sqrt((high - x) * (x - low))
    # arctan2 of sine and cosine keeps the digits that arcsin loses at the edges
    inside = r + (1 + aspect) * np.arctan2(x - 1 - aspect, r) + np.pi * aspect
    if aspect < 1:
        inside -= (1 - aspect) * np.arctan2((1 + aspect) * x - (1 - aspect) ** 2, (1 - aspect) * r)
    return np.asarray(inside / (2 * np.pi * aspect))


def marchenko_pastur_quantile(p: Array, aspect: float) -> Array:
    """The eigenvalues below which the law has probabilities ``p``, strictly between 0 and 1; by bisection.

    >>> marchenko_pastur_quantile(np.array([0.5]), 1.0).round(4)
    array([0.6528])
    """
    ends = np.sqrt(marchenko_pastur_edges(aspect))  # in the singular value, which keeps digits next to 0
    low, high = np.full_like(p, ends[0]), np.full_like(p, ends[1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = marchenko_pastur_cdf(middle**2, aspect) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(high**2)


def marchenko_pastur_stieltjes(z: NDArray[Any], aspect: float) -> NDArray[Any]:
    r"""Stieltjes transform :math:`m(z) = \int \frac{\rho(x)}{x - z}\,dx`, for complex z or real z outside the support.

    .. math:: m(z) = \frac{-2}{z + c - 1 + \sqrt{z - x_-}\sqrt{z - x_+}}

    with principal roots, which has the right branch on either side of the support and keeps its digits at large z.
    Complex where z is; :math:`m(-\lambda)` is the normalised trace of a ridge resolvent.

    >>> marchenko_pastur_stieltjes(np.array([-1.0]), 1.0).round(6)
    array([0.618034])
    """
    b, r = _stieltjes_parts(z, aspect)
    return np.asarray(-2 / (b + r))


def marchenko_pastur_stieltjes_slope(z: NDArray[Any], aspect: float) -> NDArray[Any]:
    r"""Derivative :math:`m'(z) = \int \frac{\rho(x)}{(x - z)^2}\,dx`, where `marchenko_pastur_stieltjes` holds."""
    b, r = _stieltjes_parts(z, aspect)
    return np.asarray(2 * (1 + (z - 1 - aspect) / r) / (b + r) ** 2)


def marchenko_pastur_moment(order: int, aspect: float) -> float:
    r"""Moment :math:`\int x^k\rho(x)\,dx = \sum_{r=0}^{k-1} \frac{c^r}{r+1}\binom{k}{r}\binom{k-1}{r}`.

    The coefficients are Narayana's numbers; at c = 1 their sums are Catalan's.

    >>> [marchenko_pastur_moment(k, 1.0) for k in range(1, 6)]
    [1.0, 2.0, 5.0, 14.0, 42.0]
    """
    r = np.arange(order)
    return float((aspect**r / (r + 1) * comb(order, r) * comb(order - 1, r)).sum()) if order else 1.0


def edge_scale(rows: int, columns: int) -> float:
    r"""How far the largest eigenvalue of :math:`WW^\top` fluctuates around the edge :math:`(\sqrt n + \sqrt M)^2`.

    :math:`\varsigma = (\sqrt n + \sqrt M)(n^{-1/2} + M^{-1/2})^{1/3}`; the law is that of Tracy and Widom.

    Source: Johnstone, Ann. Statist. 29 (2001) 295.
    """
    a, b = math.sqrt(rows), math.sqrt(columns)
    return float((a + b) * (1 / a + 1 / b) ** (1 / 3))


def _stieltjes_parts(z: NDArray[Any], aspect: float) -> tuple[NDArray[Any], NDArray[Any]]:
    low, high = marchenko_pastur_edges(aspect)
    z = np.asarray(z)
    if np.iscomplexobj(z):
        return z + aspect - 1, np.sqrt(z - low) * np.sqrt(z - high)
    if ((z > low) & (z < high)).any():
        raise GnomonError("a real argument lies inside the spectrum", mend="add a small imaginary part")
    return z + aspect - 1, np.sign(z - low) * np.sqrt((z - low) * (z - high))


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class MarchenkoPastur(Theory):
    r"""The eigenvalues of :math:`WW^\top/M` for independent entries: quantiles of the law.

    .. math:: \lambda_i = \sigma^2\,F^{-1}\Bigl(1 - \frac{i - 1/2}{n}\Bigr), \qquad
        F'(x) = \frac{\sqrt{(x_+ - x)(x - x_-)}}{2\pi c\,x}, \quad x_\pm = (1 \pm \sqrt c)^2, \quad c = \frac nM.

    The bound holds for each: the scale of the largest one's fluctuations, :math:`\sigma^2\varsigma/M` with ς of
    `edge_scale`, and the shift of the edge by entries of another kurtosis k, :math:`\sigma^2x_+\,|k-3|/\sqrt{nM}`.

    Parameters
    ----------
    rows, columns : sides of W, in either order.
    variance : σ² of the entries.
    kurtosis : of the entries; 3 for normal ones.

    Raises GnomonError on what has no meaning.

    >>> MarchenkoPastur(rows=100, columns=300, variance=2.0).value()[[0, -1]].round(3)
    array([4.803, 0.388])
    """

    rows: int
    columns: int
    variance: float
    kurtosis: float = 3.0

    name: ClassVar[str] = "marchenko_pastur"
    title: ClassVar[str] = "Eigenvalues of pure noise"
    domain: ClassVar[str] = (
        "independent entries of equal variance and a kurtosis of 9 at most, 8 rows and columns or more; the bound is "
        "the scale of the largest eigenvalue's fluctuations, and more where the kurtosis is not 3"
    )
    source: ClassVar[str] = SOURCE + "; Johnstone, Ann. Statist. 29 (2001) 295"
    predicts: ClassVar[Quantity] = NOISE_EIGENVALUES

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.rows, self.columns) < 1 or not self.variance > 0 or not self.kurtosis >= 1:
            raise GnomonError(
                f"{self.rows} × {self.columns} entries of variance {self.variance} and kurtosis {self.kurtosis}",
                mend="take sides of 1 or more, a positive variance, and a kurtosis of 1 or more",
            )

    def value(self) -> Array:
        """The n quantiles, descending."""
        n, long = sorted((self.rows, self.columns))
        return self.variance * marchenko_pastur_quantile(1 - (np.arange(n) + 0.5) / n, n / long)

    def systematic(self) -> float:
        """See the class."""
        n, long = sorted((self.rows, self.columns))
        shift = marchenko_pastur_edges(n / long)[1] * abs(self.kurtosis - 3) / math.sqrt(n * long)
        return self.variance * (edge_scale(n, long) / long + shift)

    def outside(self) -> tuple[str, ...]:
        """Too few rows or columns, or entries with heavy tails."""
        reasons = []
        if min(self.rows, self.columns) < _FEWEST:
            reasons.append(f"{min(self.rows, self.columns)} rows or columns are fewer than {_FEWEST}")
        if self.kurtosis > _HEAVIEST:
            reasons.append(f"a kurtosis of {self.kurtosis:g} is more than {_HEAVIEST:g}: single entries make outliers")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A flat and a square matrix; one with few rows, one with heavy tails."""
        return {
            "inside": (cls(rows=20, columns=50, variance=2.0), cls(rows=30, columns=30, variance=1.0)),
            "outside": (
                cls(rows=4, columns=50, variance=1.0),
                cls(rows=50, columns=20, variance=1.0, kurtosis=40.0),
            ),
        }
