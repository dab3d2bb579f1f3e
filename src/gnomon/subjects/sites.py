"""A site: a named place inside a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Site:
    """A place where an activation can be read and edited.

    Parameters
    ----------
    name : ``embed``, ``blocks.3``, ``blocks.3.attention``, ``blocks.3.mlp``, ``logits``, ….
    module : dotted path of the module it belongs to (``""`` is the whole network).
    end : whether the activation is the module's output or its (first) input.
    feature_axis : axis of the features; all other axes but the first index positions.
    argument : for ``end="input"``, which argument: its place or keyword; ``None`` for the first with fractions.
    folded : whether the module works on ``(batch · positions, width)``; readers and editors of the site see
        ``(batch, positions, width)`` all the same.
    owns : paths of the modules whose own weights belong to the site; by default those inside ``module``.
    """

    name: str
    module: str
    end: Literal["output", "input"] = "output"
    feature_axis: int = -1
    argument: int | str | None = None
    folded: bool = False
    owns: tuple[str, ...] = ()

    def rows(self, activation: Tensor) -> Tensor:
        """The activation ``(batch, …)`` as ``(batch, positions, width)``.

        A ``(batch,)`` activation has one position and width 1; ``(batch, width)`` has one position.
        """
        if activation.ndim == 1:
            return activation[:, None, None]
        moved = activation.movedim(self.feature_axis, -1)
        return moved.reshape(moved.shape[0], -1, moved.shape[-1])
