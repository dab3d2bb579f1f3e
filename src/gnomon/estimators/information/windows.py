"""Windows cut out of texts, in which each target is predicted from an exact number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.information.spans import Span
from gnomon.randomness import Rng, hashed
from gnomon.subjects import Data, TokenData

_AT_ONCE = 1024


@dataclass(frozen=True)
class Texts:
    """Token sequences without the token that all of them begin with, if there is one.

    Parameters
    ----------
    tokens : ``(tokens,)`` of all texts one after another.
    lengths : ``(texts,)``.
    clusters : ``(texts,)`` running number of the cluster of each.
    begin : the token that every text begins with and that occurs nowhere else, or ``None``.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    clusters: NDArray[np.int64]
    begin: int | None

    @classmethod
    def of(cls, data: Data) -> Texts:
        """The texts of ``data``, a begin-of-text token recognised by its use."""
        parts: list[NDArray[np.int64]] = []
        for start in range(0, len(data), _AT_ONCE):
            batch = data.batch(np.arange(start, min(start + _AT_ONCE, len(data))))
            ids = batch.kwargs["input_ids"].numpy()
            mask = np.ones(ids.shape, bool) if batch.mask is None else batch.mask.numpy()
            parts.append(ids[mask])
        tokens = np.concatenate(parts).astype(np.int64)
        first = np.cumsum(data.lengths) - data.lengths
        begins = tokens[first]
        lengths, begin = np.asarray(data.lengths), None
        if len(begins) > 1 and (begins == begins[0]).all() and (tokens == begins[0]).sum() == len(begins):
            begin = int(begins[0])
            tokens, lengths = np.delete(tokens, first), lengths - 1
        clusters = np.unique(data.clusters, return_inverse=True)[1].reshape(-1)
        return cls(tokens, lengths, clusters, begin)

    @property
    def starts(self) -> NDArray[np.int64]:
        """``(texts,)`` where each text begins."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @property
    def names(self) -> NDArray[np.int64]:
        """``(texts,)`` a number for each text, whatever its place in the data; alike ones are told apart by order."""
        with np.errstate(over="ignore"):
            total = np.append(np.uint64(0), np.cumsum(hashed(0, self.positions, self.tokens)))
            sums = total[self.starts + self.lengths] - total[self.starts]
        order = np.argsort(sums, kind="stable")
        begins = np.flatnonzero(np.diff(sums[order], prepend=~sums[order[:1]]) != 0)
        copy = np.empty(len(sums), np.int64)
        copy[order] = np.arange(len(sums)) - np.repeat(begins, np.diff(begins, append=len(sums)))
        return np.where(copy == 0, sums, hashed(0, sums, copy)).astype(np.int64)

    @property
    def positions(self) -> NDArray[np.int64]:
        """``(tokens,)`` how many tokens of its text stand before each."""
        return np.arange(len(self.tokens)) - np.repeat(self.starts, self.lengths)


def tiers(first: int, longest: int) -> tuple[Span, ...]:
    """Contexts that are read off the same windows: one by one up to 2, then a doubling each.

    >>> tiers(0, 16)
    ((0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (9, 16))
    """
    ends = [0, 1, 2]
    while ends[-1] < longest:
        ends.append(2 * ends[-1])
    pairs = zip([-1, *ends[:-1]], ends, strict=True)
    return tuple((low + 1, high) for low, high in pairs if low + 1 >= first and high <= longest)


@dataclass(frozen=True)
class Windows:
    """Where windows begin and which contexts count in each.

    Parameters
    ----------
    text, start : ``(windows,)`` text of each, and the place in it of its first token.
    contexts : ``(windows, 2)`` shortest and longest context that is read from it.
    """

    text: NDArray[np.int64]
    start: NDArray[np.int64]
    contexts: NDArray[np.int64]

    def data(self, texts: Texts) -> TokenData:
        """The windows as texts of their own, in the clusters of those they were cut from."""
        begin = [] if texts.begin is None else [np.array([texts.begin])]
        ends = np.minimum(self.start + self.contexts[:, 1] + 1, texts.lengths[self.text])
        offsets = texts.starts[self.text]
        rows = [
            np.concatenate([*begin, texts.tokens[at + first : at + last]])
            for at, first, last in zip(offsets, self.start, ends, strict=True)
        ]
        return TokenData(rows, clusters=texts.clusters[self.text], description="windows")


def draw_windows(texts: Texts, longest: int, positions: int, rng: Rng) -> Windows:
    """Windows for every context up to ``longest`` tokens, the positions shared evenly among the tiers.

    Targets are the tokens with at least ``longest`` before them, so that every context is measured on the same ones.
    In each tier every text's targets are laid out in blocks of as many as the tier has contexts, from a random
    phase; a block is a window, in which the targets have all contexts of the tier in turn. Blocks are drawn uniformly:
    every target is as likely as any other, and at every context. The draw does not depend on the order of the texts.
    """
    text, start, contexts = [], [], []
    long_enough = np.flatnonzero(texts.lengths > longest)
    lengths, names = texts.lengths[long_enough], texts.names[long_enough]
    found = tiers(1 if texts.begin is None else 0, longest)
    for low, high in found:
        key = rng.child("windows", low).key
        width = high - low + 1
        phase = (hashed(key, names) % np.uint64(width)).astype(np.int64)
        blocks = -((longest - phase - lengths) // width)
        which = np.repeat(np.arange(len(lengths)), blocks)
        block = np.arange(len(which)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
        wanted = max(1, positions // len(found) // (high + 1 + (texts.begin is not None)))
        chosen = np.argsort(hashed(key, names[which], block), kind="stable")[:wanted]
        which, block = which[chosen], block[chosen]
        text.append(long_enough[which])
        start.append(longest - phase[which] + block * width - low)
        contexts.append(np.tile([low, high], (len(chosen), 1)))
    return Windows(np.concatenate(text), np.concatenate(start), np.concatenate(contexts))


def longest_context(lengths: Sequence[int] | NDArray[np.int64], clusters: NDArray[np.int64], limit: int) -> int:
    """The largest power of two up to ``limit`` that half of the clusters and a quarter of the tokens have before them.

    0 if there is none.
    """
    lengths = np.asarray(lengths)
    longest = 1
    while 2 * longest <= limit:
        beyond = np.maximum(lengths - 2 * longest, 0)
        if 4 * beyond.sum() < lengths.sum() or 2 * len(np.unique(clusters[beyond > 0])) < len(np.unique(clusters)):
            break
        longest *= 2
    return longest if longest > 1 else 0
