"""Causal attention: every position reads from itself and from those before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.organisms.initial import linear


class CausalAttention(nn.Module):
    r"""Softmax attention with a causal mask and ``heads`` heads, without biases: :math:`4 d^2` parameters.

    :math:`y_t = W_O \sum_{s \le t} \mathrm{softmax}_s(q_t^\top k_s / \sqrt{d_h})\, v_s` per head of width
    :math:`d_h = d / h`. Raises GnomonError when the heads do not divide the width.

    Source: Vaswani et al., arXiv:1706.03762.
    """

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        if width % heads:
            raise GnomonError(f"{heads} heads do not divide the width {width}", mend="choose a multiple")
        self.heads = heads
        std = 1 / math.sqrt(width)
        self.read = linear(width, 3 * width, std, generator)
        self.write = linear(width, width, std, generator)

    def forward(self, stream: Tensor) -> Tensor:
        """``(batch, positions, width)`` to the same shape."""
        query, key, value = self.read(stream).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        read = scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ value
        written: Tensor = self.write(read.transpose(1, 2).flatten(2))
        return written
