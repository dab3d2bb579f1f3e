"""Straight lines in the logarithms of the inputs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array
from gnomon.laws.linear import LinearForm
from gnomon.laws.registry import register


@register
class LogLinear(LinearForm):
    r"""The line :math:`y = a + b \ln x`: every e-fold of x adds b."""

    name = "log_linear"
    title = "Line in the logarithm of the input"
    equation = r"y = a + b \ln x"
    source = "the usual extrapolation by eye, on an axis of logarithms"
    parameters: ClassVar = {"a": "value at x = 1", "b": "change for each e-fold of x"}
    logarithmic = True

    def basis(self, x: Array) -> Array:
        return np.concatenate([np.ones((*x.shape[:-1], 1)), np.log(x)], -1)


@register
class LogLinear2(LogLinear):
    """The same in two inputs."""

    name = "log_linear_2"
    title = "Plane in the logarithms of two inputs"
    equation = r"y = a + b_1 \ln x_1 + b_2 \ln x_2"
    columns = ("x1", "x2")
    parameters: ClassVar = {
        "a": "value at 1",
        "b_1": "change for each e-fold of x1",
        "b_2": "change for each e-fold of x2",
    }


@register
class LogLinear3(LogLinear):
    """The same in three inputs."""

    name = "log_linear_3"
    title = "Plane in the logarithms of three inputs"
    equation = r"y = a + b_1 \ln x_1 + b_2 \ln x_2 + b_3 \ln x_3"
    columns = ("x1", "x2", "x3")
    parameters: ClassVar = {
        "a": "value at 1",
        "b_1": "change for each e-fold of x1",
        "b_2": "change for each e-fold of x2",
        "b_3": "change for each e-fold of x3",
    }
