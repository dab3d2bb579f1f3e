"""BatchTopK latents: the largest of a whole batch, k for each vector on average."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary
from gnomon.structure.dictionaries.selection import DENSE_SHARE, Chosen, above, check_active, largest_of_all

# ten batches: in a short run a longer memory still holds the larger values of its start, and too few latents fire
_KEPT = 0.9


class BatchTopKSpec(Architecture):
    """Options of `BatchTopK`.

    Parameters
    ----------
    k : active latents of each vector, on average.
    """

    kind: Literal["batch_top_k", "matryoshka"] = "batch_top_k"
    k: int = Field(default=32, ge=1)


class BatchTopK(Dictionary):
    r""":math:`z` keeps the nk largest positive of all n·m pre-activations of a batch; loss :math:`\lVert e \rVert^2`.

    At evaluation a vector may not depend on its batch: a latent is active where it exceeds a threshold, the running
    mean (of weight 0.1 a batch) of the smallest value that was active in a batch.

    Source: Bussmann et al., arXiv:2412.06410.

    Attributes
    ----------
    threshold : buffer ``()``; zero until it was trained.

    Raises GnomonError when there are fewer than k latents.
    """

    kind: ClassVar[str] = "batch_top_k"
    architecture: BatchTopKSpec
    threshold: Tensor

    def __init__(self, architecture: BatchTopKSpec, inputs: int, targets: int | None, rng: Rng) -> None:
        check_active(architecture.k, architecture.latents)
        super().__init__(architecture, inputs, targets, rng)
        self.register_buffer("threshold", torch.zeros(()))

    def chosen(self, scaled: Tensor) -> Chosen:
        """See `Dictionary.chosen`."""
        found = above(scaled, self.encoder, self.encoder_bias, self.threshold, most=1.0)
        assert found is not None
        return found

    def select(self, scaled: Tensor) -> Chosen | None:
        """See `Dictionary.select`."""
        k = self.architecture.k
        if k > DENSE_SHARE * self.latents:
            return None
        return largest_of_all(scaled, self.encoder, self.encoder_bias, k * len(scaled))

    def mask(self, preactivations: Tensor) -> Tensor:
        """See `Dictionary.mask`."""
        largest = preactivations.reshape(-1).topk(self.architecture.k * len(preactivations), sorted=False).indices
        mask = torch.zeros_like(preactivations, dtype=torch.bool)
        mask.view(-1)[largest] = True
        return mask

    def learn(self, values: Tensor) -> None:
        """See `Dictionary.learn`."""
        if len(values):
            least = values.min()
            fresh = torch.where(self.threshold == 0, least, _KEPT * self.threshold + (1 - _KEPT) * least)
            self.threshold.copy_(fresh)
