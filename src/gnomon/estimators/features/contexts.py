"""The contexts at which features are read: a sample of examples, no longer than they need to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.features.outputs import Place, hashed_offset
from gnomon.randomness import Rng
from gnomon.subjects import Data, NextToken, Subject, TokenData


@dataclass(frozen=True, eq=False)
class Contexts:
    """Examples, and where the prediction that stands for each of them is.

    In a language model that predicts from left to right nothing after a prediction bears on it, so sequences are cut
    behind the one that was drawn: same numbers, at less than half the price.
    """

    data: Data
    place: Place

    @classmethod
    def of(cls, subject: Subject, data: Data, chosen: NDArray[np.int64]) -> Contexts:
        """The examples at ``chosen``."""
        part = data.take(chosen)
        if not isinstance(subject.loss, NextToken) or not isinstance(part, TokenData):
            return cls(part, "hashed")
        predictions = np.maximum(part.lengths - 1, 1)
        stops = hashed_offset(np.arange(len(part)), predictions) + 2
        cut = [tokens[:stop] for tokens, stop in zip(part.sequences, stops, strict=True)]
        return cls(TokenData(cut, pad=part.pad, clusters=part.clusters, description=part.description), "last")


def sample(data: Data, n: int, rng: Rng) -> NDArray[np.int64]:
    """At most ``n`` examples, uniformly, in their order."""
    return np.sort(rng.child("contexts").numpy().permutation(len(data))[:n])


def sample_independent(data: Data, n: int, rng: Rng) -> NDArray[np.int64]:
    """At most ``n`` examples, no two of one cluster, in their order."""
    order = rng.child("contexts").numpy().permutation(len(data))
    _, first = np.unique(data.clusters[order], return_index=True)
    return np.sort(order[np.sort(first)[:n]])
