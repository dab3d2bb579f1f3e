"""Grading: whether a network's likeliest answer is the right one, and how probable it holds that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.errors.graded import Graded, Questions
from gnomon.errors import GnomonError
from gnomon.subjects import Batch, Subject
from gnomon.subjects.generation import prompt_ids

Array = NDArray[np.float64]

_POSITIONS = 16384  # of a batch


@dataclass(frozen=True, eq=False)
class Continued:
    """What a network makes of continuations of prompts.

    Parameters
    ----------
    log_probability : ``(n,)`` of each continuation after its prompt; nats.
    followed : ``(n,)``: whether each of its tokens is the likeliest, so that the network would write it by itself.
    own : ``(n,)`` log-probability of what it would write instead, up to the token at which it leaves the continuation.
    """

    log_probability: Array
    followed: NDArray[np.bool_]
    own: Array


def grade(deployment: Deployment, questions: Questions) -> Graded:
    r"""The deployment's answers to ``questions``, graded.

    With choices :math:`a_1, \dots, a_k` the answer is the likeliest of them after the prompt q, and the confidence is

    .. math:: c = \max_i \frac{p(a_i \mid q)}{\sum_j p(a_j \mid q)};

    a tie is wrong unless the target alone is likeliest. Without choices the answer is what the network writes by always
    taking the likeliest token: it is right if it begins with the target. The confidence is then the product of these
    tokens' probabilities, up to the end of the target or to the first token that is not the target's.

    The controller is active. What a monitor would withhold is graded like anything else.

    Raises GnomonError for a subject that has no tokenizer or does not predict the next token, and for a token that it
    does not know. Cost: a forward pass over each prompt with each of its choices.
    """
    offered = [choices or (target,) for choices, target in zip(questions.choices, questions.targets, strict=True)]
    owners = np.repeat(np.arange(len(questions)), [len(one) for one in offered])
    with deployment.defence.on() as subject:
        found = continued(
            subject, [questions.prompts[i] for i in owners.tolist()], [answer for one in offered for answer in one]
        )
    targets = np.array([answer == questions.targets[i] for i, one in enumerate(offered) for answer in one])
    chosen = np.array([bool(one) for one in questions.choices])
    wrong, sure = _among_choices(found.log_probability, owners, targets, len(questions))
    first = np.searchsorted(owners, np.arange(len(questions)))
    errors = np.where(chosen, wrong, ~found.followed[first]).astype(np.float64)
    confidence = np.where(chosen, sure, np.exp(found.own[first]))
    return Graded(
        texts=questions.prompts,
        errors=errors,
        confidence=np.minimum(confidence, 1.0),
        clusters=questions.clusters,
        columns=questions.columns,
        source=questions.source,
    )


def _among_choices(
    log_probability: Array, owners: NDArray[np.int64], targets: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.bool_], Array]:
    best = np.full(count, -np.inf)
    np.maximum.at(best, owners, log_probability)
    total = np.bincount(owners, weights=np.exp(log_probability - best[owners]), minlength=count)
    at_best = log_probability == best[owners]
    ties = np.bincount(owners, weights=at_best, minlength=count)
    right = np.bincount(owners, weights=at_best & targets, minlength=count)
    return (right == 0) | (ties > 1), 1 / total


def continued(subject: Subject, prompts: Sequence[str], continuations: Sequence[str]) -> Continued:
    """The probability of each continuation after its prompt, a blank between them.

    Sequences of one length are run together, without padding, through the module itself, so that hooks on it act as
    they do in use. Where the tokenizer joins the end of a prompt with the beginning of its continuation, the
    continuation begins at the first token that differs.

    Raises GnomonError as `grade` does, and for a sequence longer than the context. Cost: one forward pass over all.
    """
    ids = prompt_ids(subject, [f"{p} {c}" for p, c in zip(prompts, continuations, strict=True)])
    begun = dict(zip(distinct := list(dict.fromkeys(prompts)), prompt_ids(subject, distinct), strict=True))
    starts = [_begin(begun[prompt], one) for prompt, one in zip(prompts, ids, strict=True)]
    longest = max(map(len, ids))
    if subject.context is not None and longest > subject.context:
        raise GnomonError(
            f"a question with its answer has {longest} tokens, the context of {subject.name} is {subject.context}",
            mend="shorten it",
        )
    likely, followed, own = (np.empty(len(ids)) for _ in range(3))
    with subject.evaluating(), torch.no_grad():
        for places in _alike([len(one) for one in ids]):
            tokens = torch.tensor([ids[i] for i in places])
            output = subject.output(Batch(args=(tokens,), examples=torch.arange(len(places))))
            if output.ndim != 3 or output.shape[1] != tokens.shape[1]:
                raise GnomonError(f"{subject.name} does not predict the next token", mend="give a language model")
            given = tokens[:, 1:]
            after = torch.arange(1, tokens.shape[1]) >= torch.tensor([starts[i] for i in places])[:, None]
            here = after.to(output.device)
            logs = torch.log_softmax(output[:, :-1][here].double(), dim=-1)  # the prompt's own tokens cost nothing
            highest, likeliest = (_spread(values, after) for values in logs.max(dim=-1))
            said = _spread(logs.gather(-1, given.to(logs.device)[here][:, None])[:, 0], after)
            same = ((likeliest == given) | ~after).long().cumprod(dim=1)
            # what it would write: the continuation's tokens while they are likeliest, and the first that is another
            written = torch.cat([torch.ones_like(same[:, :1]), same[:, :-1]], dim=1)
            likely[places] = said.sum(dim=1).numpy()
            followed[places] = same[:, -1].numpy()
            own[places] = (highest * written).sum(dim=1).numpy()
    return Continued(likely, followed.astype(bool), own)


def _spread(values: Tensor, where: Tensor) -> Tensor:
    """``values`` in the places of ``where``, and 0 elsewhere."""
    return torch.zeros(where.shape, dtype=values.dtype).masked_scatter(where, values.cpu())


def _begin(prompt: Sequence[int], whole: Sequence[int]) -> int:
    """How many tokens the two begin with, at least one and not all of ``whole``."""
    same = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt))
    return max(1, min(same, len(whole) - 1))


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Batches of places whose lengths are equal."""
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(length, []).append(place)
    return [
        places[i : i + max(1, _POSITIONS // length)]
        for length, places in groups.items()
        for i in range(0, len(places), max(1, _POSITIONS // length))
    ]
