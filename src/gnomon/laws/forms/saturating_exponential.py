"""An exponential approach to a limit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project
from gnomon.laws.registry import register


@register
class SaturatingExponential(Form):
    r"""The relaxation :math:`y = E + A e^{-x/\tau}`, τ > 0; A < 0 where y rises to its limit."""

    name = "saturating_exponential"
    title = "Saturating exponential"
    equation = r"y = E + A e^{-x / \tau}"
    source = "relaxation at a constant rate"
    parameters: ClassVar = {"E": "the limit", "A": "distance from the limit at x = 0", "tau": "scale of x"}
    positive = ("tau",)
    open_when: ClassVar = {
        "E": "the data do not reach the limit",
        "A": "the data do not begin before the limit is reached",
        "tau": "the data do not bend",
    }

    def value(self, x: Array, theta: Array) -> Array:
        e, a, tau = np.moveaxis(theta[..., None, :], -1, 0)
        y: Array = e + a * np.exp(-x[..., 0] * np.exp(-tau))
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        _, a, tau = np.moveaxis(theta[..., None, :], -1, 0)
        age = x[..., 0] * np.exp(-tau)
        decay = np.exp(-age)
        return np.stack([np.ones_like(decay), decay, a * age * decay], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        column = x[:, 0]
        gaps = np.diff(np.unique(column))
        width = np.ptp(column) or 1.0
        tau = np.geomspace((gaps.min() if len(gaps) else width) / 2, 3 * width, count)
        # exponentials from the first x, so that none overflows
        decay = np.exp(-(column - column.min()) / tau[:, None])
        basis = np.stack([np.ones_like(decay), decay], -1)
        linear = project(basis, y, np.full(2, -np.inf))
        amplitude = linear[:, 1] * np.exp(np.clip(column.min() / tau, -50.0, 50.0))
        return np.column_stack([linear[:, 0], amplitude, np.log(tau)])
