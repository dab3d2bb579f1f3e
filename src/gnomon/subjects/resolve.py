"""Resolution: from the structure of a network, and a tiny run of it, to its sites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from gnomon.subjects.batch import Batch
from gnomon.subjects.probe import Trace, is_channels_first, trace
from gnomon.subjects.sites import Site
from gnomon.subjects.stack import stack_sites

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Bilinear)


@dataclass(frozen=True)
class Resolution:
    """Sites in forward order, and why other candidates are none."""

    sites: tuple[Site, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def resolve_sites(module: nn.Module, batch: Batch | None = None) -> Resolution:
    """The sites of ``module``.

    A network with a stack of blocks gets ``embed``, ``blocks.i``, ``blocks.i.attention``, ``blocks.i.mlp``,
    ``final_norm`` and ``logits`` (this needs ``batch``, on which it is run); an ``nn.Sequential`` gets ``blocks.i``
    and ``logits``; any other one its leaf modules by path, and ``logits``.

    Raises
    ------
    GnomonError : when the network cannot be run on ``batch``.
    """
    if isinstance(module, nn.Sequential):
        return Resolution(_sequential_sites(module))
    if batch is None:
        named = [(n, m) for n, m in module.named_modules() if n and not list(m.children())]
        leaves = [Site(n, n, feature_axis=1 if is_channels_first(m) else -1) for n, m in named]
        return Resolution((*leaves, Site("logits", "")))
    seen = trace(module, batch)
    stacked = stack_sites(module, batch, seen)
    return Resolution(stacked) if stacked else _leaf_sites(seen)


def _sequential_sites(module: nn.Sequential) -> tuple[Site, ...]:
    """One block a weighted layer with what follows it up to the next; the last one is the logits."""
    layers = list(_flattened(module))
    starts = [i for i, (_, layer) in enumerate(layers) if _is_weighted(layer)]
    blocks = []
    for number, (start, following) in enumerate(pairwise(starts)):
        path, last = layers[following - 1]
        axis = 1 if is_channels_first(layers[start][1]) else -1
        owns = _inside(layers[start if number else 0 : following])
        if sum(layer is last for _, layer in layers) == 1:
            blocks.append(Site(f"blocks.{number}", path, feature_axis=axis, owns=owns))
        else:  # one activation module serves several blocks: read what the next layer is given
            blocks.append(Site(f"blocks.{number}", layers[following][0], "input", feature_axis=axis, owns=owns))
    last_start = starts[-1] if len(starts) > 1 else 0
    return (*blocks, Site("logits", "", owns=_inside(layers[last_start:])))


def _flattened(module: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers, with those of nested sequences in their place."""
    for name, child in module._modules.items():
        if isinstance(child, nn.Sequential):
            yield from _flattened(child, f"{prefix}{name}.")
        elif child is not None:
            yield f"{prefix}{name}", child


def _is_weighted(layer: nn.Module) -> bool:
    return any(isinstance(m, _WEIGHTED) for m in layer.modules())


def _inside(layers: Sequence[tuple[str, nn.Module]]) -> tuple[str, ...]:
    return tuple(f"{path}.{name}".rstrip(".") for path, layer in layers for name, _ in layer.named_modules())


def _leaf_sites(seen: Trace) -> Resolution:
    """Every module inside which no other fired, if it fired once and returned numbers for each example."""
    paths = list(dict.fromkeys(f.path for f in sorted(seen.firings, key=lambda f: f.finished) if f.path))
    sites, left_out = [], {}
    for path in paths:
        if any(other.startswith(path + ".") for other in paths):
            continue
        reason = unusable(seen, path)
        if reason:
            left_out[path] = reason
        else:
            sites.append(Site(path, path, feature_axis=seen.of(path)[0].feature_axis))
    root = seen.of("")[0]
    return Resolution((*sites, Site("logits", "", feature_axis=root.feature_axis)), left_out)


def unusable(seen: Trace, path: str) -> str:
    """Why the output of the module at ``path`` cannot be a site, or ``""``."""
    firings = seen.of(path)
    if len(firings) != 1:
        return f"it runs {len(firings)} times in a forward pass"
    if firings[0].shape is None:
        return "it returns no tensor"
    if not firings[0].floating:
        return "it returns no floating-point numbers"
    if firings[0].shape[:1] != (seen.batch,):
        return f"the first axis of its output {firings[0].shape} is not the batch of {seen.batch}"
    return ""
