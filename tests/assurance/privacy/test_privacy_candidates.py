"""Continuations read as a tree: against reading each one by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from privacy_subjects import untrained

from gnomon.assurance.privacy.candidates import tail_ranks, text_ranks
from gnomon.assurance.privacy.likelihoods import likelihoods
from gnomon.assurance.privacy.spaces import Space
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.organisms.language_models.tokenizer import byte_pairs
from gnomon.subjects.generation import generate, prompt_ids


def test_tree_gives_the_ranks_of_reading_every_tail(tmp_path: Path) -> None:
    subject = untrained(tmp_path)
    generator = np.random.default_rng(0)
    heads = [[1, 5, 6], [1, 7, 8], [1, 5, 6, 9], [1, 9, 9], [1, 20, 4]]
    tails = [list(tail) for tail in {tuple(generator.integers(4, 9, size=n).tolist()) for n in (1, 2, 3, 3, 4) * 25}]
    own = generator.integers(len(tails), size=len(heads))
    # of short tails nearly all else is less likely than they are, of long ones little
    own[:2] = [min(range(len(tails)), key=lambda i: len(tails[i])), max(range(len(tails)), key=lambda i: len(tails[i]))]
    better, equal = tail_ranks(subject, heads, tails, own)
    assert equal.tolist() == [0] * len(heads)
    for found, head, mine in zip(better.tolist(), heads, own.tolist(), strict=True):
        read = sequence_log_probabilities(subject, [head + tail for tail in tails])
        totals = np.array([one[len(head) - 1 :].sum() for one in read])
        assert found == (totals > totals[mine]).sum()
    assert min(better) < 10 < max(better)


def test_equal_candidates_are_counted_apart(tmp_path: Path) -> None:
    """Two words that the network cannot tell apart, neither in what it reads nor in what it says."""
    subject = untrained(tmp_path)
    with torch.no_grad():
        for weights in (subject.module.get_input_embeddings().weight, subject.module.get_output_embeddings().weight):
            weights[11] = weights[10]
    tails = [[a, b] for a in (10, 11) for b in (10, 11)] + [[12, 12]]
    better, equal = tail_ranks(subject, [[1, 5]], tails, np.array([0]))
    assert equal.tolist() == [3]
    assert better.tolist() in ([0], [1])


def test_tokens_that_depend_on_the_prompt_are_read_one_by_one(tmp_path: Path) -> None:
    texts = [f"pin {i}{j} for ab{i}" for i in range(10) for j in range(10)]
    subject = untrained(tmp_path, tokenizer=byte_pairs(texts, 320))
    space, prompts = Space("##@"), ["my pin is ", "pin ab", "code"]
    candidates = space.texts()[::37]
    own = np.array([3, 40, 20])
    better, _ = text_ranks(subject, prompts, candidates, own)
    for found, prompt, mine in zip(better.tolist(), prompts, own.tolist(), strict=True):
        wholes = prompt_ids(subject, [prompt + text for text in candidates])
        # all share what stands before the candidate
        totals = np.array([one.sum() for one in sequence_log_probabilities(subject, wholes)])
        assert found == (totals > totals[mine]).sum()


def test_a_candidate_of_no_token_or_of_anothers_is_refused(tmp_path: Path) -> None:
    subject = untrained(tmp_path)
    with pytest.raises(GnomonError, match="adds no token"):
        tail_ranks(subject, [[1]], [[2], []], np.array([0]))
    with pytest.raises(GnomonError, match="candidates 1 and 2 are the same tokens"):
        text_ranks(subject, ["is "], ["strange", "stranger"], np.array([0]))


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
