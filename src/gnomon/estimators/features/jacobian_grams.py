"""Inner products of the gradients of several outputs, example by example: all that the size of a Jacobian rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.estimators.features.gradients import places
from gnomon.estimators.features.outputs import ChosenOutput
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Captured, Data, Reads, Statistic, Subject


@dataclass(frozen=True)
class JacobianGrams(Statistic):
    """The matrix of inner products of the gradients of ``outputs`` at ``site``, for each example.

    The gradient is that at the prediction's own position in token models, and at all real positions together
    elsewhere. Only ratios are kept: each example's gradients are divided by the largest of their norms.
    """

    site: str
    outputs: tuple[ChosenOutput, ...]

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(gradients=self.outputs, gradient_sites=frozenset({self.site}))

    def empty(self, subject: Subject, data: Data, rng: Rng) -> JacobianGramAccumulator:
        """See `Statistic.empty`."""
        del subject, rng
        return JacobianGramAccumulator(self, len(data))

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        del subject
        return 8 * len(data) * len(self.outputs) ** 2


class JacobianGramAccumulator(Accumulator):
    """State of `JacobianGrams`.

    Attributes
    ----------
    grams : ``(n, outputs, outputs)`` inner products, relative to the largest.
    present : ``(n,)`` whether the example was seen and holds a prediction.
    """

    def __init__(self, spec: JacobianGrams, n: int) -> None:
        self._spec = spec
        self.grams: NDArray[np.float64] = np.zeros((n, len(spec.outputs), len(spec.outputs)))
        self.present: NDArray[np.bool_] = np.zeros(n, dtype=bool)

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        slopes = torch.stack([captured.gradients[output][self._spec.site] for output in self._spec.outputs], dim=1)
        row, position = places(captured, slopes[:, 0], self._spec.outputs[0])
        counted = torch.zeros(len(slopes), slopes.shape[2], dtype=torch.bool, device=slopes.device)
        counted[row, position] = True
        flat = (slopes * counted[:, None, :, None]).flatten(2).double()
        flat = flat / flat.norm(dim=2).amax(dim=1).clamp(min=torch.finfo(torch.float64).tiny)[:, None, None]
        present = counted.any(dim=1)
        examples = captured.batch.examples.numpy()[present.cpu().numpy()]
        self.grams[examples] = (flat @ flat.transpose(1, 2))[present].cpu().numpy()
        self.present[examples] = True

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        self.grams += other.grams
        self.present |= other.present
