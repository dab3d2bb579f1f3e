"""Check: one class far outnumbers the other."""

from __future__ import annotations

import numpy as np

from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern

_LEAST_SHARE = 0.2


def imbalance(concept: Concept) -> list[Concern]:
    """Warns when fewer than a fifth of the texts are of the smaller class, or when most grades are one number.

    Area under the ROC curve does not depend on the shares; accuracy, the intercept and any threshold do, and the
    smaller class decides how sure a direction is.
    """
    values, counts = np.unique(concept.labels, return_counts=True)
    most = int(np.argmax(counts))
    others = len(concept) - int(counts[most])
    share = others / len(concept)
    if share >= _LEAST_SHARE:
        return []
    if concept.kind == "graded":
        finding = f"{counts[most]} of {len(concept)} grades are {values[most]:g}"
        mend = "draw texts evenly over the grades"
    else:
        which = "with" if values[most] < 0 else "without"
        finding = f"{share:.1%} of the texts are {which} the concept ({others} of {len(concept)})"
        mend = "judge by AUROC and not by accuracy, and collect more of the smaller class: it sets the precision"
    return [Concern(check="imbalance", finding=finding, mend=mend, numbers={"share": share})]
