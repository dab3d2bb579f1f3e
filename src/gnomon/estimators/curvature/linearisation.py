"""A batch's share of a curvature matrix: a graph that is built once and then gives any number of products."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]


class Linearisation(abc.ABC):
    """One batch's curvature, summed over its predictions, at the parameters as they were when it was made.

    Attributes
    ----------
    count : how many predictions the batch holds.
    """

    count: int

    @abc.abstractmethod
    def product(self, vector: Tensors) -> Tensors:
        """The matrix times ``vector``; both are given as a tensor for each parameter."""


def transposed(outputs: Sequence[Tensor], inputs: Sequence[Tensor], vector: Sequence[Tensor]) -> Tensors:
    """``Jᵀ v`` with the Jacobian J of ``outputs`` in ``inputs``; the graph is kept. Zero where none depends."""
    depending = [(o, v) for o, v in zip(outputs, vector, strict=True) if o.requires_grad]
    if not depending:
        return tuple(torch.zeros_like(i) for i in inputs)
    found = torch.autograd.grad(
        [o for o, _ in depending], inputs, [v for _, v in depending], retain_graph=True, materialize_grads=True
    )
    return tuple(found)


def slope(value: Tensor, inputs: Sequence[Tensor]) -> Tensors:
    """The gradient of the scalar ``value``, to be differentiated once more."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(i) for i in inputs)
    return tuple(torch.autograd.grad(value, inputs, create_graph=True, materialize_grads=True))


class Forward:
    """``v ↦ J v`` with the Jacobian J of ``output`` in ``inputs``.

    ``w ↦ Jᵀ w`` is linear, so its own transposed derivative is J, whatever the w. Unlike forward-mode differentiation
    it repeats no forward pass, and every operation has what it needs.
    """

    def __init__(self, output: Tensor, inputs: Sequence[Tensor]) -> None:
        self._weights = torch.zeros_like(output, requires_grad=True)
        if output.requires_grad:
            found = torch.autograd.grad(output, inputs, self._weights, create_graph=True, materialize_grads=True)
        else:
            found = tuple(torch.zeros_like(i) for i in inputs)
        self._pulled = tuple(found)

    def __call__(self, vector: Tensors) -> Tensor:
        """``J v``."""
        (pushed,) = transposed(self._pulled, (self._weights,), vector)
        return pushed
