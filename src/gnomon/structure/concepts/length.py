"""Check: the length of a text tells its class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.concepts.surface import TELLING, positive_labels
from gnomon.structure.directions.detection import Auroc, auroc


def length_auroc(concept: Concept, lengths: Sequence[int], *, level: float = 0.95) -> Auroc:
    """Area under the ROC curve of the length alone: above 1/2 where texts with the concept are longer."""
    scores = np.asarray(lengths, dtype=np.float64)
    return auroc(scores, positive_labels(concept), clusters=concept.clusters, level=level)


def length_leak(found: Auroc, unit: str) -> list[Concern]:
    """Warns when the interval of `length_auroc` lies above 0.55 or below 0.45; ``unit`` is what was counted."""
    low, high = found.uncertainty.low, found.uncertainty.high
    if low is None or high is None or not (low > TELLING or high < 1 - TELLING):
        return []
    longer = "longer" if found.value > 0.5 else "shorter"
    return [
        Concern(
            check="length",
            finding=f"texts with the concept are {longer}: their number of {unit} alone has AUROC {found.value:.2f} "
            f"[{low:.2f}, {high:.2f}]",
            mend="match the lengths of the classes, or show that a direction tells texts of equal length apart",
            numbers={"auroc": found.value, "low": float(low), "high": float(high)},
        )
    ]
