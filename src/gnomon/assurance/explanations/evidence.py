"""The evidence for an explanation: its faithfulness, completeness and stability, measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnomon.assurance.explanations.effects import effects
from gnomon.assurance.explanations.explanation import Explanation
from gnomon.assurance.explanations.outcome import Outcome, OwnContrast, WordContrast
from gnomon.assurance.explanations.stability import stability
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.structure.concepts.activations import read_examples
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.subjects import Subject


def evidence(
    subject: Subject,
    explanation: Explanation,
    concept: Concept,
    rng: Rng,
    *,
    judged: Concept | None = None,
    words: tuple[Sequence[str], Sequence[str]] | None = None,
    others: Sequence[Dictionary] = (),
    draws: int = 39,
    level: float = 0.95,
) -> list[Measurement]:
    """What `effects` measure of ``explanation`` on the texts of ``judged``, and `stability` on those of ``concept``.

    Parameters
    ----------
    concept : texts with and without it, best those that the explanation was found in.
    judged : other texts, that it was not found in; by default those of ``concept``.
    words : answers that say the concept is there, and answers that say it is not; without them the network's own
        contrast of log-probabilities after the texts is explained.
    others : dictionaries trained on other seeds, for an explanation by latents.

    Raises GnomonError for a graded concept, as `read_examples` does, and for words or a site that the subject does not
    have.

    Cost: that of both; ``draws + 5`` forward passes over the texts that are judged, and one over the others.
    """
    told = concept if judged is None else judged
    if "graded" in (concept.kind, told.kind):
        raise GnomonError(f"concept {concept.name!r} is graded", mend="give texts with and without it")
    site, position = explanation.site, explanation.position
    examples = read_examples(subject, concept, [site], position, rng=rng.child("reading"))[site]
    read = examples if judged is None else read_examples(subject, told, [site], position, rng=rng.child("judged"))[site]
    outcome: Outcome
    if words is None:
        outcome = OwnContrast(told.texts, np.asarray(told.labels), told.clusters)
    else:
        outcome = WordContrast(told.texts, *words)
    return [
        *effects(subject, explanation, read, outcome, rng.child("effects"), draws=draws, level=level),
        *stability(explanation, examples, rng.child("stability"), others=others, level=level),
    ]
