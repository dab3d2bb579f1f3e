"""What is measured of a concept's texts before anything is fitted."""

from __future__ import annotations

from gnomon.measurement import Quantity, catalogue

_AREA = r"\frac{1}{n_+ n_-} \sum_{i \in +} \sum_{j \in -} \left( [s_i > s_j] + \frac{1}{2} [s_i = s_j] \right)"
_SOURCE = "Hanley & McNeil, Radiology 143 (1982) 29"

SURFACE_AUROC = catalogue.add(
    Quantity(
        name="surface_auroc",
        symbol=r"A_\mathrm{words}",
        definition=_AREA,
        convention="s is the log-odds of a logistic regression on the words of a text, fitted to other texts (5 folds, "
        "clusters whole, the penalty chosen inside each; pairs within a fold are compared); graded concepts are "
        "split at their median",
        source=_SOURCE,
        lowest=0.0,
        highest=1.0,
    )
)
LENGTH_AUROC = catalogue.add(
    Quantity(
        name="length_auroc",
        symbol=r"A_\mathrm{length}",
        definition=_AREA,
        convention="s is the length of a text; above 1/2 where texts with the concept are longer; graded concepts are "
        "split at their median",
        source=_SOURCE,
        dims=("unit",),
        lowest=0.0,
        highest=1.0,
    )
)
