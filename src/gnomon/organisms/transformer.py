"""Modular arithmetic by a transformer of one block, the network in which grokking was first taken apart."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, Literal, Self

import torch
from pydantic import ModelWrapValidatorHandler, model_validator
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.organisms.initial import embedding, linear
from gnomon.organisms.recipe import Count, Modulus, Positive, Recipe, Share
from gnomon.organisms.residues import Additive, Multiplicative, Residues
from gnomon.randomness import Rng
from gnomon.subjects import CrossEntropy, Loss, Site
from gnomon.subjects.symmetry import Composition, ElementWeights, Symmetry, TokenAt

_POSITIONS = 3  # a, b and "="


class ModularTransformer(Recipe):
    r"""Recipe of a one-block transformer that learns :math:`a + b \;\mathrm{mod}\; p`; same recipe, same organism.

    Or, with ``operation="multiplication"``, :math:`ab \;\mathrm{mod}\; p` for residues that are not zero and a prime p.
    It reads three tokens, a, b and "=", and answers at the last: embedding of tokens plus positions, attention,
    a ReLU layer, unembedding; no normalisation, no biases, embedding and unembedding untied. Only "=" is computed
    past the embedding, as nothing else can reach the answer. Entries of every matrix are drawn from
    :math:`N(0, s^2 / n)` for n inputs, those of the embeddings from :math:`N(0, s^2 / d)` for width d. It is trained
    on the full batch by AdamW on the cross-entropy. With the defaults it fits its training pairs in some 50 steps and
    generalises 600 to 1,900 steps later; without weight decay it does not.

    Parameters
    ----------
    p : modulus, 2 to 211.
    operation : ``addition`` of all p residues, or ``multiplication`` of the p − 1 that are not zero.
    train_share : share of all pairs (a, b) that it is trained on.
    seed : which pairs those are, and the initial weights.
    d_model : width of the residual stream.
    heads : attention heads; they divide ``d_model``.
    d_mlp : ReLU units.
    init_scale : the s above.
    steps : training steps.
    learning_rate, betas, weight_decay : AdamW.

    Raises
    ------
    GnomonError : one line that names each bad field.

    Source: Nanda, Chan, Lieberum, Smith & Steinhardt, arXiv:2301.05217 (there p = 113, d_model = 128, d_mlp = 512,
    learning rate 0.001 and 40,000 steps; here all is smaller and faster, so that it groks on one core in a minute).

    >>> ModularTransformer(p=5).encode(torch.tensor([3]), torch.tensor([4]))
    tensor([[3, 4, 5]])
    """

    kind: Literal["modular_transformer"] = "modular_transformer"
    p: Modulus = 53
    operation: Literal["addition", "multiplication"] = "addition"
    train_share: Share = 0.35
    d_model: Count = 48
    heads: Count = 4
    d_mlp: Count = 192
    init_scale: Positive = 1.0
    steps: Count = 2500
    learning_rate: Positive = 1e-2

    @model_validator(mode="wrap")
    @classmethod
    def _heads_divide_the_width(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        spec: Self = handler(values)
        if spec.d_model % spec.heads:
            raise GnomonError(
                f"bad {cls.__name__}: {spec.heads} heads do not divide d_model {spec.d_model}", mend="mend the field"
            )
        return spec

    @property
    def residues(self) -> Residues:
        """See `Recipe.residues`."""
        return Additive(self.p) if self.operation == "addition" else Multiplicative(self.p)

    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """Tokens ``(pairs, 3)``; "=" comes after the last symbol."""
        return torch.stack([a, b, torch.full_like(a, self.symbols)], dim=1)

    def network(self) -> nn.Sequential:
        """The network before training, on the CPU."""
        generator = Rng(self.seed).child("weights").torch()
        parts = OrderedDict(
            embed=Embed(self.symbols + 1, self.d_model, self.init_scale, generator),
            block=Block(self.d_model, self.heads, self.d_mlp, self.init_scale, generator),
            unembed=linear(self.d_model, self.symbols, self.init_scale / math.sqrt(self.d_model), generator),
        )
        return nn.Sequential(parts)

    def loss(self) -> Loss:
        """Cross-entropy at "="."""
        return CrossEntropy()

    def objective(self, output: Tensor, classes: Tensor) -> Tensor:
        """See `Recipe.objective`."""
        return nn.functional.cross_entropy(output, classes)

    def sites(self) -> tuple[Site, ...]:
        """``embed`` at the three tokens; ``blocks.0.attention``, ``blocks.0.mlp``, ``blocks.0``, ``logits`` at "="."""
        return (
            Site("embed", "embed"),
            Site("blocks.0.attention", "block.attention"),
            Site("blocks.0.mlp", "block.mlp"),
            Site("blocks.0", "block"),
            Site("logits", ""),
        )

    def symmetry(self) -> Symmetry:
        """See `Recipe.symmetry`."""
        group, elements = self.residues.group, self.residues.elements
        operands = TokenAt(0, elements), TokenAt(1, elements)
        return Symmetry(
            group=group,
            weights=(
                ElementWeights("embed.tokens.weight", "inputs", elements, "operand"),
                ElementWeights("unembed.weight", "outputs", elements, "answer"),
            ),
            operands=operands,
            action=Composition(group, operands, answers=elements),
        )


class Embed(nn.Module):
    """A vector for each token plus one for each position."""

    def __init__(self, tokens: int, width: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.tokens = embedding(tokens, width, scale / math.sqrt(width), generator)
        self.positions = embedding(_POSITIONS, width, scale / math.sqrt(width), generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(batch, 3)`` to the stream ``(batch, 3, width)``."""
        stream: Tensor = self.tokens(tokens) + self.positions.weight
        return stream


class Block(nn.Module):
    """Attention and a ReLU layer, each added to the stream of the last position."""

    def __init__(self, width: int, heads: int, hidden: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.attention = Attention(width, heads, scale, generator)
        self.mlp = nn.Sequential(
            OrderedDict(
                up=linear(width, hidden, scale / math.sqrt(width), generator),
                relu=nn.ReLU(),
                down=linear(hidden, width, scale / math.sqrt(hidden), generator),
            )
        )

    def forward(self, stream: Tensor) -> Tensor:
        """The stream ``(batch, positions, width)`` to its last position, ``(batch, width)``."""
        last: Tensor = stream[:, -1] + self.attention(stream)
        added: Tensor = self.mlp(last)
        return last + added


class Attention(nn.Module):
    """What the last position reads from all."""

    def __init__(self, width: int, heads: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        std = scale / math.sqrt(width)
        self.query, self.key, self.value, self.output = (linear(width, width, std, generator) for _ in range(4))

    def forward(self, stream: Tensor) -> Tensor:
        """The stream ``(batch, positions, width)`` to ``(batch, width)``."""
        query = self.query(stream[:, -1:]).unflatten(-1, (self.heads, -1))
        key, value = (part(stream).unflatten(-1, (self.heads, -1)) for part in (self.key, self.value))
        # sums rather than matrix products: a product for each example and head would be of a few numbers only
        scores = (query * key).sum(dim=-1) / math.sqrt(query.shape[-1])
        read = (scores.softmax(dim=1).unsqueeze(-1) * value).sum(dim=1)
        mixed: Tensor = self.output(read.flatten(1))
        return mixed
