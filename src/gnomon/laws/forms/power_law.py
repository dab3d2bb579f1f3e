"""A power that falls towards an offset."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project
from gnomon.laws.registry import register


@register
class PowerLaw(Form):
    r"""The scaling law :math:`y = E + A x^{-\alpha}` with :math:`E, A, \alpha > 0`.

    The field's convention is a fall towards what cannot be reduced, so E is not negative: where the data do not reach
    the plateau, E is bounded by zero, and the law becomes `pure_power_law`. A power that grows with x is
    `growing_power_law`; its exponent and offset play other parts.
    """

    name = "power_law"
    title = "Power law with an offset"
    equation = r"y = E + A x^{-\alpha}"
    source = "Hestness et al. (2017) arXiv:1712.00409; Kaplan et al. (2020) arXiv:2001.08361"
    parameters: ClassVar = {"E": "what remains as x grows", "A": "the reducible part at x = 1", "alpha": "exponent"}
    positive = ("E", "A", "alpha")
    logarithmic = True
    open_when: ClassVar = {
        "E": "the data do not reach the plateau",
        "A": "the data do not leave the plateau",
        "alpha": "the data do not leave the plateau",
    }

    def value(self, x: Array, theta: Array) -> Array:
        e, a, alpha = np.moveaxis(theta[..., None, :], -1, 0)
        y: Array = np.exp(e) + np.exp(a - np.exp(alpha) * np.log(x[..., 0]))
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        e, a, alpha = np.moveaxis(theta[..., None, :], -1, 0)
        slope = np.exp(alpha) * np.log(x[..., 0])
        power = np.exp(a - slope)
        return np.stack([np.broadcast_to(np.exp(e), power.shape), power, -slope * power], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        alpha = np.geomspace(0.03, 3.0, count)
        basis = np.stack([np.ones((count, len(y))), x[:, 0] ** -alpha[:, None]], -1)
        floor = 1e-3 * max(np.abs(y).mean(), 1e-300)
        linear = project(basis / basis[:, :1], y, np.full(2, floor)) / basis[:, 0]
        return self.coordinates(np.column_stack([linear, alpha]))
