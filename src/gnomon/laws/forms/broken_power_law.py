"""Powers that pass smoothly into each other."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from gnomon.laws.form import Array, Form
from gnomon.laws.registry import register


@register
class BrokenPowerLaw(Form):
    r"""The smoothly broken scaling law with n breaks,

    .. math:: y = E + b\,x^{-c_0} \prod_{i=1}^{n} \left(1 + (x/d_i)^{1/f_i}\right)^{-c_i f_i}.

    Break i is at :math:`d_i`, some :math:`f_i` e-folds wide, and adds :math:`c_i` to the exponent; exponents have
    either sign, so that y may rise between two falls. One break by default; ``broken_power_law_2`` and ``_3`` have
    more. Breaks that change places give the same function; a fit starts with them in order, from below.
    """

    name = "broken_power_law"
    title = "Smoothly broken power law"
    equation = r"y = E + b x^{-c_0} \prod_i (1 + (x / d_i)^{1/f_i})^{-c_i f_i}"
    source = "Caballero et al. (2023) arXiv:2210.14891"
    logarithmic = True
    breaks: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._name_parameters()

    @classmethod
    def _name_parameters(cls) -> None:
        which = range(1, cls.breaks + 1)
        cls.parameters = {"E": "what remains as x grows", "b": "the first power at x = 1", "c_0": "first exponent"}
        cls.parameters |= {f"c_{i}": f"what break {i} adds to the exponent" for i in which}
        cls.parameters |= {f"d_{i}": f"where break {i} is" for i in which}
        cls.parameters |= {f"f_{i}": f"width of break {i} in e-folds" for i in which}
        cls.positive = ("E", "b", *(f"d_{i}" for i in which), *(f"f_{i}" for i in which))
        cls.open_when = {"E": "the data do not reach the plateau"}
        cls.open_when |= {f"{letter}_{i}": f"the data do not show break {i}" for i in which for letter in "cdf"}

    def value(self, x: Array, theta: Array) -> Array:
        offset, _, power, *_ = self._terms(x, theta)
        return offset + power

    def jacobian(self, x: Array, theta: Array) -> Array:
        offset, log_x, power, u, c, f = self._terms(x, theta)
        bend = np.logaddexp(0.0, u)
        step = expit(u)
        slopes = np.concatenate(
            [
                np.ones_like(log_x)[..., None],
                -log_x[..., None],
                -f * bend,
                c * step,
                -c * f * (bend - step * u),
            ],
            axis=-1,
        )
        return np.concatenate([np.broadcast_to(offset, power.shape)[..., None], slopes * power[..., None]], axis=-1)

    def _terms(self, x: Array, theta: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Offset, ln x, the reducible part, and of each break (last axis) place in widths, exponent and width."""
        n = self.breaks
        theta = theta[..., None, :]
        c, d, f = (theta[..., 3 + i * n : 3 + (i + 1) * n] for i in range(3))
        f = np.exp(f)
        log_x = np.broadcast_to(np.log(x[..., 0]), np.broadcast_shapes(x.shape[:-1], theta.shape[:-1]))
        u = (log_x[..., None] - d) / f
        u, c, f = np.broadcast_arrays(u, c, f)
        log_power = theta[..., 1] - theta[..., 2] * log_x - (c * f * np.logaddexp(0.0, u)).sum(-1)
        return np.exp(theta[..., 0]), log_x, np.exp(log_power), u, c, f

    def starts(self, x: Array, y: Array, count: int) -> Array:
        """Lines in logarithms, given the offset and where and how wide the breaks are."""
        n = self.breaks
        log_x = np.log(x[:, 0])
        reach = np.ptp(log_x) or 1.0
        typical = max(float(np.abs(y).mean()), 1e-300)
        least = max(float(y.min()), 1e-3 * typical)
        offsets = least * np.array([1e-3, 0.5, 0.9])
        widths = reach * np.array([0.02, 0.1])
        sides = max(3, round((count / 6) ** (1 / n))) if n == 1 else n + 2
        places = np.quantile(log_x, np.linspace(0.1, 0.9, sides))
        found = []
        for offset, width, at in product(offsets, widths, combinations(places, n)):
            bends = width * np.logaddexp(0.0, (log_x[:, None] - np.array(at)) / width)
            basis = np.column_stack([np.ones_like(log_x), -log_x, -bends])
            reducible = np.log(np.maximum(y - offset, 1e-3 * typical))
            b, c0, *c = np.linalg.lstsq(basis, reducible, rcond=1e-6)[0]
            found.append([np.log(offset), b, c0, *c, *at, *np.full(n, np.log(width))])
        return np.array(found)


BrokenPowerLaw._name_parameters()


@register
class BrokenPowerLaw2(BrokenPowerLaw):
    """With two breaks."""

    name = "broken_power_law_2"
    title = "Smoothly broken power law, two breaks"
    breaks = 2


@register
class BrokenPowerLaw3(BrokenPowerLaw):
    """With three breaks."""

    name = "broken_power_law_3"
    title = "Smoothly broken power law, three breaks"
    breaks = 3
