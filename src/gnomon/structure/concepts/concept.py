"""A concept: labelled examples of one idea, as texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.structure.examples import Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Concept:
    """Texts with their labels; `gnomon.structure.concepts.reading` makes one from a file.

    Parameters
    ----------
    name : for reports.
    texts : the n texts.
    labels : ``(n,)``: +1 and -1, or for ``graded`` any numbers.
    kind : see `gnomon.structure.examples.Examples`.
    clusters : ``(n,)`` ids of dependent texts, such as both of a pair.
    spans : where a span is named, its beginning and end in characters, ``(n, 2)``.
    source : where it was read from.
    """

    name: str
    texts: tuple[str, ...]
    labels: NDArray[np.float64]
    kind: Kind
    clusters: NDArray[np.int64]
    spans: NDArray[np.int64] | None = None
    source: str = ""

    def __len__(self) -> int:
        return len(self.texts)
