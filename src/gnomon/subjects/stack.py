"""Sites of a network that is a stack of like blocks: the same names on every architecture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from torch import nn

from gnomon.subjects.batch import Batch
from gnomon.subjects.probe import Firing, Trace
from gnomon.subjects.residual import Contribution, contributions
from gnomon.subjects.sites import Site


def stack_sites(module: nn.Module, batch: Batch, seen: Trace) -> tuple[Site, ...]:
    """``embed``, ``blocks.i``, what each block adds to the stream, ``final_norm`` and ``logits``.

    Empty where ``module`` has no stack: a list of modules, each with parts of its own, that run once each, one
    after the other, and keep the shape of what they are given.
    """
    blocks = _longest_stack(module, seen)
    if not blocks:
        return ()
    added = contributions(module, batch, {b.path: b.alike for b in blocks if b.alike is not None})
    axis = blocks[0].feature_axis if len(blocks[0].shape or ()) > 3 else -1
    places: list[tuple[Site, int]] = [
        (Site("embed", blocks[0].path, "input", axis, blocks[0].alike), blocks[0].started)
    ]
    for number, block in enumerate(blocks):
        for name, part in _named(added[block.path], block.path):
            site = Site(f"blocks.{number}.{name}", part.path, feature_axis=axis, folded=part.folded)
            places.append((site, seen.of(part.path)[0].finished))
        places.append((Site(f"blocks.{number}", block.path, feature_axis=axis), block.finished))
    norm = _final_norm(module, seen, blocks[-1])
    if norm is not None:
        places.append((Site("final_norm", norm.path, feature_axis=axis), norm.finished))
    root = seen.of("")[0]
    places.append((Site("logits", "", feature_axis=root.feature_axis), root.finished))
    return tuple(_with_owners(module, seen, places, [b.path for b in blocks]))


def _longest_stack(module: nn.Module, seen: Trace) -> list[Firing]:
    """The firings of the blocks of the longest stack; of several as long, that with the most parameters."""
    lists = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.ModuleList) and len(m)]
    outer = [(n, m) for n, m in lists if not any(n.startswith(other + ".") for other, _ in lists)]
    outer.sort(key=lambda pair: (-len(pair[1]), -sum(p.numel() for p in pair[1].parameters())))
    for path, blocks in outer:
        firings = [seen.of(f"{path}.{i}") for i in range(len(blocks))]
        if all(_keeps_shape(f) for f in firings) and all(any(True for _ in b.children()) for b in blocks):
            chain = [f[0] for f in firings]
            if all(a.finished < b.started and a.shape == b.shape for a, b in pairwise(chain)):
                return chain
    return []


def _keeps_shape(firings: list[Firing]) -> bool:
    return len(firings) == 1 and firings[0].floating and firings[0].alike is not None


def _named(parts: Sequence[Contribution], block: str) -> Iterator[tuple[str, Contribution]]:
    """``attention`` mixes positions, ``mlp`` follows it; a block that adds one thing only has a ``mixer``."""
    if len(parts) == 1:
        attends = "att" in parts[0].path.removeprefix(block).lower()
        yield ("attention" if attends else "mixer") if parts[0].mixes else "mlp", parts[0]
    elif len(parts) == 2:
        swapped = not parts[0].mixes and parts[1].mixes
        yield from zip(("mlp", "attention") if swapped else ("attention", "mlp"), parts, strict=True)
    else:
        for number, part in enumerate(parts):
            ends = {0: "attention", len(parts) - 1: "mlp"}
            yield ends.get(number, part.path.removeprefix(block + ".")), part


def _final_norm(module: nn.Module, seen: Trace, last: Firing) -> Firing | None:
    """The normalisation that the stream passes right after the last block, if there is one."""
    after = sorted((f for f in seen.firings if f.started > last.finished), key=lambda f: f.started)
    for firing in after:
        part = module.get_submodule(firing.path)
        axes = [p.ndim for p in part.parameters()]
        if any(True for _ in part.children()) or not axes:
            continue
        return firing if max(axes) == 1 and firing.shape == last.shape else None
    return None


def _with_owners(
    module: nn.Module, seen: Trace, places: Sequence[tuple[Site, int]], blocks: Sequence[str]
) -> Iterator[Site]:
    """The sites with the modules whose weights belong to each: those that started since the site before it.

    A module that never ran (an expert that no token was sent to) belongs with the nearest module around it that did.
    """
    started = {f.path: f.started for f in reversed(seen.firings)}
    owned: dict[str, list[str]] = {site.name: [] for site, _ in places}
    # the stream after a block is the sum of what was added; it owns what only the block as a whole holds
    reached = [(site, at) for site, at in places if site.module not in blocks or site.end == "input"]
    for path, part in module.named_modules():
        if not any(True for _ in part.parameters(recurse=False)):
            continue
        runner = path
        while runner not in started:
            runner = runner.rpartition(".")[0]
        block = next((b for b in blocks if path == b or path.startswith(b + ".")), None)
        if block is None:
            owner = next((s for s, at in reached if started[runner] < at), None)
            if owner is not None and not owner.name.startswith("blocks."):
                owned[owner.name].append(path)
            continue
        inside = [(s, at) for s, at in reached if s.module.startswith(block + ".") and started[runner] < at]
        stream = next(s for s, _ in places if s.module == block and s.end == "output")
        owner = inside[0][0] if inside and runner != block else stream
        owned[owner.name].append(path)
    for site, _ in places:
        yield replace(site, owns=tuple(owned[site.name]))
