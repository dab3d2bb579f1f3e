"""The position-wise layers between mixers: plain, or gated."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import linear


class FeedForward(nn.Module):
    r"""Two maps with GELU between them, or three with a gate: :math:`W_2\,\phi(W_1 x)` or
    :math:`W_2\,(\phi(W_1 x) \odot V x)`.

    The gated layer has two thirds of the hidden units, so that both have the same number of parameters to within
    rounding: :math:`2 d h`.

    Source: Shazeer, arXiv:2002.05202.
    """

    def __init__(self, width: int, hidden: int, generator: torch.Generator, *, gated: bool = False) -> None:
        super().__init__()
        units = max(1, round(2 * hidden / 3)) if gated else hidden
        self.up = linear(width, units, 1 / math.sqrt(width), generator)
        self.gate = linear(width, units, 1 / math.sqrt(width), generator) if gated else None
        self.down = linear(units, width, 1 / math.sqrt(units), generator)

    def forward(self, stream: Tensor) -> Tensor:
        """``(..., width)`` to the same shape."""
        inner = nn.functional.gelu(self.up(stream))
        if self.gate is not None:
            inner = inner * self.gate(stream)
        added: Tensor = self.down(inner)
        return added
