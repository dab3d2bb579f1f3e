"""Tokens as readable text, and contexts as pieces of text with how strongly a latent fires there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.report.numbers import plain
from gnomon.structure.dictionaries.contexts import Contexts
from gnomon.subjects import Data, TokenData

LEVELS = 9
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

Spell = Callable[[int], str]


@dataclass(frozen=True)
class Piece:
    """Some text; ``level`` is 0 where the latent is silent, and up to 9 of its greatest activation. ``peak`` marks the
    place itself.
    """

    text: str
    level: int
    peak: bool


@dataclass(frozen=True)
class Shown:
    """One context: its strength, where it stands, and its text (without one where the data holds no tokens)."""

    strength: str
    example: int
    position: int
    pieces: tuple[Piece, ...]


def speller(tokenizer: Any) -> Spell:
    """How one token reads, with the space that stands before it; control characters are shown as signs.

    >>> speller(None)(17)
    ' 17'
    """
    if tokenizer is None or not hasattr(tokenizer, "convert_ids_to_tokens"):
        return lambda token: f" {token}"
    known: dict[int, str] = {}

    def spell(token: int) -> str:
        if token not in known:
            known[token] = _visible(_spelled(tokenizer, token))
        return known[token]

    return spell


def _spelled(tokenizer: Any, token: int) -> str:
    piece = str(tokenizer.convert_ids_to_tokens(token))
    if token in getattr(tokenizer, "all_special_ids", ()):
        return piece
    if "Ġ" in piece or "Ċ" in piece:  # byte-level BPE writes a space and a newline so
        return str(tokenizer.convert_tokens_to_string([piece]))
    byte = _BYTE.fullmatch(piece)
    if byte is not None:
        return chr(int(byte[1], 16)) if int(byte[1], 16) < 128 else piece
    return piece.replace("▁", " ")


def _visible(text: str) -> str:
    return "".join({"\n": "↵", "\t": "⇥"}.get(c, c if c.isprintable() else "�") for c in text)


def shown(contexts: Contexts, latent: int, data: Data, spell: Spell, greatest: float) -> list[Shown]:
    """The contexts of one latent; levels are ninths of ``greatest``."""
    found = []
    for slot in np.flatnonzero(contexts.example[latent] >= 0):
        example, position = int(contexts.example[latent, slot]), int(contexts.position[latent, slot])
        pieces: tuple[Piece, ...] = ()
        if isinstance(data, TokenData):
            tokens, window = data.sequences[example], contexts.window[latent, slot]
            pieces = _pieces(tokens, window, position - contexts.before, position, spell, greatest)
        found.append(Shown(plain(float(contexts.activation[latent, slot])), example, position, pieces))
    return found


def _pieces(
    tokens: NDArray[np.int64], window: NDArray[np.float32], start: int, peak: int, spell: Spell, greatest: float
) -> tuple[Piece, ...]:
    """Neighbouring silent tokens are one piece."""
    found: list[Piece] = []
    for offset, strength in enumerate(window):
        at = start + offset
        if not 0 <= at < len(tokens) or np.isnan(strength):
            continue
        level = 0 if strength <= 0 else min(LEVELS, int(np.ceil(LEVELS * strength / greatest)))
        piece = Piece(spell(int(tokens[at])), level, at == peak)
        if found and not level and not piece.peak and not found[-1].level and not found[-1].peak:
            piece = Piece(found.pop().text + piece.text, 0, peak=False)
        found.append(piece)
    return tuple(found)


def peaks(contexts: Sequence[Shown], most: int = 4) -> list[str]:
    """The different tokens at the places of these contexts, in their order."""
    return list(dict.fromkeys(p.text.strip() for one in contexts for p in one.pieces if p.peak and p.text.strip()))[
        :most
    ]
