"""Dictionaries whose latents are given, not learned: z = relu(E x + b), the k greatest of each row."""

from __future__ import annotations

import torch
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.dictionaries.top_k import TopK, TopKSpec


def hand_made(encoder: Tensor, bias: Tensor, decoder: Tensor, active: int, *, scale: float = 1.0) -> TopK:
    """``encoder`` ``(m, d)``, ``bias`` ``(m,)``, ``decoder`` ``(m, e)``; a transcoder where the widths differ."""
    width = None if decoder.shape == encoder.shape else decoder.shape[1]
    made = TopK(TopKSpec(latents=len(encoder), k=active), encoder.shape[1], width, Rng(0))
    with torch.no_grad():
        for name, value in (("encoder", encoder), ("encoder_bias", bias), ("decoder", decoder)):
            getattr(made, name).copy_(value)
        made.input_scale.fill_(scale)
        made.target_scale.fill_(scale)
    return made.eval()


def drawn(latents: int, width: int, active: int, seed: int = 0) -> TopK:
    """Directions drawn at random, in multiples of 1/64, and a threshold that lets about one in six fire."""
    rows = torch.nn.functional.normalize(torch.randn(latents, width, generator=Rng(seed).torch()), dim=1)
    return hand_made((64 * rows).round() / 64, torch.full((latents,), -1.0), rows, active)
