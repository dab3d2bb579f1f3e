"""Modular addition: all of its p² examples are known, and so is what a network that understands them does."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from gnomon.organisms.initial import linear
from gnomon.organisms.recipe import Count, Modulus, Positive, Recipe, Share
from gnomon.randomness import Rng
from gnomon.subjects import Loss, Site, SquaredError
from gnomon.subjects.symmetry import Cyclic, ElementWeights, OneHot, Symmetry


class ModularAddition(Recipe):
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
    p: Modulus = 23
    train_share: Share = 0.6
    width: Count = 256
    init_scale: Positive = 0.5
    steps: Count = 600
    learning_rate: Positive = 5e-3

    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """``[e_a; e_b]``, shape ``(n, 2p)``."""
        one_hot = torch.eye(self.p)
        return torch.cat([one_hot[a], one_hot[b]], dim=1)

    def network(self) -> nn.Sequential:
        """The network before training, on the CPU."""
        generator = Rng(self.seed).child("weights").torch()
        std = self.init_scale / (2 * self.width) ** (1 / 3)
        parts = OrderedDict(
            embed=linear(2 * self.p, self.width, std, generator),
            square=Square(),
            unembed=linear(self.width, self.p, std, generator),
        )
        return nn.Sequential(parts)

    def loss(self) -> Loss:
        """Squared error to one-hot targets."""
        return SquaredError()

    def objective(self, output: Tensor, classes: Tensor) -> Tensor:
        """See `Recipe.objective`."""
        # no one_hot: it cannot be batched over replicas by torch.func
        target = torch.eye(self.p, dtype=output.dtype, device=output.device)[classes]
        return (output - target).square().mean()

    def sites(self) -> tuple[Site, ...]:
        """``embed``, ``blocks.0`` and ``logits``."""
        return Site("embed", "embed"), Site("blocks.0", "square"), Site("logits", "")

    def symmetry(self) -> Symmetry:
        """See `Recipe.symmetry`."""
        first, second = tuple(range(self.p)), tuple(range(self.p, 2 * self.p))
        return Symmetry(
            group=Cyclic(self.p),
            weights=(
                ElementWeights("embed.weight", "inputs", first, "a"),
                ElementWeights("embed.weight", "inputs", second, "b"),
                ElementWeights("unembed.weight", "outputs", first, "answer"),
            ),
            operands=(OneHot(0, self.p), OneHot(self.p, self.p)),
        )


class Square(nn.Module):
    """The elementwise square, as an activation function."""

    def forward(self, x: Tensor) -> Tensor:
        """The square of every entry of ``x``."""
        return x.square()
