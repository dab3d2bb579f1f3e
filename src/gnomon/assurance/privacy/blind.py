"""What texts alone tell of their membership: it is the draw's fault, and no subject's."""

from __future__ import annotations

from dataclasses import dataclass

from gnomon.assurance.privacy.texts import Draw
from gnomon.errors import InsufficientEvidenceError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.concepts.length import length_auroc
from gnomon.structure.concepts.quantities import LENGTH_AUROC, SURFACE_AUROC
from gnomon.structure.concepts.surface import cross_validated_words
from gnomon.structure.directions.detection import Auroc

_CHANCE = 0.5
BASELINES = ("words", "length")


@dataclass(frozen=True, eq=False)
class Blind:
    """The baselines of a draw.

    Parameters
    ----------
    words : the area of a classifier of words, cross-fitted; ``None`` with too few texts to fit one.
    measurements : both baselines, to be reported beside every attack.
    unlike : why members and non-members were not told apart by a draw alone; empty where nothing shows it, and where
        they are known to have been: there a baseline above chance is chance, and is shown all the same.
    """

    words: Auroc | None
    measurements: tuple[Measurement, ...]
    unlike: str


def blind(draw: Draw, rng: Rng, *, level: float = 0.95) -> Blind:
    """What a classifier that never sees the subject makes of the texts: by their words, and by their length.

    Where membership was drawn, no classifier does better than chance on texts that it was not fitted to. One that does
    shows another difference, of date or topic, that every score of a subject may feed on. That none does shows nothing:
    only the draw itself makes members and non-members alike.

    Parameters
    ----------
    level : of each of the two intervals.

    Sources: Das, Zhang & Tramèr, arXiv:2406.16201; Duan et al., arXiv:2402.07841. Cost: as `cross_validated_words`.
    """
    labels = {"texts": draw.name}
    concept = draw.concept
    length = length_auroc(concept, [len(text) for text in draw.texts], level=level)
    found = [
        Measurement.ok(
            LENGTH_AUROC,
            length.value,
            length.uncertainty,
            labels={**labels, "unit": "characters"},
            estimator="blind",
        )
    ]
    unlike = []
    if length.uncertainty.low is not None and not length.uncertainty.contains(length.value, _CHANCE):
        unlike.append(f"length has {_told(length)}")
    words = None
    try:
        words = cross_validated_words(concept, rng=rng, level=level)
    except InsufficientEvidenceError as error:
        found.append(Measurement.insufficient(SURFACE_AUROC, str(error), labels=labels, estimator="blind"))
    else:
        found.append(Measurement.ok(SURFACE_AUROC, words.value, words.uncertainty, labels=labels, estimator="blind"))
        if isinstance(words.uncertainty.low, float) and words.uncertainty.low > _CHANCE:
            unlike.append(f"a classifier of words has {_told(words)}")
    reason = (
        f"members and non-members differ as texts: {' and '.join(unlike)}" if unlike and not draw.randomised else ""
    )
    return Blind(words, tuple(found), reason)


def _told(area: Auroc) -> str:
    return f"AUROC {area.value:.2f} [{area.uncertainty.low:.2f}, {area.uncertainty.high:.2f}]"
