"""TopK latents: the k largest of each vector."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary
from gnomon.structure.dictionaries.selection import DENSE_SHARE, Chosen, check_active, largest_of_each


class TopKSpec(Architecture):
    """Options of `TopK`.

    Parameters
    ----------
    k : active latents of each vector.
    """

    kind: Literal["top_k"] = "top_k"
    k: int = Field(default=32, ge=1)


class TopK(Dictionary):
    r""":math:`z = \max(\mathrm{TopK}(W_e \tilde x + b_e), 0)`, loss :math:`\lVert e \rVert^2`.

    Source: Gao et al., arXiv:2406.04093.

    Raises GnomonError when there are fewer than k latents.
    """

    kind: ClassVar[str] = "top_k"
    architecture: TopKSpec

    def __init__(self, architecture: TopKSpec, inputs: int, targets: int | None, rng: Rng) -> None:
        check_active(architecture.k, architecture.latents)
        super().__init__(architecture, inputs, targets, rng)

    def chosen(self, scaled: Tensor) -> Chosen:
        """See `Dictionary.chosen`."""
        return largest_of_each(scaled, self.encoder, self.encoder_bias, self.architecture.k)

    def select(self, scaled: Tensor) -> Chosen | None:
        """See `Dictionary.select`."""
        return self.chosen(scaled) if self.architecture.k <= DENSE_SHARE * self.latents else None

    def mask(self, preactivations: Tensor) -> Tensor:
        """See `Dictionary.mask`."""
        largest = preactivations.topk(self.architecture.k, dim=1, sorted=False).indices
        return torch.zeros_like(preactivations, dtype=torch.bool).scatter_(1, largest, True)
