"""Observations by cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Array = NDArray[np.float64]


def sums_by_cluster(values: Array, clusters: Sequence[object] | NDArray[np.generic] | None) -> tuple[Array, Array]:
    """Sum and number of ``(n,)`` values in each cluster, in order of appearance; every value its own without clusters.

    Raises GnomonError when clusters and values differ in number.
    """
    if clusters is None:
        return values, np.ones(len(values))
    if len(clusters) != len(values):
        raise GnomonError(f"{len(values)} values in {len(clusters)} clusters", mend="name the cluster of every value")
    numbers: dict[object, int] = {}
    places = np.array([numbers.setdefault(c, len(numbers)) for c in clusters], dtype=np.int64)
    return np.bincount(places, weights=values).astype(np.float64), np.bincount(places).astype(np.float64)
