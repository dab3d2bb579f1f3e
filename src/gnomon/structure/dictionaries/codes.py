"""Sparse codes: for each vector, the latents that are active and how much."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of n vectors, in rows of equal length; where a vector has fewer active latents, values are zero.

    Parameters
    ----------
    indices : ``(n, k)`` int64, which latents.
    values : ``(n, k)``, their activations, at least zero.
    latents : m, how many latents there are.

    >>> import torch
    >>> codes = Codes(torch.tensor([[2, 0]]), torch.tensor([[1.5, 0.0]]), latents=3)
    >>> codes.dense().tolist()
    [[0.0, 0.0, 1.5]]
    """

    indices: Tensor
    values: Tensor
    latents: int

    def __len__(self) -> int:
        return len(self.indices)

    def dense(self) -> Tensor:
        """``(n, m)``."""
        empty = self.values.new_zeros(len(self.indices), self.latents)
        return empty.scatter_add(1, self.indices, self.values)
