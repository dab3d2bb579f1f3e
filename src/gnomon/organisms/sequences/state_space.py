"""A diagonal linear state space, gated."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import linear


class StateSpace(nn.Module):
    r"""A diagonal linear recurrence in each channel between two maps, its output gated by its input.

    Channel c has ``states`` real states :math:`x_{t} = a \odot x_{t-1} + b\,u_t`, read out as
    :math:`y_t = c^\top x_t + d\,u_t` with decays :math:`a = \exp(-e^{\rho}) \in (0, 1)`; the layer gives
    :math:`W_O\,(y \odot \mathrm{SiLU}(W_G s))` for :math:`u = W_I s`. The recurrence is linear and does not depend on
    time, so it is computed as the convolution with :math:`k_\tau = \sum_i c_i a_i^\tau b_i`, exactly. At the start the
    decays of a channel spread evenly from :math:`e^{-1/8}` to :math:`e^{-4}` in :math:`\rho`.
    :math:`3 d^2 + (3 n + 1) d` parameters for n states.

    Source: Gu, Gupta, Goel & Ré, arXiv:2206.11893 (S4D, real); the gate as in Mehta et al., arXiv:2206.13947.
    """

    lag: Tensor

    def __init__(self, width: int, states: int, positions: int, generator: torch.Generator) -> None:
        super().__init__()
        std = 1 / math.sqrt(width)
        self.inputs = linear(width, width, std, generator)
        self.gate = linear(width, width, std, generator)
        self.write = linear(width, width, std, generator)
        self.log_rate = nn.Parameter(torch.linspace(math.log(1 / 8), math.log(4.0), states).repeat(width, 1))
        self.drive = nn.Parameter(torch.randn(width, states, generator=generator) / math.sqrt(states))
        self.readout = nn.Parameter(torch.randn(width, states, generator=generator))
        self.direct = nn.Parameter(torch.ones(width))
        time = torch.arange(positions)
        self.register_buffer("lag", time[:, None] - time, persistent=False)

    def forward(self, stream: Tensor) -> Tensor:
        """``(batch, positions, width)`` to the same shape."""
        signal = self.inputs(stream)
        lag = self.lag[: stream.shape[1], : stream.shape[1]]
        decays = torch.exp(-self.log_rate.exp() * lag.clamp(min=0)[:, :, None, None])
        kernel = (decays * (self.readout * self.drive)).sum(-1) * (lag >= 0)[:, :, None]
        response = torch.einsum("tsc,bsc->btc", kernel, signal) + self.direct * signal
        written: Tensor = self.write(response * nn.functional.silu(self.gate(stream)))
        return written
