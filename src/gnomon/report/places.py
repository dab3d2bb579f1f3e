"""Where a site stands: its stage along the depth of the network, and which part of that stage it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_BLOCK = re.compile(r"^blocks\.(\d+)(?:\.(.+))?$")
OUTPUT = "block output"


@dataclass(frozen=True)
class Place:
    """``stage`` is the tick on the axis over depth; ``part`` is the curve."""

    stage: str
    part: str


@dataclass(frozen=True)
class Depth:
    """Stages and parts in forward order, and the place of every site."""

    stages: tuple[str, ...]
    parts: tuple[str, ...]
    places: Mapping[str, Place]

    @property
    def in_blocks(self) -> bool:
        """Whether the network is a sequence of blocks, so that ticks are numbers."""
        return any(stage.isdecimal() for stage in self.stages)


def depth(sites: Iterable[str], order: Sequence[str]) -> Depth:
    """Lay out ``sites`` (or matrices, ``site:parameter``) in the forward order that ``order`` gives.

    >>> d = depth(["blocks.0.mlp", "blocks.1.mlp", "embed"], ["embed", "blocks.0.mlp", "blocks.1.mlp"])
    >>> d.stages, d.parts
    (('embed', '0', '1'), ('block output', 'mlp'))
    """
    rank = {site: i for i, site in enumerate(order)}
    found = list(dict.fromkeys(sites))
    found.sort(key=lambda name: _rank(name, rank))
    in_blocks = any(_BLOCK.match(name.partition(":")[0]) for name in found)
    places = {name: _place(name, in_blocks) for name in found}
    stages = tuple(dict.fromkeys(p.stage for p in places.values()))
    parts = tuple(dict.fromkeys(p.part for p in places.values()))
    return Depth(stages, parts, places)


def _rank(name: str, rank: Mapping[str, int]) -> tuple[int, int]:
    """Forward order; matrices outside every site, and names that the subject does not list, come last."""
    site = name.partition(":")[0]
    block = _BLOCK.match(site)
    if site in rank:
        return rank[site], 0
    return len(rank), int(block[1]) if block else 0


def _place(name: str, in_blocks: bool) -> Place:
    site, _, parameter = name.partition(":")
    block = _BLOCK.match(site)
    short = parameter.removesuffix(".weight")
    if block is not None:
        return Place(block[1], " ".join(p for p in (block[2] or "", short) if p) or OUTPUT)
    whole = short in ("weight", "")
    if not in_blocks:
        return Place(site.removesuffix(".weight"), OUTPUT if whole else short)
    if parameter:
        return Place(site, site if whole else f"{site} {short}")
    # The logits live in another space than the blocks, so they are no point of the blocks' curve.
    return Place(site, "logits" if site == "logits" else OUTPUT)
