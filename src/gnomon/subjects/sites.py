"""Sites: named places inside a network, found by structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError


@dataclass(frozen=True)
class Site:
    """A place where an activation can be read and edited.

    Parameters
    ----------
    name : ``embed``, ``blocks.3``, ``blocks.3.attention``, ``blocks.3.mlp``, ``logits``, ….
    module : dotted path of the module it belongs to (``""`` is the whole network).
    end : whether the activation is the module's output or its (first) input.
    feature_axis : axis of the features; all other axes but the first index positions.
    """

    name: str
    module: str
    end: Literal["output", "input"] = "output"
    feature_axis: int = -1

    def rows(self, activation: Tensor) -> Tensor:
        """The activation ``(batch, …)`` as ``(batch, positions, width)``.

        A ``(batch,)`` activation has one position and width 1; ``(batch, width)`` has one position.
        """
        if activation.ndim == 1:
            return activation[:, None, None]
        moved = activation.movedim(self.feature_axis, -1)
        return moved.reshape(moved.shape[0], -1, moved.shape[-1])


def tensor_in(value: Any) -> Tensor | None:
    """The activation inside what a module took or returned: the tensor itself or the first of a tuple."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (tuple, list)) and value and isinstance(value[0], Tensor):
        return value[0]
    for field in ("logits", "last_hidden_state"):
        found = getattr(value, field, None)
        if isinstance(found, Tensor):
            return found
    return None


_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Bilinear)


def resolve_sites(module: nn.Module) -> tuple[Site, ...]:
    """The sites of ``module`` in forward order. Raises GnomonError when two would have one name."""
    sites = _sequential_sites(module) if isinstance(module, nn.Sequential) else _named_sites(module)
    names = [s.name for s in sites]
    if len(set(names)) != len(names):
        raise GnomonError(f"two sites of {type(module).__name__} have the same name", mend="pass sites=… by hand")
    return sites


def _sequential_sites(module: nn.Sequential) -> tuple[Site, ...]:
    """One block a weighted layer with what follows it up to the next; the last one is the logits."""
    children = list(module.named_children())
    starts = [i for i, (_, child) in enumerate(children) if isinstance(child, _WEIGHTED)]
    ends = [start - 1 for start in starts[1:]]
    blocks = [_output_site(f"blocks.{i}", *children[end]) for i, end in enumerate(ends)]
    return (*blocks, Site("logits", ""))


def _output_site(name: str, path: str, child: nn.Module) -> Site:
    spatial = isinstance(child, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    return Site(name, path, feature_axis=1 if spatial else -1)


def _named_sites(module: nn.Module) -> tuple[Site, ...]:
    named = [(n, m) for n, m in module.named_modules() if n and not list(m.children())]
    return (*(_output_site(n, n, m) for n, m in named), Site("logits", ""))


def first_device(module: nn.Module) -> torch.device:
    """Device of the first parameter or buffer; the CPU for a module without any."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")
