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
    words: tuple[Sequence[str], Sequence[str]] | None = None,
    others: Sequence[Dictionary] = (),
    draws: int = 39,
    level: float = 0.95,
) -> list[Measurement]:
    """What `effects` and `stability` measure of ``explanation`` on the texts of ``concept``.

    Parameters
    ----------
    concept : texts with and without it; texts that the explanation was not found in are the better evidence.
    words : answers that say the concept is there, and answers that say it is not; without them the network's own
        contrast of log-probabilities after the texts is explained.
    others : dictionaries trained on other seeds, for an explanation by latents.

    Raises GnomonError for a graded concept, as `read_examples` does, and for words or a site that the subject does not
    have.

    Cost: that of both; ``draws + 5`` forward passes over the texts.
    """
    if concept.kind == "graded":
        raise GnomonError(f"concept {concept.name!r} is graded", mend="give texts with and without it")
    site, position = explanation.site, explanation.position
    examples = read_examples(subject, concept, [site], position, rng=rng.child("reading"))[site]
    outcome: Outcome
    if words is None:
        outcome = OwnContrast(concept.texts, np.asarray(concept.labels), concept.clusters)
    else:
        outcome = WordContrast(concept.texts, *words)
    return [
        *effects(subject, explanation, examples, outcome, rng.child("effects"), draws=draws, level=level),
        *stability(explanation, examples, rng.child("stability"), others=others, level=level),
    ]
