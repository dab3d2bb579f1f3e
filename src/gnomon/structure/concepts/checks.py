"""All that is looked at before a direction is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.errors import InsufficientEvidenceError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.concepts.contrast import centred_contrast
from gnomon.structure.concepts.duplicates import duplicates, leaks
from gnomon.structure.concepts.identical import identical_vectors
from gnomon.structure.concepts.imbalance import imbalance
from gnomon.structure.concepts.length import length_auroc, length_leak
from gnomon.structure.concepts.massive import massive_coordinates, outlying_examples
from gnomon.structure.concepts.quantities import LENGTH_AUROC, SURFACE_AUROC
from gnomon.structure.concepts.surface import cross_validated_words, surface_leak
from gnomon.structure.examples import Examples


@dataclass(frozen=True, eq=False)
class Checked:
    """What checks found.

    Parameters
    ----------
    measurements : the baselines, which are reported whether or not they alarm.
    concerns : the warnings.
    """

    measurements: tuple[Measurement, ...]
    concerns: tuple[Concern, ...]


def check_texts(
    concept: Concept,
    *,
    rng: Rng,
    tokens: Sequence[int] | None = None,
    test: Concept | None = None,
    level: float = 0.95,
) -> Checked:
    """Every check of a concept's texts, and the baselines that go with them.

    Parameters
    ----------
    tokens : number of tokens of each text, where a tokenizer is at hand.
    test : other texts on which directions will be judged.
    level : of the intervals.

    Cost: some 100 small fits of words, and the comparison of texts with each other.
    """
    found = []
    concerns = [*imbalance(concept), *duplicates(concept), *(leaks(concept, test) if test is not None else ())]
    lengths = {"characters": [len(text) for text in concept.texts], "tokens": tokens}
    for unit, counted in lengths.items():
        if counted is not None:
            area = length_auroc(concept, counted, level=level)
            labels = {"unit": unit}
            found.append(Measurement.ok(LENGTH_AUROC, area.value, area.uncertainty, labels=labels, estimator="length"))
            concerns += length_leak(area, unit)
    try:
        area = cross_validated_words(concept, rng=rng, level=level)
    except InsufficientEvidenceError as error:
        found.append(Measurement.insufficient(SURFACE_AUROC, str(error), estimator="bag_of_words"))
    else:
        found.append(Measurement.ok(SURFACE_AUROC, area.value, area.uncertainty, estimator="bag_of_words"))
        concerns += surface_leak(area)
    return Checked(tuple(found), tuple(concerns))


def check_vectors(examples: Examples, *, site: str | None = None) -> list[Concern]:
    """Every check of a concept's vectors at a site, or of vectors from anywhere."""
    checks = (identical_vectors, massive_coordinates, outlying_examples, centred_contrast)
    return [concern for check in checks for concern in check(examples, site=site)]


def class_counts(concept: Concept) -> dict[str, int]:
    """How many texts are with and without the concept; for grades, above and not above their median."""
    middle = float(np.median(concept.labels)) if concept.kind == "graded" else 0.0
    above = int((concept.labels > middle).sum())
    return {"with": above, "without": len(concept) - above}
