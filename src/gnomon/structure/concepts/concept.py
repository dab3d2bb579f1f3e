"""A concept: labelled examples of one idea, as texts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
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
    places : where each text stands, for messages; by default its number.
    source : where it was read from.

    Raises GnomonError when the numbers of texts, labels, clusters, spans and places differ.
    """

    name: str
    texts: tuple[str, ...]
    labels: NDArray[np.float64]
    kind: Kind
    clusters: NDArray[np.int64]
    spans: NDArray[np.int64] | None = None
    places: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        n = len(self.texts)
        if not self.places:
            object.__setattr__(self, "places", tuple(f"{self.name}, text {i + 1}" for i in range(n)))
        parts = {"labels": self.labels, "clusters": self.clusters, "spans": self.spans, "places": self.places}
        for name, values in parts.items():
            if values is not None and len(values) != n:
                raise GnomonError(f"concept {self.name!r} has {n} texts and {len(values)} {name}")

    @property
    def digest(self) -> str:
        """SHA-256 of the texts, labels, clusters and spans."""
        digest = hashlib.sha256(json.dumps(self.texts).encode())
        for values in (self.labels, self.clusters, self.spans):
            digest.update(b"" if values is None else values.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.texts)
