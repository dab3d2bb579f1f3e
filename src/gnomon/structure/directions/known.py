"""Examples with a planted direction, for which what a method should find is known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.stats import norm
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.examples import Examples

_MEDIAN = float(norm.ppf(0.75))  # of the absolute value of a standard normal number


@dataclass(frozen=True, kw_only=True)
class Planted:
    r"""Two classes that differ along one direction w, among d, of unit length and drawn at random.

    For the ``linear`` target, :math:`x = y\,w + s\,g + v\,(z + c\,y)\,u` with classes :math:`y = \pm 1` of equal
    size, :math:`g \sim N(0, I_d)`, :math:`z \sim N(0, 1)` and a distractor u, orthogonal to w. For the ``even`` target,
    :math:`x \sim N(0, I_d)` and the class says whether :math:`|w^\top x|` exceeds its median, so that the classes have
    one mean and one along w but not one covariance.

    Parameters
    ----------
    dimension : d.
    noise : s.
    distractor : v, the standard deviation along u.
    lean : c, by how much the classes differ along u, in units of v.
    target : ``linear`` or ``even``.
    shuffled : whether the classes are permuted, so that there is nothing to find.

    >>> Planted().expected_cosine(64) > 0.92
    True
    """

    dimension: int = 256
    noise: float = 0.2
    distractor: float = 0.8
    lean: float = 0.0
    target: Literal["linear", "even"] = "linear"
    shuffled: bool = False

    def draw(self, n: int, rng: Rng) -> tuple[Tensor, Examples]:
        """The direction w, ``(d,)``, and n examples. Raises GnomonError unless n is even and at least 4."""
        if n < 4 or n % 2:
            raise GnomonError(f"{n} examples are not two equal classes", mend="give an even number, at least 4")
        generator = rng.child("planted", n).torch()

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        w, u = torch.linalg.qr(normal(self.dimension, 2)).Q.T
        x, z = normal(n, self.dimension), normal(n)
        if self.target == "even":
            y = torch.where((x @ w).abs() > _MEDIAN, 1.0, -1.0).to(torch.float64)
        else:
            y = torch.ones(n, dtype=torch.float64)
            y[::2] = -1
            along = self.distractor * (z + self.lean * y)
            x = torch.outer(y, w) + self.noise * x + torch.outer(along, u)
        if self.shuffled:
            y = y[torch.randperm(n, generator=generator)]
        return w, Examples(inputs=x, labels=y)

    def expected_cosine(self, n: int) -> float:
        r"""Expected cosine with w of the mean difference of n examples, for the linear target with c = 0.

        The mean difference is :math:`(1 + a)\,w + \varepsilon` with :math:`a \sim N(0, s^2/n)` and
        :math:`b = |\varepsilon|^2` of mean :math:`\bar b = ((d - 1) s^2 + v^2)/n` and variance
        :math:`2((d - 2) s^4 + (s^2 + v^2)^2)/n^2`, so that to second order in both

        .. math:: \mathbb E \cos\theta = (1 + \bar b)^{-1/2} - \tfrac32 \bar b\,\tfrac{s^2}{n} (1 + \bar b)^{-3/2}
                  + \tfrac38 \left(\operatorname{Var} b + 4 \bar b^2 \tfrac{s^2}{n}\right) (1 + \bar b)^{-5/2}.
        """
        if self.target != "linear" or self.lean or self.shuffled:
            raise GnomonError("the expected cosine is known for the linear target without a lean")
        s2, v2 = self.noise**2, self.distractor**2
        mean = ((self.dimension - 1) * s2 + v2) / n
        variance = 2 * ((self.dimension - 2) * s2**2 + (s2 + v2) ** 2) / n**2
        length = 1 + mean
        return float(
            length**-0.5
            - 1.5 * mean * (s2 / n) * length**-1.5
            + 0.375 * (variance + 4 * mean**2 * s2 / n) * length**-2.5
        )

    def limits(self) -> tuple[float, float]:
        r"""Cosines with w of the mean difference and of the linear discriminant for :math:`n \to \infty`.

        The first is along :math:`w + v c\,u`, the second along :math:`w / s^2 + v c\,u / (s^2 + v^2)`. Raises
        GnomonError for the even target and shuffled classes, of which both are nothing.
        """
        if self.target != "linear" or self.shuffled:
            raise GnomonError("linear directions have no limit without a difference of means")
        slope = self.distractor * self.lean
        return 1 / math.hypot(1, slope), 1 / math.hypot(1, slope * self.noise**2 / (self.noise**2 + self.distractor**2))
