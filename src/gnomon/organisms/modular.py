"""Modular arithmetic: all of its examples are known, and so is what a network that understands them does."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import linear
from gnomon.organisms.recipe import Count, Modulus, Positive, Recipe, Share
from gnomon.organisms.residues import Additive, Multiplicative, Residues
from gnomon.randomness import Rng
from gnomon.subjects import Loss, Site, SquaredError
from gnomon.subjects.symmetry import Composition, ElementWeights, OneHot, Symmetry


class QuadraticNetwork(Recipe):
    r"""What the recipes with two layers and a square between them have in common; see `ModularAddition`."""

    p: Modulus = 23
    train_share: Share = 0.6
    width: Count = 256
    init_scale: Positive = 0.5
    steps: Count = 600
    learning_rate: Positive = 5e-3

    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """``[e_a; e_b]``, shape ``(pairs, 2 · symbols)``."""
        one_hot = torch.eye(self.symbols)
        return torch.cat([one_hot[a], one_hot[b]], dim=1)

    def network(self) -> nn.Sequential:
        """The network before training, on the CPU."""
        generator = Rng(self.seed).child("weights").torch()
        std = self.init_scale / (2 * self.width) ** (1 / 3)
        parts = OrderedDict(
            embed=linear(2 * self.symbols, self.width, std, generator),
            square=Square(),
            unembed=linear(self.width, self.symbols, std, generator),
        )
        return nn.Sequential(parts)

    def loss(self) -> Loss:
        """Squared error to one-hot targets."""
        return SquaredError()

    def objective(self, output: Tensor, classes: Tensor) -> Tensor:
        """See `Recipe.objective`."""
        # no one_hot: it cannot be batched over replicas by torch.func
        target = torch.eye(self.symbols, dtype=output.dtype, device=output.device)[classes]
        return (output - target).square().mean()

    def sites(self) -> tuple[Site, ...]:
        """``embed``, ``blocks.0`` and ``logits``."""
        return Site("embed", "embed"), Site("blocks.0", "square"), Site("logits", "")

    def symmetry(self) -> Symmetry:
        """See `Recipe.symmetry`."""
        n, first = self.symbols, self.residues.elements
        operands = OneHot(0, n, first), OneHot(n, n, first)
        return Symmetry(
            group=self.residues.group,
            weights=(
                ElementWeights("embed.weight", "inputs", first, "a"),
                ElementWeights("embed.weight", "inputs", tuple(n + symbol for symbol in first), "b"),
                ElementWeights("unembed.weight", "outputs", first, "answer"),
            ),
            operands=operands,
            action=Composition(self.residues.group, operands, answers=first),
        )


class ModularAddition(QuadraticNetwork):
    r"""Recipe of a network that learns :math:`a + b \;\mathrm{mod}\; p`; the same recipe gives the same organism.

    The network is :math:`f(a, b) = W_2\,(W_1 [e_a; e_b])^{\odot 2}` on one-hot inputs, without biases, entries of
    both matrices drawn from :math:`N(0, \sigma^2)` with :math:`\sigma = s / (2N)^{1/3}` for width :math:`N`. It is
    trained on the full batch by AdamW on the mean squared error to one-hot targets. With the defaults it fits its
    training pairs within some 20 steps and generalises some 300 steps later; without weight decay it never does.

    Parameters
    ----------
    p : modulus, 2 to 211 (all pairs are held in memory, 8 p³ bytes).
    train_share : share of the p² pairs (a, b) that it is trained on.
    seed : which pairs those are, and the initial weights.
    width : number N of hidden units.
    init_scale : the s above.
    steps : training steps.
    learning_rate, betas, weight_decay : AdamW.

    Raises
    ------
    GnomonError : one line that names each bad field.

    Source: Gromov, arXiv:2301.02679 (quadratic network, its analytic solution); Power et al., arXiv:2201.02177
    (grokking).

    >>> ModularAddition(p=5).data()[0].inputs.shape
    torch.Size([15, 10])
    """

    kind: Literal["modular_addition"] = "modular_addition"

    @property
    def residues(self) -> Residues:
        """See `Recipe.residues`."""
        return Additive(self.p)


class ModularMultiplication(QuadraticNetwork):
    r"""Recipe of a network that learns :math:`ab \;\mathrm{mod}\; p` for residues 1, …, p − 1 and a prime p.

    Network, training, fields and defaults are those of `ModularAddition`; inputs and outputs stand for the p − 1
    residues that are not zero. These are a cyclic group, so that the network becomes the same as one that adds modulo
    p − 1, its inputs and outputs renamed by the discrete logarithm.

    Raises
    ------
    GnomonError : one line that names each bad field, or that p is no prime.

    >>> ModularMultiplication(p=5).data()[0].inputs.shape
    torch.Size([10, 8])
    """

    kind: Literal["modular_multiplication"] = "modular_multiplication"

    @property
    def residues(self) -> Residues:
        """See `Recipe.residues`."""
        return Multiplicative(self.p)


class Square(nn.Module):
    """The elementwise square, as an activation function."""

    def forward(self, x: Tensor) -> Tensor:
        """The square of every entry of ``x``."""
        return x.square()
