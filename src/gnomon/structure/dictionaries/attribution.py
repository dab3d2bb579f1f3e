"""What each latent does for the loss, to first order, for all of them in one backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.subjects import (
    Accumulator,
    Batch,
    Captured,
    Data,
    Loss,
    Predictions,
    Reads,
    ScalarOutput,
    Statistic,
    Subject,
)


@dataclass(frozen=True)
class SummedLoss(ScalarOutput):
    """The losses of all of an example's predictions added up."""

    loss: Loss

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`."""
        del output
        assert predictions is not None
        losses = self.loss.values(predictions)
        return losses.new_zeros(len(batch)).index_add(0, predictions.rows, losses)


@dataclass(frozen=True, eq=False)
class Attribution(Statistic):
    r"""The change of the summed loss on removing each latent, to first order.

    It is :math:`-\sum_t s_y z_{tj}\, g_t^\top d_j`, with :math:`g_t` the gradient of the loss at position t of the
    target site. Where a latent is active at several positions of a text, their effects are added as if none changed
    the others'. `gnomon.structure.dictionaries.ablation.ablate` measures the effect itself.

    Parameters
    ----------
    dictionary, site, target : as of `gnomon.structure.dictionaries.ablation.Place`.
    loss : the subject's.

    Cost: one forward and one backward pass. Source: Nanda, "Attribution Patching" (2023); Syed, Rager & Conmy,
    arXiv:2310.10348; Marks et al., arXiv:2403.19647 (of latents).
    """

    dictionary: Dictionary
    site: str
    target: str
    loss: Loss

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(
            sites=frozenset({self.site}),
            predictions=True,
            gradients=(SummedLoss(self.loss),),
            gradient_sites=frozenset({self.target}),
        )

    def empty(self, subject: Subject, data: Data, rng: Rng) -> AttributionAccumulator:
        """See `Statistic.empty`."""
        del subject, data, rng
        return AttributionAccumulator(self)

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        del subject, data
        return 16 * self.dictionary.latents


class AttributionAccumulator(Accumulator):
    """State of `Attribution`."""

    def __init__(self, spec: Attribution) -> None:
        device = spec.dictionary.decoder.device
        self._spec = spec
        self._sum = torch.zeros(spec.dictionary.latents, dtype=torch.float64, device=device)
        self._active = torch.zeros(spec.dictionary.latents, dtype=torch.int64, device=device)

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        spec = self._spec
        activation = captured.activations[spec.site]
        (gradient,) = captured.gradients.values()
        slopes = gradient[spec.target]
        if slopes.shape[:2] != activation.shape[:2]:
            raise GnomonError(f"{spec.site} and {spec.target} do not have the same positions")
        real = captured.mask(activation.shape[1])
        with torch.no_grad():
            codes = spec.dictionary.encode(activation[real].to(spec.dictionary.encoder))
            along = slopes[real].to(spec.dictionary.decoder) @ spec.dictionary.decoder.T
            effect = -spec.dictionary.target_scale * codes.values * along.gather(1, codes.indices)
        self._sum.index_add_(0, codes.indices.reshape(-1), effect.reshape(-1).double())
        self._active.index_add_(0, codes.indices.reshape(-1), (codes.values > 0).reshape(-1).long())

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self._sum += other._sum
        self._active += other._active

    @property
    def effect(self) -> NDArray[np.float64]:
        """``(m,)`` nats for each position at which the latent is active; NaN where it never is."""
        return np.asarray((self._sum / self._active).cpu().numpy())
