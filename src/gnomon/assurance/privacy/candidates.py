"""What a subject thinks of many continuations of one prompt: a tree of tokens, each of which is read once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids
from gnomon.subjects.tokens import check_known

Array = NDArray[np.float64]

_ROWS = 8192  # positions that are read at once: a whole level of the tree for as many prompts as fit
_CHECKED = 8


def text_log_probabilities(subject: Subject, prompts: Sequence[str], texts: Sequence[str]) -> Array:
    """Log-probability of each of ``texts`` after each prompt, ``(prompts, texts)``; nats.

    Parameters
    ----------
    prompts : with the blank at the end, where one stands before the continuation.
    texts : the continuations, one list for all prompts.

    A continuation is taken to be written in the same tokens after every prompt. That is checked on some; where it does
    not hold, the prompts are read one by one, each with the tokens that it shares with all of its continuations.

    Raises GnomonError when the subject is no causal language model with a tokenizer.
    """
    wholes = prompt_ids(subject, [prompts[0] + text for text in texts])
    start = _shared(wholes)
    tails = [one[start:] for one in wholes]
    heads = [wholes[0][:start]]
    if len(prompts) == 1:
        return tail_log_probabilities(subject, heads, tails)
    probes = np.unique(np.linspace(0, len(texts) - 1, _CHECKED).astype(int)).tolist()
    for prompt in prompts[1:]:
        written = prompt_ids(subject, [prompt + texts[i] for i in probes])
        rest = [len(one) - len(tails[i]) for one, i in zip(written, probes, strict=True)]
        head = written[0][: rest[0]]
        if any(one != head + tails[i] for one, i in zip(written, probes, strict=True)):
            return np.concatenate([text_log_probabilities(subject, [one], texts) for one in prompts])
        heads.append(head)
    return tail_log_probabilities(subject, heads, tails)


def tail_log_probabilities(subject: Subject, heads: Sequence[Sequence[int]], tails: Sequence[Sequence[int]]) -> Array:
    r"""Log-probability of each tail of tokens after each head, ``(heads, tails)``; nats.

    Tails that begin alike are read together: the network sees every head once, and after it every beginning of a tail
    once, with the keys and values of what stands before it kept. Of the :math:`10^4` codes of four digits after a head
    of seven tokens it reads 1117 positions, where one by one they would be 110,000.

    Raises GnomonError when the subject keeps no keys and values.
    """
    levels = _tree(tails)
    check_known(subject, [*heads, *tails], [*(["a prompt"] * len(heads)), *(["a candidate"] * len(tails))])
    found = np.empty((len(heads), len(tails)))
    widest = max(1, *(len(level.inner) for level in levels))
    with subject.evaluating(), torch.no_grad():
        for places in _alike([len(head) for head in heads], max(1, _ROWS // widest)):
            found[places] = _read(subject, torch.tensor([list(heads[i]) for i in places]), levels, len(tails))
    return found


class _Level:
    """Beginnings of one length: the last token of each, the beginning before it, whether more follows, its tails."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.inner: list[int] = []
        self.ended: list[tuple[int, int]] = []


def _tree(tails: Sequence[Sequence[int]]) -> list[_Level]:
    """One level for each length of a beginning; parents are numbered among those before that more follows after."""
    levels: list[_Level] = []
    here: dict[tuple[int, ...], tuple[int, list[int]]] = {(): (0, list(range(len(tails))))}
    if any(not tail for tail in tails):
        raise GnomonError("a candidate adds no token to its prompt", mend="give candidates that are written out")
    depth = 0
    while here:
        level = _Level()
        after: dict[tuple[int, ...], tuple[int, list[int]]] = {}
        for begun, (parent, members) in here.items():
            follow: dict[int, list[int]] = {}
            for member in members:
                follow.setdefault(tails[member][depth], []).append(member)
            for token, those in follow.items():
                place = len(level.tokens)
                level.tokens.append(token)
                level.parents.append(parent)
                level.ended += [(member, place) for member in those if len(tails[member]) == depth + 1]
                longer = [member for member in those if len(tails[member]) > depth + 1]
                if longer:
                    after[(*begun, token)] = (len(level.inner), longer)
                    level.inner.append(place)
        levels.append(level)
        here, depth = after, depth + 1
    return levels


def _read(subject: Subject, heads: Tensor, levels: Sequence[_Level], tails: int) -> Array:
    module: Any = subject.module
    batch = len(heads)
    output = module(input_ids=heads.to(subject.device), use_cache=True)
    cache = getattr(output, "past_key_values", None)
    if cache is None:
        raise GnomonError(f"{subject.name} keeps no keys and values", mend="give a causal language model")
    scores = torch.log_softmax(output.logits[:, -1].double(), dim=-1)[:, None]  # (batch, parents, vocabulary)
    total = torch.zeros(batch, 1, dtype=torch.float64, device=scores.device)
    found = np.empty((batch, tails))
    for number, level in enumerate(levels):
        tokens, parents = (torch.tensor(v, device=scores.device) for v in (level.tokens, level.parents))
        total = total[:, parents] + scores[:, parents, tokens]
        if level.ended:
            members, places = (list(v) for v in zip(*level.ended, strict=True))
            found[:, members] = total[:, places].cpu().numpy()
        if number + 1 == len(levels):
            break
        inner = torch.tensor(level.inner, device=scores.device)
        rows = torch.arange(batch, device=scores.device)[:, None] * scores.shape[1] + parents[inner]
        # a copy, for what is kept is changed in place
        cache = copy.deepcopy(cache)
        cache.batch_select_indices(rows.reshape(-1))
        asked = tokens[inner].repeat(batch)[:, None]
        output = module(input_ids=asked.to(subject.device), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        scores = torch.log_softmax(output.logits[:, -1].double(), dim=-1).reshape(batch, len(inner), -1)
        total = total[:, inner]
    return found


def _alike(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Batches of at most ``most`` places whose lengths are equal."""
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(length, []).append(place)
    return [places[i : i + most] for places in groups.values() for i in range(0, len(places), most)]


def _shared(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with, at most all but the last of the shortest."""
    first = min(sequences, key=len)
    same = len(first) - 1
    for one in sequences:
        same = next((i for i in range(same) if one[i] != first[i]), same)
    return same
