"""A gated recurrent unit."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import linear


class GatedRecurrence(nn.Module):
    r"""The gated recurrent unit, from a state of zeros; :math:`6 d^2 + 3d` parameters.

    .. math:: r_t = \sigma(W_r x_t + U_r h_{t-1}),\quad z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z),\quad
              n_t = \tanh(W_n x_t + b_n + r_t \odot U_n h_{t-1}),\quad h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    with a bias in r too. `torch.nn.GRU` with the second bias at zero is the same function; its fused kernel cannot be
    mapped over an ensemble of weights, this can.

    Source: Cho et al., arXiv:1406.1078.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        std = 1 / math.sqrt(width)
        self.inputs = linear(width, 3 * width, std, generator)
        self.recurrent = linear(width, 3 * width, std, generator)
        self.bias = nn.Parameter(torch.zeros(3 * width))

    def forward(self, stream: Tensor) -> Tensor:
        """``(batch, positions, width)`` to the states, of the same shape."""
        state = torch.zeros_like(stream[:, 0])
        states = []
        for given in (self.inputs(stream) + self.bias).unbind(1):
            reset, keep, new = given.chunk(3, dim=-1)
            past_reset, past_keep, past_new = self.recurrent(state).chunk(3, dim=-1)
            kept = torch.sigmoid(keep + past_keep)
            candidate = torch.tanh(new + torch.sigmoid(reset + past_reset) * past_new)
            state = candidate + kept * (state - candidate)
            states.append(state)
        return torch.stack(states, dim=1)
