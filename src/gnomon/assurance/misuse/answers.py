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

    Raises GnomonError as `answer_ids` does, for a text that is longer than the context, and where the network gives no
    finite probability. Hooks on the module, such as a controller's, act. Cost: a forward pass over each text.
    """
    found = answer_ids(subject, prompts, answers)
    longest = max((len(ids) for ids, _ in found), default=0)
    if subject.context is not None and longest > subject.context:
        raise GnomonError(
            f"a prompt with its answer has {longest} tokens, the context of {subject.name} is {subject.context}",
            mend="shorten the prompts",
        )
    batch = max(1, _NUMBERS // max(1, longest * _outputs(subject)))
    sums = []
    for start in range(0, len(found), batch):
        part = found[start : start + batch]
        scores = sequence_log_probabilities(subject, [ids for ids, _ in part])
        sums += [row[max(same - 1, 0) :].sum() for row, (_, same) in zip(scores, part, strict=True)]
    return finite(subject, np.array(sums, dtype=np.float64))


def answer_ids(subject: Subject, prompts: Sequence[str], answers: Sequence[str]) -> list[tuple[Sequence[int], int]]:
    """The tokens of each prompt with its answer, and at which of them the answer begins.

    The answer's tokens are those of the whole text after what it has in common with the prompt's, so that a tokenizer
    which joins the two at the seam is scored on what it would read.

    Raises GnomonError for a subject without a tokenizer, and for a text with a word that it has no token for: what
    cannot be asked or written is not refused either.
    """
    before = prompt_ids(subject, list(prompts))
    texts = [f"{p.rstrip()} {a.lstrip()}" for p, a in zip(prompts, answers, strict=True)]
    whole = prompt_ids(subject, texts)
    unknown = _unknown(subject)
    for text, ids in zip(texts, whole, strict=True):
        if unknown in ids:
            raise GnomonError(f"{subject.name} has no token for a word of {text!r}", mend="leave out such requests")
    return [
        (ids, next((i for i, (a, b) in enumerate(zip(first, ids, strict=False)) if a != b), len(first)))
        for first, ids in zip(before, whole, strict=True)
    ]


def finite(subject: Subject, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``scores``. Raises GnomonError where one is no number: compared, it would pass for an answer or for none."""
    if np.isnan(scores).any():
        raise GnomonError(f"{subject.name} gives NaN for a probability", mend="look at its weights")
    return scores


def _unknown(subject: Subject) -> int | None:
    """The token for unknown words, where it is not also put before or after every text."""
    found, *others = (getattr(subject.tokenizer, f"{kind}_token_id", None) for kind in ("unk", "bos", "eos"))
    return None if found in others else found


def _outputs(subject: Subject) -> int:
    """Numbers that the network writes at a position."""
    head = getattr(subject.module, "get_output_embeddings", lambda: None)()
    return 2**16 if head is None else int(head.weight.shape[0])
