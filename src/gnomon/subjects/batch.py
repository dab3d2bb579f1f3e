"""What is fed to a network at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs for one forward pass over some examples.

    Parameters
    ----------
    args, kwargs : what the module is called with.
    examples : index of each example in its data, shape ``(batch,)``, int64, on the CPU.
    mask : ``(batch, position)`` bool, true where a position is real (not padding); ``None`` where the inputs
        have no positions or all of them are real.
    targets : ``(batch,)``, ``(batch, position)`` or ``(batch, outputs)``; ``None`` without labels.
    """

    args: tuple[Tensor, ...]
    examples: Tensor
    kwargs: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def to(self, device: torch.device) -> Batch:
        """The same batch with its inputs, mask and targets on ``device``."""
        return Batch(
            args=tuple(a.to(device) for a in self.args),
            examples=self.examples,
            kwargs={k: v.to(device) for k, v in self.kwargs.items()},
            mask=None if self.mask is None else self.mask.to(device),
            targets=None if self.targets is None else self.targets.to(device),
        )
