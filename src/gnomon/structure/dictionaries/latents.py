"""The latents of a batch in training: pre-activations that gradients pass through, kept sparse or dense."""

from __future__ import annotations

import abc

import torch
from torch import Tensor

from gnomon.structure.dictionaries import sparse_products
from gnomon.structure.dictionaries.sparse_products import Pattern


class Latents(abc.ABC):
    """Places that may be active in a batch of n vectors.

    Attributes
    ----------
    preactivations : ``(z,)`` where sparse, ``(n, m)`` where dense; values at the same places have the same shape.
    columns : an index of what is kept a latent, ``(m,)``, that gives it at those places.
    """

    preactivations: Tensor
    columns: Tensor | slice

    @abc.abstractmethod
    def decode(self, values: Tensor, decoder: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """``(n, e)``: sums of the decoder's rows from ``start`` to before ``stop``, weighted by ``values``."""

    @abc.abstractmethod
    def fired(self, values: Tensor) -> Tensor:
        """``(m,)`` bool: latents that were active for any vector."""


class SparseLatents(Latents):
    """Only the places of a pattern."""

    def __init__(self, pattern: Pattern, preactivations: Tensor) -> None:
        self._pattern = pattern
        self.preactivations = preactivations
        self.columns = pattern.columns

    def decode(self, values: Tensor, decoder: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """See `Latents.decode`."""
        if start == 0 and stop in (None, self._pattern.latents):
            return sparse_products.decode(self._pattern, values, decoder)
        part, kept = self._pattern.between(start, self._pattern.latents if stop is None else stop)
        return sparse_products.decode(part, values[kept], decoder)

    def fired(self, values: Tensor) -> Tensor:
        """See `Latents.fired`."""
        found = torch.zeros(self._pattern.latents, dtype=torch.bool, device=values.device)
        found[self._pattern.columns[values > 0]] = True
        return found


class DenseLatents(Latents):
    """All latents of all vectors; where ``mask`` is given and false, they are zero and no gradient passes."""

    def __init__(self, preactivations: Tensor, mask: Tensor | None) -> None:
        self.preactivations = preactivations
        if mask is not None:
            self.preactivations = torch.where(mask, preactivations, preactivations.new_zeros(()))
        self.columns = slice(None)

    def decode(self, values: Tensor, decoder: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """See `Latents.decode`."""
        return values[:, start:stop] @ decoder[start:stop]

    def fired(self, values: Tensor) -> Tensor:
        """See `Latents.fired`."""
        return (values > 0).any(dim=0)
