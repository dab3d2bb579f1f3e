"""The same whatever the inputs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array
from gnomon.laws.linear import LinearForm
from gnomon.laws.registry import register


@register
class Constant(LinearForm):
    """A constant: what any other form must beat."""

    name = "constant"
    title = "Constant"
    equation = r"y = c"
    source = "the null model"
    columns = ()
    parameters: ClassVar = {"c": "the value"}

    def basis(self, x: Array) -> Array:
        return np.ones((*x.shape[:-1], 1))
