"""An offset and a multiple of the inverse."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.errors import GnomonError
from gnomon.laws.form import Array
from gnomon.laws.linear import LinearForm
from gnomon.laws.registry import register


@register
class Inverse(LinearForm):
    r"""The hyperbola :math:`y = a + b / x`: a rate proportional to x, and a delay.

    Time to grok by weight decay is of this kind: decay shrinks what was memorised at a rate proportional to itself.
    """

    name = "inverse"
    title = "Inverse with an offset"
    equation = r"y = a + b / x"
    source = "Liu et al. (2023) arXiv:2210.01117, for the time to grok by weight decay"
    parameters: ClassVar = {"a": "what remains as x grows", "b": "what is added at x = 1"}

    def basis(self, x: Array) -> Array:
        return np.stack([np.ones(x.shape[:-1]), 1 / x[..., 0]], -1)

    def check(self, x: Array) -> None:
        super().check(x)
        if (x == 0).any():
            raise GnomonError(f"form {self.name!r} has no value at 0", mend="leave such rows out")
