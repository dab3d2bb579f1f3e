"""How likely a network finds given answers to given prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids

_NUMBERS = 2**25  # log-probabilities that are held at once


def answer_log_probabilities(subject: Subject, prompts: Sequence[str], answers: Sequence[str]) -> NDArray[np.float64]:
    """Log-probability of each answer after its prompt, ``(n,)``; nats, summed over the answer's tokens.

    The answer's tokens are those of the whole text after what it has in common with the prompt's, so that a tokenizer
    which joins the two at the seam is scored on what it would read.

    Raises GnomonError for a subject without a tokenizer, a token that it does not know, or a text that is longer than
    the context. Hooks on the module, such as a controller's, act. Cost: a forward pass over each text.
    """
    before = prompt_ids(subject, list(prompts))
    whole = prompt_ids(subject, [f"{p.rstrip()} {a.lstrip()}" for p, a in zip(prompts, answers, strict=True)])
    longest = max(map(len, whole), default=0)
    if subject.context is not None and longest > subject.context:
        raise GnomonError(
            f"a prompt with its answer has {longest} tokens, the context of {subject.name} is {subject.context}",
            mend="shorten the prompts",
        )
    batch = max(1, _NUMBERS // max(1, longest * _outputs(subject)))
    found = []
    for start in range(0, len(whole), batch):
        rows = whole[start : start + batch]
        for first, ids, scores in zip(before[start:], rows, sequence_log_probabilities(subject, rows), strict=False):
            same = next((i for i, (a, b) in enumerate(zip(first, ids, strict=False)) if a != b), len(first))
            found.append(scores[max(same - 1, 0) :].sum())
    return np.array(found, dtype=np.float64)


def _outputs(subject: Subject) -> int:
    """Numbers that the network writes at a position."""
    head = getattr(subject.module, "get_output_embeddings", lambda: None)()
    return 2**16 if head is None else int(head.weight.shape[0])
