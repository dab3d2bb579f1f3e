"""A dictionary whose latents are given, not learned: z = relu(E x + b), the k greatest of each row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gnomon.structure.dictionaries import Codes, Dictionary


class HandMade(Dictionary):
    kind = "hand_made"

    def __init__(self, encoder: Tensor, bias: Tensor, decoder: Tensor, active: int, *, scale: float = 1.0) -> None:
        super().__init__()
        width = decoder.shape[1]
        self.encoder, self.encoder_bias = nn.Parameter(encoder.float()), nn.Parameter(bias.float())
        self.decoder, self.decoder_bias = nn.Parameter(decoder.float()), nn.Parameter(torch.zeros(width))
        self.active = active
        self.register_buffer("input_mean", torch.zeros(encoder.shape[1]))
        self.register_buffer("input_scale", torch.tensor(scale))
        self.register_buffer("target_mean", torch.zeros(width))
        self.register_buffer("target_scale", torch.tensor(scale))

    def encode(self, inputs: Tensor) -> Codes:
        scaled = (inputs - self.input_mean) / self.input_scale
        dense = torch.relu(scaled @ self.encoder.T + self.encoder_bias)
        values, indices = dense.topk(self.active, dim=1)
        return Codes(indices, values, self.latents)

    def decode(self, codes: Codes) -> Tensor:
        return self.target_scale * (codes.dense() @ self.decoder + self.decoder_bias) + self.target_mean


def drawn(latents: int, width: int, active: int, seed: int = 0) -> HandMade:
    """Directions drawn at random, in multiples of 1/64, and a threshold that lets about one in six fire."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(latents, width, generator=generator), dim=1)
    return HandMade((64 * rows).round() / 64, torch.full((latents,), -1.0), rows, active)
