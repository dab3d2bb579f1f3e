"""The few places of greatest priority that are kept for each latent, in tensors of fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gnomon.structure.dictionaries.codes import Codes

_CELLS = 2**22  # of the comparison that reads windows, at once


@dataclass(frozen=True, eq=False)
class Entries:
    """Activations above zero in one batch, ``(entries,)`` each: the latent, how active it is, and where.

    ``row`` is that of the batch, and ``example`` the number in the data of the same one, in the same order.
    """

    latent: Tensor
    value: Tensor
    row: Tensor
    example: Tensor
    position: Tensor


class Windows:
    """Activations of a latent at the places around another, read from the codes of one batch.

    Parameters
    ----------
    codes : of the real positions of the batch, n of them.
    places : ``(batch, positions)`` int64, the row of each position in ``codes``; −1 where there is none.
    before, after : how many positions beside the middle one are read.
    """

    def __init__(self, codes: Codes, places: Tensor, *, before: int, after: int) -> None:
        self._codes, self._places = codes, places
        self._offsets = torch.arange(-before, after + 1, device=places.device)

    def __len__(self) -> int:
        return len(self._places)

    def read(self, latents: Tensor, row: Tensor, positions: Tensor) -> Tensor:
        """``(entries, before + 1 + after)``, NaN beyond the example; ``row`` is that of the batch."""
        at = positions[:, None] + self._offsets
        inside = (at >= 0) & (at < self._places.shape[1])
        rows = self._places[row[:, None], at.clamp(0, self._places.shape[1] - 1)].where(inside, -1)
        found = torch.empty(rows.shape, dtype=torch.float32, device=rows.device)
        step = max(1, _CELLS // (rows.shape[1] * self._codes.indices.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            near = rows[part].clamp(min=0)
            mine = self._codes.indices[near] == latents[part, None, None]
            found[part] = (self._codes.values[near] * mine).sum(dim=2).float()
        return found.masked_fill(rows < 0, torch.nan)


class Kept:
    """For each of m latents the places of greatest priority; ties go to the first example and position.

    What is kept does not depend on the order or grouping in which places are offered.

    Parameters
    ----------
    latents, keep, width : m, how many places are kept of each, and how many activations around each.
    distinct : keep at most one place an example.

    Attributes
    ----------
    priority : ``(m, keep)`` float64, falling; −∞ where fewer were offered.
    activation : ``(m, keep)`` float32.
    example, position : ``(m, keep)`` int64, −1 where there is none.
    window : ``(m, keep, width)`` float32, the latent's activations around the place; NaN beyond the example.
    """

    def __init__(self, latents: int, keep: int, width: int, device: torch.device, *, distinct: bool) -> None:
        self.priority = torch.full((latents, keep), -torch.inf, dtype=torch.float64, device=device)
        self.activation = torch.zeros(latents, keep, device=device)
        self.example = torch.full((latents, keep), -1, dtype=torch.int64, device=device)
        self.position = self.example.clone()
        self.window = torch.full((latents, keep, width), torch.nan, device=device)
        self._distinct = distinct

    def offer(self, entries: Entries, priority: Tensor, windows: Windows) -> None:
        """Take in the places of one batch. No example may come in two batches."""
        keep = self.priority.shape[1]
        near = torch.nonzero(priority >= self.priority[entries.latent, -1])[:, 0]
        order = near[_ranked(entries.latent[near], priority[near], entries.example[near], entries.position[near])]
        if self._distinct:
            order = order[_first(entries.latent[order] * len(windows) + entries.row[order])]
        slot, rank = _slots(entries.latent[order])
        order, slot, rank = (one[rank < keep] for one in (order, slot, rank))
        if not len(order):
            return
        latent, row, position = (one[order] for one in (entries.latent, entries.row, entries.position))
        present = torch.unique_consecutive(latent)
        fresh = Kept(len(present), keep, self.window.shape[2], priority.device, distinct=False)
        fresh.priority[slot, rank] = priority[order]
        fresh.activation[slot, rank] = entries.value[order].float()
        fresh.example[slot, rank] = entries.example[order]
        fresh.position[slot, rank] = position
        fresh.window[slot, rank] = windows.read(latent, row, position)
        self._absorb(present, fresh)

    def merge(self, other: Self) -> None:
        """Take in what another kept of other places."""
        self._absorb(torch.arange(len(self.priority), device=self.priority.device), other)

    def _absorb(self, latents: Tensor, fresh: Kept) -> None:
        both = {n: torch.cat([getattr(self, n)[latents], getattr(fresh, n)], dim=1) for n in _FIELDS}
        order = both["position"].argsort(dim=1, stable=True)
        for name in ("example", "priority"):
            step = both[name].gather(1, order).argsort(dim=1, stable=True, descending=name == "priority")
            order = order.gather(1, step)
        order = order[:, : self.priority.shape[1]]
        for name in _FIELDS[:-1]:
            getattr(self, name)[latents] = both[name].gather(1, order)
        self.window[latents] = both["window"].gather(1, order[..., None].expand(-1, -1, self.window.shape[2]))


_FIELDS = ("priority", "activation", "example", "position", "window")


def _ranked(latent: Tensor, priority: Tensor, example: Tensor, position: Tensor) -> Tensor:
    """The order of entries by latent, falling priority, example and position."""
    order = position.argsort(stable=True)
    order = order[example[order].argsort(stable=True)]
    order = order[priority[order].argsort(stable=True, descending=True)]
    return order[latent[order].argsort(stable=True)]


def _first(key: Tensor) -> Tensor:
    """Whether each entry is the first with its key."""
    order = key.argsort(stable=True)
    found = torch.ones_like(key, dtype=torch.bool)
    found[order[1:]] = key[order[1:]] != key[order[:-1]]
    return found


def _slots(latent: Tensor) -> tuple[Tensor, Tensor]:
    """For entries in the order of their latents: a running number of the latent, and the rank within it."""
    _, slot, counts = torch.unique_consecutive(latent, return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    return slot, torch.arange(len(latent), device=latent.device) - starts[slot]
