"""What each use of a parameter contributes to a gradient, known from one layer's input and its output's gradient."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["first", "folded", "second", "second_folded"]


def examples_first(tensor: Tensor, layout: Layout, batch: int) -> Tensor:
    """``tensor`` with the axis of the examples, of length ``batch``, in front of all others.

    ``first``: it is there. ``folded``: the first axis is examples × positions. ``second``: positions × examples.
    ``second_folded``: the first axis is positions × examples.
    """
    if layout == "folded":
        return tensor.reshape(batch, -1, *tensor.shape[1:])
    if layout == "second_folded":
        return tensor.reshape(-1, batch, *tensor.shape[1:]).transpose(0, 1)
    return tensor.transpose(0, 1) if layout == "second" else tensor


def guesses(shape: torch.Size, batch: int) -> list[Layout]:
    """Where the examples may be, the likeliest first."""
    found: list[Layout] = []
    if len(shape) > 0 and shape[0] == batch:
        found.append("first")
    if len(shape) > 2 and shape[1] == batch:
        found.append("second")
    if len(shape) > 1 and shape[0] > batch and shape[0] % batch == 0:
        found += ["folded", "second_folded"]
    return found


class Piece(abc.ABC):
    """One use of one parameter in one forward pass over ``batch`` examples.

    The gradient of a scalar with respect to the parameter, were each example to have its own, is a linear function
    of the gradient ``G`` with respect to the layer's output.
    """

    parameter: str

    @abc.abstractmethod
    def gradient(self, output: Tensor) -> Tensor:
        """``(batch, size of the parameter)`` from the output's gradient, examples first."""


@dataclass(frozen=True, eq=False)
class Product(Piece):
    r"""A weight that multiplies vectors: :math:`\partial / \partial W = \sum_p g_p a_p^\top` over positions p.

    Parameters
    ----------
    inputs : ``(batch, positions, groups · inputs)``, the vectors a (patches, for a convolution).
    channels_first : whether features are on axis 1 of the output, as a convolution has them.
    input_major : whether the parameter is (inputs, outputs) rather than (outputs, inputs).
    groups : blocks along the diagonal of a grouped convolution.
    """

    parameter: str
    inputs: Tensor
    channels_first: bool = False
    input_major: bool = False
    groups: int = 1

    def outputs(self, output: Tensor) -> Tensor:
        """``(batch, positions, outputs)``, the vectors g."""
        if self.channels_first:
            return output.flatten(2).transpose(1, 2)
        return output.reshape(len(output), -1, output.shape[-1])

    def gradient(self, output: Tensor) -> Tensor:
        """See `Piece.gradient`."""
        g, a = self.outputs(output), self.inputs
        if self.groups > 1:
            g, a = (t.reshape(*t.shape[:2], self.groups, -1) for t in (g, a))
            return torch.einsum("bpgo,bpgi->bgoi", g, a).flatten(1)
        found = a.transpose(1, 2) @ g if self.input_major else g.transpose(1, 2) @ a
        return found.flatten(1)


@dataclass(frozen=True, eq=False)
class Lookup(Piece):
    r"""An embedding: row ``v`` of the gradient is the sum of g over the positions that hold token ``v``.

    Parameters
    ----------
    tokens : ``(batch, positions)``; −1 where the gradient is dropped (padding).
    vocabulary : number of tokens.
    """

    parameter: str
    tokens: Tensor
    vocabulary: int

    def outputs(self, output: Tensor) -> Tensor:
        """``(batch, positions, width)``, zero where the gradient is dropped."""
        return output.reshape(len(output), -1, output.shape[-1]) * (self.tokens >= 0)[..., None]

    def gradient(self, output: Tensor) -> Tensor:
        """See `Piece.gradient`."""
        g = self.outputs(output)
        rows = g.new_zeros(len(g), self.vocabulary, g.shape[2])
        at = self.tokens.clamp(min=0)[..., None].expand_as(g)
        return rows.scatter_add_(1, at, g).flatten(1)


@dataclass(frozen=True, eq=False)
class Entrywise(Piece):
    r"""A parameter that is broadcast and added, or multiplied entry by entry: a sum of G, or of G ⊙ factor.

    Parameters
    ----------
    factor : what it multiplies, examples first; ``None`` where it is added.
    shape : the parameter's shape with an axis for each of the output's, examples first; 1 where it is broadcast.
    """

    parameter: str
    factor: Tensor | None
    shape: tuple[int, ...]

    def gradient(self, output: Tensor) -> Tensor:
        """See `Piece.gradient`."""
        found = output if self.factor is None else output * self.factor
        over = [i for i, n in enumerate(self.shape) if n == 1 and i > 0]
        return (found.sum(dim=over) if over else found).reshape(len(output), -1)


def aligned(shape: torch.Size, output: torch.Size, layout: Layout) -> tuple[int, ...] | None:
    """A parameter's shape with an axis for each of the output's, examples first; ``None`` where it varies with them."""
    padded = [1] * (len(output) - len(shape)) + list(shape)
    if len(padded) > len(output):
        return None
    at = 1 if layout == "second" else 0
    if padded[at] != 1:
        return None
    if layout == "second":
        return (1, padded[0], *padded[2:])
    return tuple(padded) if layout == "first" else (1, 1, *padded[1:])
