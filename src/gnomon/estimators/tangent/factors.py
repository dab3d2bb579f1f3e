r"""Gradients of many outputs with respect to one parameter, in whichever form is smaller, and their inner products.

A *row* is the gradient of one output. The rows of a tile come from ``examples`` examples, with ``slots`` predictions
of each and ``outputs`` outputs of each prediction.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Reduce = Literal["full", "class", "trace"]
_SPLIT = 4  # parts of a symmetric product


class Factor(abc.ABC):
    """The rows of one tile with respect to one parameter.

    Attributes
    ----------
    shape : examples, slots, outputs.
    splits : whether products of parts of the examples cost no more than those of all at once.
    """

    shape: tuple[int, int, int]
    splits: bool

    @abc.abstractmethod
    def part(self, examples: slice) -> Factor:
        """The rows of some of the examples."""

    @abc.abstractmethod
    def double(self) -> Factor:
        """The same in double precision."""

    @abc.abstractmethod
    def dense(self) -> Tensor:
        """``(examples, slots, outputs, size)``."""


@dataclass(frozen=True, eq=False)
class Dense(Factor):
    """Rows as they are: ``(examples, slots, outputs, size)``."""

    rows: Tensor
    splits = True

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """See `Factor`."""
        return (self.rows.shape[0], self.rows.shape[1], self.rows.shape[2])

    def part(self, examples: slice) -> Dense:
        """See `Factor.part`."""
        return self if examples == slice(0, None) else Dense(self.rows[examples])

    def double(self) -> Dense:
        """See `Factor.double`."""
        return Dense(self.rows.double())

    def dense(self) -> Tensor:
        """See `Factor.dense`."""
        return self.rows


@dataclass(frozen=True, eq=False)
class Outer(Factor):
    r"""Rows that are sums of outer products :math:`\sum_p g_p a_p^\top`.

    Parameters
    ----------
    inputs : a, ``(examples, positions, inputs)``; or token numbers, ``(examples, positions)``, for one-hot vectors.
    outputs : g, ``(examples, slots, outputs, positions, features)``.
    vocabulary : length of the one-hot vectors.
    """

    inputs: Tensor
    outputs: Tensor
    vocabulary: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """See `Factor`."""
        return (self.outputs.shape[0], self.outputs.shape[1], self.outputs.shape[2])

    @property
    def splits(self) -> bool:  # type: ignore[override]
        """See `Factor`: writing rows out, or pairing positions, takes an effort that is better shared."""
        return self.positions == 1

    def part(self, examples: slice) -> Outer:
        """See `Factor.part`."""
        if examples == slice(0, None):
            return self
        return Outer(self.inputs[examples], self.outputs[examples], self.vocabulary)

    def double(self) -> Outer:
        """See `Factor.double`."""
        inputs = self.inputs if self.vocabulary is not None else self.inputs.double()
        return Outer(inputs, self.outputs.double(), self.vocabulary)

    @property
    def positions(self) -> int:
        """Summands of a row."""
        return int(self.outputs.shape[3])

    @property
    def width(self) -> int:
        """Length of the a."""
        return self.vocabulary or int(self.inputs.shape[2])

    def vectors(self) -> Tensor:
        """a, with the one-hot vectors written out."""
        if self.vocabulary is None:
            return self.inputs
        return torch.nn.functional.one_hot(self.inputs.clamp(min=0), self.vocabulary).to(self.outputs.dtype)

    def inner(self, other: Outer) -> Tensor:
        """``(examples, positions, examples, positions)`` inner products of the a."""
        if self.vocabulary is None:
            a, b = self.inputs, other.inputs
            return (a.flatten(0, 1) @ b.flatten(0, 1).T).reshape(*a.shape[:2], *b.shape[:2])
        return (self.inputs[:, :, None, None] == other.inputs[None, None]).to(self.outputs.dtype)

    def dense(self) -> Tensor:
        """See `Factor.dense`."""
        return torch.einsum("bsopf,bpi->bsofi", self.outputs, self.vectors()).flatten(3)


def contract(a: Factor, b: Factor, reduce: Reduce, max_bytes: int) -> Tensor:
    """Inner products of the rows of two tiles with respect to one parameter.

    ``max_bytes`` bounds an intermediate product, but for one example's or feature's.

    Returns
    -------
    ``full``: ``(1, rows of a, rows of b)`` with rows in the order examples, slots, outputs. ``class``: ``(outputs,
    examples · slots of a, of b)``, equal outputs only. ``trace``: their sum, ``(1, …)``.
    """
    if isinstance(a, Outer) and isinstance(b, Outer):
        if a.positions == b.positions == 1:
            return _by_single_vectors(a, b, reduce)
        if _pairs_are_cheaper(a, b, reduce):
            return _by_pairs(a, b, reduce, max_bytes)
        return _by_slices(a, b, reduce, max_bytes)
    left = _arranged(a.dense(), reduce)
    return _products(left, left if a is b else _arranged(b.dense(), reduce))


def _arranged(rows: Tensor, reduce: Reduce) -> Tensor:
    """``(examples, slots, outputs, …, features)`` as ``(groups, rows, …, features)``."""
    if reduce == "full":
        return rows.flatten(0, 2)[None]
    if reduce == "class":
        return rows.permute(2, 0, 1, *range(3, rows.ndim)).flatten(1, 2)
    # outputs count as features
    return rows.movedim(2, -2).flatten(-2).flatten(0, 1)[None]


def _by_single_vectors(a: Outer, b: Outer, reduce: Reduce) -> Tensor:
    """(A Aᵀ) ⊙ (G Gᵀ): one position each."""
    left, right = _arranged(a.outputs[:, :, :, 0], reduce), _arranged(b.outputs[:, :, :, 0], reduce)
    products = left @ right.transpose(1, 2)
    spread = products.view(len(products), a.shape[0], -1, b.shape[0], right.shape[1] // b.shape[0])
    spread *= a.inner(b)[:, 0, :, 0][None, :, None, :, None]
    return products


def _by_pairs(a: Outer, b: Outer, reduce: Reduce, max_bytes: int) -> Tensor:
    r"""For a pair of examples, :math:`\langle G, (A A'^\top) G' \rangle`: one side is carried over by the positions."""
    left, right = _arranged(a.outputs, reduce), _arranged(b.outputs, reduce)  # (groups, rows, positions, features)
    groups, rows, places, features = left.shape
    count, each_a, each_b = b.shape[0], rows // a.shape[0], right.shape[1] // b.shape[0]
    # (groups, examples, positions, rows · features)
    carried = right.reshape(groups, count, each_b, b.positions, features).transpose(2, 3).flatten(3)
    inner = a.inner(b)
    found = left.new_zeros(groups, rows, right.shape[1])
    step = max(1, min(count, max_bytes // (2 * groups * each_b * places * features * left.element_size())))
    for i in range(a.shape[0]):
        mine = left[:, i * each_a : (i + 1) * each_a].flatten(2)
        for j in range(i if a is b else 0, count, step):
            last = min(j + step, count)
            theirs = inner[i, :, j:last].transpose(0, 1) @ carried[:, j:last]
            theirs = theirs.reshape(groups, last - j, places, each_b, features).transpose(2, 3).flatten(1, 2).flatten(2)
            found[:, i * each_a : (i + 1) * each_a, j * each_b : last * each_b] = mine @ theirs.transpose(1, 2)
    return _mirrored(found, each_a) if a is b else found


def _by_slices(a: Outer, b: Outer, reduce: Reduce, max_bytes: int) -> Tensor:
    """Rows written out for some output features at a time."""
    features = a.outputs.shape[4]
    bytes_each = max(math.prod(f.shape) for f in (a, b)) * a.width * a.outputs.element_size()
    step = max(1, max_bytes // bytes_each)
    total: Tensor | None = None
    for start in range(0, features, step):

        def written(factor: Outer, start: int = start) -> Tensor:
            part = Outer(factor.inputs, factor.outputs[..., start : start + step], factor.vocabulary)
            return _arranged(part.dense(), reduce)

        left = written(a)
        found = _products(left, left if a is b else written(b))
        total = found if total is None else total.add_(found)
    assert total is not None
    return total


def _products(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right.T`` for each group, of which half is enough where they are the same."""
    if left is not right:
        return left @ right.transpose(1, 2)
    rows = left.shape[1]
    step = max(1, -(-rows // _SPLIT))
    found = left.new_empty(len(left), rows, rows)
    for start in range(0, rows, step):
        found[:, start : start + step, start:] = left[:, start : start + step] @ left[:, start:].transpose(1, 2)
    return _mirrored(found, step)


def _mirrored(upper: Tensor, step: int) -> Tensor:
    """A symmetric matrix a group, from its blocks of ``step`` rows on and above the diagonal."""
    for start in range(step, upper.shape[1], step):
        upper[:, start : start + step, :start] = upper[:, :start, start : start + step].transpose(1, 2)
    return upper


def _pairs_are_cheaper(a: Outer, b: Outer, reduce: Reduce) -> bool:
    features = a.outputs.shape[4]
    rows_a, rows_b = math.prod(a.shape), math.prod(b.shape)
    pairs = rows_a * rows_b // (1 if reduce == "full" else a.shape[2])
    by_pairs = (pairs + a.shape[0] * rows_b * b.positions) * a.positions * features
    if a.vocabulary is None:
        by_pairs += a.shape[0] * b.shape[0] * a.positions * b.positions * a.width
    by_slices = (rows_a * a.positions + rows_b * b.positions) * features * a.width + pairs * features * a.width
    return by_pairs < by_slices
