"""Continuations read as a tree: against reading each one by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from privacy_subjects import untrained

from gnomon.assurance.privacy.candidates import tail_log_probabilities, text_log_probabilities
from gnomon.assurance.privacy.likelihoods import likelihoods
from gnomon.assurance.privacy.spaces import Space
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.organisms.language_models.tokenizer import byte_pairs
from gnomon.subjects.generation import generate, prompt_ids


def test_tree_gives_what_each_tail_gives(tmp_path: Path) -> None:
    subject = untrained(tmp_path)
    heads = [[1, 5, 6], [1, 7, 8], [1, 5, 6, 9]]
    tails = [[10, 11, 12], [10, 11, 13], [10, 14], [15], [16, 11, 12, 12], [10, 14, 10]]
    found = tail_log_probabilities(subject, heads, tails)
    for row, head in zip(found, heads, strict=True):
        expected = [sum(sequence_log_probabilities(subject, [head + t])[0][len(head) - 1 :]) for t in tails]
        np.testing.assert_allclose(row, expected, atol=2e-5)


def test_tokens_that_depend_on_the_prompt_are_read_one_by_one(tmp_path: Path) -> None:
    texts = [f"pin {i}{j} for ab{i}" for i in range(10) for j in range(10)]
    subject = untrained(tmp_path, tokenizer=byte_pairs(texts, 320))
    space, prompts = Space("##@"), ["my pin is ", "pin ab", "code"]
    candidates = space.texts()[::37]
    found = text_log_probabilities(subject, prompts, candidates)
    for row, prompt in zip(found, prompts, strict=True):
        wholes = prompt_ids(subject, [prompt + text for text in candidates])
        totals = np.array([one.sum() for one in sequence_log_probabilities(subject, wholes)])
        # all share what stands before: differences are those of whole texts
        np.testing.assert_allclose(row - row[0], totals - totals[0], atol=5e-5)


def test_a_candidate_of_no_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="adds no token"):
        tail_log_probabilities(untrained(tmp_path), [[1]], [[2], []])


def test_likelihood_is_of_the_distribution(tmp_path: Path) -> None:
    subject = untrained(tmp_path)
    ids, temperature = [[1, 5, 9, 12], [1, 4], [1, 8, 8, 8]], 0.7
    for one, sequence in zip(likelihoods(subject, ids, temperature=temperature), ids, strict=True):
        with torch.no_grad():
            logits = subject.module(input_ids=torch.tensor([sequence])).logits[0, :-1].double() / temperature
        chances = torch.softmax(logits, dim=-1).numpy()
        logs = np.log(chances)
        places = np.arange(len(sequence) - 1)
        mean = (chances * logs).sum(axis=1)
        np.testing.assert_allclose(one.given, logs[places, sequence[1:]], atol=1e-5)
        np.testing.assert_allclose(one.expected, mean, atol=1e-5)
        np.testing.assert_allclose(one.spread, np.sqrt((chances * (logs - mean[:, None]) ** 2).sum(axis=1)), atol=1e-5)
        assert one.greedy.tolist() == (logits.argmax(dim=-1).numpy() == sequence[1:]).tolist()


def test_greedy_is_what_the_subject_writes(tmp_path: Path) -> None:
    subject = untrained(tmp_path)
    prompts = ["the code of owner11", "w1 w2", "is is is 4"]
    ids = prompt_ids(subject, [f"{p} {w}" for p, w in zip(prompts, generate(subject, prompts, tokens=3), strict=True)])
    starts = [len(one) for one in prompt_ids(subject, prompts)]
    for one, start in zip(likelihoods(subject, ids), starts, strict=True):
        assert one.greedy[start - 1 :].all()


def test_a_text_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="text 2 has 1 tokens; give from 2 to 128"):
        likelihoods(untrained(tmp_path), [[1, 2], [1]])
