"""What a subject expects after a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects import Batch, Subject
from gnomon.subjects.generation import prompt_ids
from gnomon.subjects.tokens import check_known, encode

_BATCH = 512


def next_log_probabilities(subject: Subject, prompts: Sequence[str]) -> NDArray[np.float64]:
    """Log-probability of every token after each prompt, ``(prompts, vocabulary)``; nats.

    Prompts of one length are run together, without padding, through the module itself: hooks on it, such as a
    controller's, act as in use.

    Raises GnomonError for a subject without a tokenizer or a prompt with a token that it does not know.
    """
    ids = prompt_ids(subject, prompts)
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(ids)
    with subject.evaluating(), torch.no_grad():
        for places in _alike([len(one) for one in ids]):
            tokens = torch.tensor([ids[i] for i in places])
            output = subject.output(Batch(args=(tokens,), examples=torch.tensor(places)))
            rows = torch.log_softmax(output[:, -1].double(), dim=-1).cpu().numpy()
            for place, row in zip(places, rows, strict=True):
                found[place] = row
    return np.stack(found)


def token_log_probabilities(subject: Subject, texts: Sequence[str], *, end: bool) -> list[NDArray[np.float64]]:
    """Log-probability of each word of each text after the first token, and with ``end`` of the text's end; nats."""
    ids = encode(subject, list(texts))
    return sequence_log_probabilities(subject, [[*one, subject.tokenizer.eos_token_id] for one in ids] if end else ids)


def sequence_log_probabilities(subject: Subject, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
    """Log-probability of each token of each sequence after its first; nats. Run as in `next_log_probabilities`."""
    check_known(subject, ids, [f"text {n}" for n in range(1, len(ids) + 1)])
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(ids)
    with subject.evaluating(), torch.no_grad():
        for places in _alike([len(one) for one in ids]):
            tokens = torch.tensor([ids[i] for i in places])
            output = subject.output(Batch(args=(tokens,), examples=torch.tensor(places)))
            scores = torch.log_softmax(output[:, :-1].double(), dim=-1)
            rows = scores.gather(-1, tokens[:, 1:, None].to(scores.device))[..., 0].cpu().numpy()
            for place, row in zip(places, rows, strict=True):
                found[place] = row
    return found


def word_ids(subject: Subject, words: Sequence[str]) -> Mapping[str, int]:
    """The token of each word. Raises GnomonError for one that the subject does not know."""
    known = subject.tokenizer.get_vocab()
    for word in words:
        if word not in known:
            raise GnomonError(f"{subject.name} does not know the word {word!r}", mend="give the subject of this world")
    return {word: known[word] for word in words}


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Batches of places whose lengths are equal."""
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(length, []).append(place)
    return [places[i : i + _BATCH] for places in groups.values() for i in range(0, len(places), _BATCH)]
