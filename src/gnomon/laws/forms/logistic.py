"""A step of finite width in the logarithm of the input."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import expit

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project
from gnomon.laws.registry import register


@register
class Logistic(Form):
    r"""Emergence: :math:`y = l + (u - l)\,\sigma\!\left(\frac{\ln x - \ln m}{w}\right)`, m and w > 0.

    The field draws emergence over the logarithm of compute, size or steps, so the step is one of ln x: w is its width
    in e-folds, and 1/w the Hill coefficient in x. l is the value far below m, u far above it, whichever is greater.
    """

    name = "logistic"
    title = "Logistic step (emergence)"
    equation = r"y = l + (u - l)\,\sigma((\ln x - \ln m) / w)"
    source = "Verhulst (1838); over the logarithm of x: Hill (1910)"
    parameters: ClassVar = {
        "lower": "value far below the midpoint",
        "upper": "value far above the midpoint",
        "midpoint": "x at half height",
        "width": "e-folds of x over which the logit changes by 1",
    }
    positive = ("midpoint", "width")
    logarithmic = True
    open_when: ClassVar = {
        "lower": "the data do not reach down to where y is flat",
        "upper": "the data do not reach up to where y is flat",
        "midpoint": "the data do not pass the step",
        "width": "the data do not resolve the step",
    }

    def value(self, x: Array, theta: Array) -> Array:
        lower, upper, midpoint, width = np.moveaxis(theta[..., None, :], -1, 0)
        u = (np.log(x[..., 0]) - midpoint) * np.exp(-width)
        # not lower + (upper - lower) σ(u), which far above the midpoint is a difference of great numbers
        y: Array = lower * expit(-u) + upper * expit(u)
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        lower, upper, midpoint, width = np.moveaxis(theta[..., None, :], -1, 0)
        u = (np.log(x[..., 0]) - midpoint) * np.exp(-width)
        rest, step = expit(-u), expit(u)
        bend = (upper - lower) * step * rest
        return np.stack([rest, step, -bend * np.exp(-width), -bend * u], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        log_x = np.log(x[:, 0])
        reach = np.ptp(log_x) or 1.0
        side = max(2, int(np.ceil(np.sqrt(count))))
        midpoint, width = (
            grid.ravel()
            for grid in np.meshgrid(
                np.quantile(log_x, np.linspace(0.02, 0.98, side)), reach * np.geomspace(0.01, 0.5, side)
            )
        )
        u = (log_x - midpoint[:, None]) / width[:, None]
        linear = project(np.stack([expit(-u), expit(u)], -1), y, np.full(2, -np.inf))
        return np.column_stack([linear, midpoint, np.log(width)])
