"""The skeleton that every reader of sequences here shares, and a perceptron that sees the whole sequence at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import embedding, linear
from gnomon.organisms.sequences.feed_forward import FeedForward

Mixer = Callable[[], nn.Module]


class SequenceNetwork(nn.Module):
    """Embedding, blocks of (mixer, feed-forward) with normalisation before each, normalisation, unembedding.

    Two networks that differ in the mixer only differ in how information moves between positions, and in nothing else.

    Parameters
    ----------
    tokens, outputs : how many there are.
    positions : length of the longest sequence; each position has a learnt vector.
    width, hidden : of the stream and of the feed-forward layers.
    mixers : makes the mixer of each block: `CausalAttention`, `GatedRecurrence`, `StateSpace`.
    pooled : whether the positions are averaged after the last block, so that there is one output a sequence.
    """

    def __init__(
        self,
        tokens: int,
        outputs: int,
        positions: int,
        *,
        width: int,
        hidden: int,
        mixers: list[Mixer],
        generator: torch.Generator,
        gated: bool = False,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.embed = embedding(tokens, width, 0.5, generator)
        self.place = embedding(positions, width, 0.5, generator)
        self.mixers = nn.ModuleList(make() for make in mixers)
        self.layers = nn.ModuleList(FeedForward(width, hidden, generator, gated=gated) for _ in mixers)
        self.before = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * len(mixers)))
        self.last = nn.LayerNorm(width)
        self.unembed = linear(width, outputs, 0.1 / math.sqrt(width), generator)

    def features(self, tokens: Tensor) -> Tensor:
        """What the outputs are read from: ``(batch, positions, width)``, or ``(batch, width)`` where pooled."""
        stream: Tensor = self.embed(tokens) + self.place.weight[: tokens.shape[1]]
        for i, (mixer, layer) in enumerate(zip(self.mixers, self.layers, strict=True)):
            stream = stream + mixer(self.before[2 * i](stream))
            stream = stream + layer(self.before[2 * i + 1](stream))
        if self.pooled:
            stream = stream.mean(dim=1)
        features: Tensor = self.last(stream)
        return features

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(batch, positions)`` to outputs ``(batch, positions, outputs)``, or ``(batch, outputs)``."""
        outputs: Tensor = self.unembed(self.features(tokens))
        return outputs


class FlatNetwork(nn.Module):
    """A perceptron on the embeddings of all positions side by side: no position is treated like another."""

    def __init__(
        self,
        tokens: int,
        outputs: int,
        positions: int,
        *,
        width: int,
        hidden: int,
        blocks: int,
        generator: torch.Generator,
        gated: bool = False,
    ) -> None:
        super().__init__()
        std = 1 / math.sqrt(positions)
        self.embed = nn.Parameter(std * torch.randn(positions, tokens, width, generator=generator))
        self.layers = nn.ModuleList(FeedForward(width, hidden, generator, gated=gated) for _ in range(blocks))
        self.before = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.last = nn.LayerNorm(width)
        self.unembed = linear(width, outputs, 0.1 / math.sqrt(width), generator)

    def features(self, tokens: Tensor) -> Tensor:
        """What the outputs are read from: ``(batch, width)``."""
        place = torch.arange(tokens.shape[1], device=tokens.device)
        stream = self.embed[place, tokens].sum(dim=1)
        for norm, layer in zip(self.before, self.layers, strict=True):
            stream = stream + layer(norm(stream))
        features: Tensor = self.last(stream)
        return features

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(batch, positions)`` to outputs ``(batch, outputs)``."""
        outputs: Tensor = self.unembed(self.features(tokens))
        return outputs
