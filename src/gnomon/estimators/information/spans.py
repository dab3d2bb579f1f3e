"""Spans of context lengths that are averaged over: single ones at first, then half octaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]


def spans(first: int, last: int) -> tuple[Span, ...]:
    """From ``first`` to ``last``, both inside: one by one up to 4, then two spans to each doubling.

    >>> spans(0, 16)
    ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (9, 12), (13, 16))
    >>> spans(2, 10)
    ((2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (9, 10))
    """
    ends = [0, 1, 2, 3, 4]
    while ends[-1] < last:
        ends += [ends[-1] * 3 // 2, ends[-1] * 2]
    pairs = zip([-1, *ends[:-1]], ends, strict=True)
    return tuple((max(low + 1, first), min(high, last)) for low, high in pairs if low < last and high >= first)


def centres(found: tuple[Span, ...]) -> NDArray[np.float64]:
    """Where each span is drawn: the geometric mean of its ends, which is the length itself where there is one."""
    return np.array([np.sqrt(low * high) if high > low else float(low) for low, high in found])


def span_of(lengths: NDArray[np.int64], found: tuple[Span, ...]) -> NDArray[np.int64]:
    """Index of the span that each of ``lengths`` lies in; −1 for those outside all."""
    starts, ends = np.array(found).T
    index = np.searchsorted(starts, lengths, side="right") - 1
    return np.where((lengths >= starts[0]) & (lengths <= ends[-1]), index, -1)
