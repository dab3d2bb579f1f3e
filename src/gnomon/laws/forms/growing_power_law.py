"""A power that grows from an offset."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project
from gnomon.laws.registry import register


@register
class GrowingPowerLaw(Form):
    r"""The power :math:`y = E + A x^\gamma` with :math:`E, A, \gamma > 0`.

    E is where y begins, at x = 0; where all x are far above it, only `pure_power_law` can be told.
    """

    name = "growing_power_law"
    title = "Growing power law with an offset"
    equation = r"y = E + A x^{\gamma}"
    source = "the counterpart of the scaling law of Hestness et al. (2017) arXiv:1712.00409"
    parameters: ClassVar = {"E": "value as x vanishes", "A": "what is added at x = 1", "gamma": "exponent"}
    positive = ("E", "A", "gamma")
    logarithmic = True
    open_when: ClassVar = {
        "E": "the data do not come near x = 0",
        "A": "y hardly grows",
        "gamma": "y hardly grows",
    }

    def value(self, x: Array, theta: Array) -> Array:
        e, a, gamma = np.moveaxis(theta[..., None, :], -1, 0)
        y: Array = np.exp(e) + np.exp(a + np.exp(gamma) * np.log(x[..., 0]))
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        e, a, gamma = np.moveaxis(theta[..., None, :], -1, 0)
        slope = np.exp(gamma) * np.log(x[..., 0])
        power = np.exp(a + slope)
        return np.stack([np.broadcast_to(np.exp(e), power.shape), power, slope * power], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        gamma = np.geomspace(0.03, 4.0, count)
        power = (x[:, 0] / x.max()) ** gamma[:, None]
        basis = np.stack([np.ones_like(power), power], -1)
        floor = 1e-3 * max(np.abs(y).mean(), 1e-300)
        linear = project(basis, y, np.full(2, floor))
        return np.column_stack([np.log(linear[:, 0]), np.log(linear[:, 1]) - gamma * np.log(x.max()), np.log(gamma)])
