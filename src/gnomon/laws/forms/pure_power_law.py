"""A power without an offset."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.registry import register


@register
class PurePowerLaw(Form):
    r"""The power :math:`y = A x^{-\alpha}`, A > 0; it falls where α > 0 and grows where α < 0.

    The limit of `power_law` where nothing remains, and a straight line on two logarithmic axes.
    """

    name = "pure_power_law"
    title = "Power law"
    equation = r"y = A x^{-\alpha}"
    source = "Kaplan et al. (2020) arXiv:2001.08361"
    parameters: ClassVar = {"A": "value at x = 1", "alpha": "exponent, negative where y grows"}
    positive = ("A",)
    logarithmic = True

    def value(self, x: Array, theta: Array) -> Array:
        a, alpha = np.moveaxis(theta[..., None, :], -1, 0)
        y: Array = np.exp(a - alpha * np.log(x[..., 0]))
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        y = self.value(x, theta)
        return np.stack([y, -np.log(x[..., 0]) * y], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        seen = y > 0
        if not seen.any():
            return np.zeros((1, 2))
        log_x, log_y = np.log(x[seen, 0]), np.log(y[seen])
        centred = log_x - log_x.mean()
        line = -(centred * log_y).sum() / max((centred**2).sum(), 1e-300)
        alpha = np.concatenate([[line], np.linspace(-3, 3, max(3, count - 1))])
        return np.column_stack([log_y.mean() + alpha * log_x.mean(), alpha])
