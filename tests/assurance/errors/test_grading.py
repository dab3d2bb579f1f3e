"""Grading: the likeliest answer, and its probability, as a plain forward pass gives them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.assurance import Deployment
from gnomon.assurance.errors.activation_groups import activation_groups, k_means, nearest
from gnomon.assurance.errors.graded import Questions
from gnomon.assurance.errors.grading import continued, grade
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.llama import llama
from gnomon.organisms.language_models.tokenizer import word_level
from gnomon.randomness import Rng
from gnomon.subjects import Subject, load
from gnomon.subjects.saving import save

WORDS = [*"abcdefgh", "yes", "no"]


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    tokenizer = word_level(WORDS)
    model = llama(vocabulary=len(tokenizer), width=16, layers=2, heads=2, context=16, rng=Rng(3))
    for parameter in model.parameters():
        parameter.data.mul_(3.0)  # far from uniform
    save(model, tokenizer, place)
    return load(place)


def log_probabilities(subject, prompt, answer):
    """Of each token of the answer, the row of log-probabilities before it, by one plain pass a token."""
    ids = subject.tokenizer(prompt)["input_ids"]
    if ids[-1] == subject.tokenizer.eos_token_id:
        ids = ids[:-1]
    rows = []
    for word in answer.split():
        with torch.no_grad():
            rows.append(torch.log_softmax(subject.module(torch.tensor([ids])).logits[0, -1].double(), -1).numpy())
        ids = [*ids, subject.tokenizer.get_vocab()[word]]
    return rows


def made(prompts, targets, choices):
    return Questions(
        prompts=tuple(prompts),
        targets=tuple(targets),
        choices=tuple(choices),
        clusters=np.arange(len(prompts)),
        columns={},
    )


def test_choices_are_graded_by_their_probabilities(subject):
    prompts = ["a b", "c d e", "f", "g h a", "b"]
    offered = ("yes a", "no", "b c d")
    graded = grade(Deployment(subject=subject), made(prompts, ["no"] * 5, [offered] * 5))
    ids = subject.tokenizer.get_vocab()
    for prompt, error, sure in zip(prompts, graded.errors, graded.confidence, strict=True):
        logs = np.array(
            [
                sum(row[ids[w]] for row, w in zip(log_probabilities(subject, prompt, a), a.split(), strict=True))
                for a in offered
            ]
        )
        shares = np.exp(logs) / np.exp(logs).sum()
        assert error == float(logs.argmax() != 1)
        assert sure == pytest.approx(shares.max(), rel=1e-4)


def test_an_answer_is_right_when_it_would_be_written(subject):
    ids = {number: word for word, number in subject.tokenizer.get_vocab().items()}
    prompts, targets, expected = [], [], []
    for prompt in (f"{a} {b}" for a in "abcd" for b in "abcd"):
        written, words, probability = [], [], 1.0
        for _ in range(3):
            row = log_probabilities(subject, prompt, " ".join([*words, "a"]))[-1]
            word = ids[int(row.argmax())]
            if word not in WORDS:
                break
            words.append(word)
            probability *= float(np.exp(row.max()))
            written.append((" ".join(words), probability))
        for text, sure in written:
            prompts.append(prompt)
            targets.append(text)
            expected.append((0.0, sure))
            other = next(w for w in WORDS if w != text.split()[-1])
            prompts.append(prompt)
            targets.append(" ".join([*text.split()[:-1], other]))
            expected.append((1.0, sure))
    assert len(prompts) >= 6
    graded = grade(Deployment(subject=subject), made(prompts, targets, [()] * len(prompts)))
    assert graded.errors.tolist() == [error for error, _ in expected]
    assert graded.confidence == pytest.approx([sure for _, sure in expected], rel=1e-4)


def test_a_tie_is_wrong(subject):
    graded = grade(Deployment(subject=subject), made(["a"], ["b"], [("b", "b ")]))
    assert graded.errors.tolist() == [1.0]
    assert graded.confidence.tolist() == [pytest.approx(0.5)]


def test_what_does_not_fit_or_is_not_known_is_one_line(subject):
    with pytest.raises(GnomonError, match=f"has {subject.context + 3} tokens, the context of .* is {subject.context}"):
        continued(subject, ["a " * subject.context], ["b b"])
    with pytest.raises(GnomonError, match="no tokenizer"):
        continued(Subject(torch.nn.Identity()), ["a"], ["b"])


def test_groups_are_of_the_known_examples_alone(subject):
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 4)) for _ in range(160)]
    known = np.arange(160) < 80
    graded = grade(Deployment(subject=subject), made(texts, ["a"] * 160, [()] * 160))
    groups = activation_groups(subject, graded, known, "blocks.1", Rng(0))
    assert set(groups) == {"blocks.1, 8 groups"}
    part = graded.take(known)
    alone = activation_groups(subject, part, np.ones(80, dtype=bool), "blocks.1", Rng(0))
    assert (groups["blocks.1, 8 groups"][known] == alone["blocks.1, 8 groups"]).all()


def test_k_means_finds_what_is_apart():
    generator = np.random.default_rng(0)
    truth = generator.integers(4, size=400)
    points = 10 * np.eye(4)[truth] + generator.normal(size=(400, 4))
    centres = k_means(points, 4, Rng(0))
    found = nearest(points, centres)
    assert len({(a, b) for a, b in zip(truth.tolist(), found.tolist(), strict=True)}) == 4
    assert (found == ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)).all()
