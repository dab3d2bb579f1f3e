"""Which latents are active: pre-activations in pieces that stay in the cache, of which only the chosen are kept."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.dictionaries.sparse_products import Pattern

# beyond this share of active latents dense products are as fast as sparse ones
DENSE_SHARE = 0.1
_PIECE = 2**22
_MARGIN = 1.25

Chosen = tuple[Pattern, Tensor]
"""The places that were chosen and the pre-activations there, ``(z,)``."""


def preactivations(inputs: Tensor, encoder: Tensor, bias: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Pieces of ``inputs @ encoder.T + bias`` with their first row. A piece lasts until the next is asked for."""
    rows = max(1, _PIECE // len(encoder))
    buffer = inputs.new_empty(min(rows, len(inputs)), len(encoder))
    for start in range(0, len(inputs), rows):
        part = inputs[start : start + rows]
        yield start, torch.addmm(bias, part, encoder.T, out=buffer[: len(part)])


@torch.no_grad()
def largest_of_each(inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> Chosen:
    """The k largest pre-activations of each vector."""
    columns = torch.empty(len(inputs), k, dtype=torch.int64, device=inputs.device)
    values = inputs.new_empty(len(inputs), k)
    for start, piece in preactivations(inputs, encoder, bias):
        place = slice(start, start + len(piece))
        torch.topk(piece, k, dim=1, sorted=False, out=(values[place], columns[place]))
    return Pattern.even(columns, len(encoder)), values.reshape(-1)


@torch.no_grad()
def above(inputs: Tensor, encoder: Tensor, bias: Tensor, bound: Tensor, most: float = DENSE_SHARE) -> Chosen | None:
    """Pre-activations greater than ``bound``, ``()`` or ``(m,)``; ``None`` where more than the share ``most`` are."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start, piece in preactivations(inputs, encoder, bias):
        rows, columns = torch.nonzero(piece > bound, as_tuple=True)
        if len(rows) > most * piece.numel():
            return None
        found.append((rows + start, columns, piece[rows, columns]))
    rows, columns, values = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Pattern.of_rows(rows, columns, len(inputs), len(encoder)), values


@torch.no_grad()
def largest_of_all(inputs: Tensor, encoder: Tensor, bias: Tensor, count: int) -> Chosen:
    """The ``count`` largest positive pre-activations of all vectors together, or all that are positive."""
    # what the first vectors would need, with a margin, finds nearly all batches' places in one pass
    rows = min(len(inputs), max(1, _PIECE // (4 * len(encoder))))
    some = torch.addmm(bias, inputs[:rows], encoder.T).reshape(-1)
    wanted = min(len(some), int(_MARGIN * count * rows / len(inputs)) + 1)
    guess = torch.topk(some, wanted, sorted=False).values.min().clamp(min=0)
    chosen = above(inputs, encoder, bias, guess, most=1.0)
    assert chosen is not None
    if len(chosen[1]) < count and float(guess) > 0:
        chosen = above(inputs, encoder, bias, torch.zeros_like(guess), most=1.0)
        assert chosen is not None
    pattern, values = chosen
    if len(values) <= count:
        return chosen
    kept = torch.topk(values, count, sorted=False).indices.sort().values
    return Pattern(pattern.columns[kept], torch.searchsorted(kept, pattern.offsets), pattern.latents), values[kept]


def check_active(k: int, latents: int) -> None:
    """Raises GnomonError when more latents are to be active than there are."""
    if k > latents:
        raise GnomonError(f"k = {k} of {latents} latents cannot be active", mend="lower k or have more latents")
