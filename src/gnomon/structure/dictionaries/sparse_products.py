"""Products with sparse codes: decoding, and the gradients of encoder and decoder, at the cost of what is active.

For n vectors with z active latents in all, of m, and width d, each product takes O(z d) instead of O(n m d). They are
sums of rows of a table, ``embedding_bag`` of torch: the one form of a sparse product that is fast on a CPU, runs on
a GPU, and there gives the same bits each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from gnomon.structure.dictionaries.codes import Codes


@dataclass(frozen=True, eq=False)
class Pattern:
    """Which latents each of n vectors may use: the places of a sparse ``(n, m)`` matrix, row by row.

    Parameters
    ----------
    columns : ``(z,)`` int64, the latents, those of the first vector first.
    offsets : ``(n + 1,)`` int64, where each vector's begin, and z.
    latents : m.
    """

    columns: Tensor
    offsets: Tensor
    latents: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def even(cls, columns: Tensor, latents: int) -> Pattern:
        """That of ``(n, k)`` columns: k latents for each vector."""
        n, k = columns.shape
        return cls(columns.reshape(-1), torch.arange(0, n * k + 1, max(k, 1), device=columns.device), latents)

    @classmethod
    def of_rows(cls, rows: Tensor, columns: Tensor, n: int, latents: int) -> Pattern:
        """That of places whose ``rows`` do not fall."""
        return cls(columns, torch.searchsorted(rows, torch.arange(n + 1, device=rows.device)), latents)

    @cached_property
    def rows(self) -> Tensor:
        """``(z,)`` the vector of each place."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.columns.device), self.offsets.diff())

    @cached_property
    def by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """The places by latent: their order ``(z,)``, their vectors ``(z,)``, each latent's begin ``(m + 1,)``."""
        # half the bytes sort in half the time
        ordered, order = torch.sort(self.columns.to(torch.int32), stable=True)
        ends = torch.arange(self.latents + 1, device=order.device, dtype=torch.int32)
        return order, self.rows[order], torch.searchsorted(ordered, ends)

    def between(self, start: int, stop: int) -> tuple[Pattern, Tensor]:
        """The places of latents from ``start`` to before ``stop``, and which of all places they are."""
        kept = torch.nonzero((self.columns >= start) & (self.columns < stop)).squeeze(1)
        return Pattern(self.columns[kept], torch.searchsorted(kept, self.offsets), self.latents), kept

    def codes(self, values: Tensor) -> Codes:
        """Codes with ``values``, ``(z,)``, in rows as long as the longest."""
        counts = self.offsets.diff()
        width = max(1, int(counts.max())) if len(counts) else 1
        place = torch.arange(len(self.columns), device=self.columns.device) - self.offsets[:-1].repeat_interleave(
            counts
        )
        indices = self.columns.new_zeros(len(self), width)
        padded = values.new_zeros(len(self), width)
        indices[self.rows, place] = self.columns
        padded[self.rows, place] = values
        return Codes(indices, padded, self.latents)


def decode(pattern: Pattern, values: Tensor, table: Tensor) -> Tensor:
    """``(n, e)``: for each vector the sum of rows of ``table``, ``(m, e)``, weighted by ``values``, ``(z,)``.

    Differentiable in both; gradients are products of the same pattern.
    """
    total = _row_sums(pattern.columns, pattern.offsets, values, table.detach())
    if torch.is_grad_enabled() and table.requires_grad:
        # torch's own gradient of the values is sparse, its gradient of the table is not: that one is ours
        total = _TableGradient.apply(total, table, values.detach(), pattern)  # type: ignore[no-untyped-call]
    return total


def encode(pattern: Pattern, seen: Tensor, inputs: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
    """``(z,)`` pre-activations at the places of ``pattern``, differentiable in inputs, encoder and bias.

    They were ``seen``, ``(z,)``, when the places were chosen, and are not computed again.
    """
    found: Tensor = _Preactivations.apply(seen, inputs, encoder, bias, pattern)  # type: ignore[no-untyped-call]
    return found


def _row_sums(indices: Tensor, offsets: Tensor, weights: Tensor, table: Tensor) -> Tensor:
    return embedding_bag(indices, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _transposed(pattern: Pattern, values: Tensor, table: Tensor) -> Tensor:
    """``(m, d)``: the sparse matrix, transposed, times ``table``, ``(n, d)``."""
    order, rows, offsets = pattern.by_latent
    return _row_sums(rows, offsets, values[order], table.contiguous())


class _TableGradient(torch.autograd.Function):
    """The identity of a sum of a table's rows; it gives the table its gradient."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, table: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
        del table
        ctx.save_for_backward(values)
        ctx.pattern = pattern
        return total.view_as(total)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (values,) = ctx.saved_tensors
        return gradient, _transposed(ctx.pattern, values, gradient), None, None


class _Preactivations(torch.autograd.Function):
    """Rows of the encoder times inputs, at the places of a pattern."""

    @staticmethod
    def forward(ctx: Any, seen: Tensor, inputs: Tensor, encoder: Tensor, bias: Tensor, pattern: Pattern) -> Tensor:
        del bias
        ctx.save_for_backward(inputs, encoder)
        ctx.pattern = pattern
        return seen.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, encoder = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        of_inputs = None
        if ctx.needs_input_grad[1]:
            of_inputs = _row_sums(pattern.columns, pattern.offsets, gradient, encoder)
        of_bias = gradient.new_zeros(pattern.latents).index_add_(0, pattern.columns, gradient)
        return None, of_inputs, _transposed(pattern, gradient, inputs), of_bias, None
