"""Layers before training, drawn from an explicit generator only."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

_Layer = TypeVar("_Layer", nn.Linear, nn.Embedding)


def linear(inputs: int, outputs: int, std: float, generator: torch.Generator) -> nn.Linear:
    """A linear map without bias, its entries from N(0, std²)."""
    # skip_init: the default initialisation would draw from the global generator
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=False)  # type: ignore[no-untyped-call]
    return _drawn(layer, std, generator)


def embedding(tokens: int, width: int, std: float, generator: torch.Generator) -> nn.Embedding:
    """A vector for each token, its entries from N(0, std²)."""
    layer: nn.Embedding = nn.utils.skip_init(nn.Embedding, tokens, width)  # type: ignore[no-untyped-call]
    return _drawn(layer, std, generator)


def _drawn(layer: _Layer, std: float, generator: torch.Generator) -> _Layer:
    with torch.no_grad():
        layer.weight.normal_(0.0, std, generator=generator)
    return layer
