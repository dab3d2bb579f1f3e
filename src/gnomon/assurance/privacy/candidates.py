"""The rank of one continuation of a prompt among many: a tree of tokens, read only where it matters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.assurance.privacy.likelihoods import likelihoods
from gnomon.errors import GnomonError
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids
from gnomon.subjects.tokens import check_known

Counts = NDArray[np.int64]

_ROWS = 8192  # beginnings that are read at once: the widest level of the tree, for as many prompts as fit
_CHECKED = 8
_SLACK = 0.01  # nats: far more than a sum of tokens changes by the order in which it is computed


def text_ranks(subject: Subject, prompts: Sequence[str], texts: Sequence[str], own: Counts) -> tuple[Counts, Counts]:
    """How many of ``texts`` are likelier after each prompt than its own, and how many others are as likely.

    Parameters
    ----------
    prompts : with the blank at the end, where one stands before the continuation.
    texts : the continuations, one list for all prompts.
    own : ``(prompts,)``, which of them is each prompt's own.

    A continuation is taken to be written in the same tokens after every prompt. That is checked on some; where it does
    not hold, the prompts are read one by one, each with the tokens that it shares with all of its continuations.

    Raises GnomonError when the subject is no causal language model with a tokenizer.
    """
    wholes = prompt_ids(subject, [prompts[0] + text for text in texts])
    start = _shared(wholes)
    tails = [one[start:] for one in wholes]
    heads = [wholes[0][:start]]
    for prompt, mine in zip(prompts[1:], own[1:].tolist(), strict=True):
        probes = sorted({mine, *np.linspace(0, len(texts) - 1, _CHECKED).astype(int).tolist()})
        written = prompt_ids(subject, [prompt + texts[i] for i in probes])
        head = written[0][: len(written[0]) - len(tails[probes[0]])]
        if any(one != head + tails[i] for one, i in zip(written, probes, strict=True)):
            each = [text_ranks(subject, [p], texts, own[i : i + 1]) for i, p in enumerate(prompts)]
            better, equal = zip(*each, strict=True)
            return np.concatenate(better), np.concatenate(equal)
        heads.append(head)
    return tail_ranks(subject, heads, tails, own)


def tail_ranks(
    subject: Subject, heads: Sequence[Sequence[int]], tails: Sequence[Sequence[int]], own: Counts
) -> tuple[Counts, Counts]:
    r"""How many ``tails`` of tokens are likelier after each head than its own, and how many others are as likely.

    Exact, and not all are read. Tails that begin alike are read together, with the keys and values of what stands
    before them kept: of :math:`10^4` codes of four digits 1111 beginnings, and not 40,000 positions. And as
    :math:`p(\text{tail}) \le p(\text{beginning})`, nothing is read after a beginning that is less likely than the own
    tail: of a secret that was learnt by heart hardly more than its own path.

    Raises GnomonError when the subject keeps no keys and values, or a tail has no token.
    """
    if not all(tails):
        raise GnomonError("a candidate adds no token to its prompt", mend="give candidates that are written out")
    check_known(subject, [*heads, *tails], [*(["a prompt"] * len(heads)), *(["a candidate"] * len(tails))])
    levels = _tree(tails)
    wholes = [[*head, *tails[mine]] for head, mine in zip(heads, own.tolist(), strict=True)]
    read = likelihoods(subject, wholes)
    floor = np.array([one.given[len(head) - 1 :].sum() for one, head in zip(read, heads, strict=True)]) - _SLACK
    better, equal = np.zeros(len(heads), dtype=np.int64), np.zeros(len(heads), dtype=np.int64)
    widest = max(1, *(len(level.inner) for level in levels))
    with subject.evaluating(), torch.no_grad():
        for places in _alike([len(head) for head in heads], max(1, _ROWS // widest)):
            tokens = torch.tensor([list(heads[i]) for i in places])
            better[places], equal[places] = _counted(subject, tokens, levels, floor[places], own[places])
    return better, equal


@dataclass
class _Level:
    """Beginnings of one length, those after one shorter beginning side by side.

    Parameters
    ----------
    tokens : the last of each.
    first : for each shorter beginning that goes on, and the end, where its own begin.
    inner : places of those that go on, in the order in which the next level counts them.
    ends : for each the tail that ends here, or -1.
    """

    tokens: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    inner: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


def _tree(tails: Sequence[Sequence[int]]) -> list[_Level]:
    levels: list[_Level] = []
    here = [list(range(len(tails)))]
    while here:
        level, after, depth = _Level(), [], len(levels)
        for members in here:
            level.first.append(len(level.tokens))
            follow: dict[int, list[int]] = {}
            for member in members:
                follow.setdefault(tails[member][depth], []).append(member)
            for token, those in follow.items():
                place = len(level.tokens)
                level.tokens.append(token)
                ended = [member for member in those if len(tails[member]) == depth + 1]
                if len(ended) > 1:
                    raise GnomonError(
                        f"candidates {ended[0] + 1} and {ended[1] + 1} are the same tokens",
                        mend="give a tokenizer that knows their words",
                    )
                level.ends += ended or [-1]
                longer = [member for member in those if len(tails[member]) > depth + 1]
                if longer:
                    level.inner.append(place)
                    after.append(longer)
        level.first.append(len(level.tokens))
        levels.append(level)
        here = after
    return levels


def _counted(
    subject: Subject, heads: Tensor, levels: Sequence[_Level], floor: NDArray[np.float64], own: Counts
) -> tuple[Counts, Counts]:
    """`tail_ranks` of heads of one length. A row is a beginning after one of the heads."""
    module: Any = subject.module
    output = module(input_ids=heads.to(subject.device), use_cache=True)
    cache = getattr(output, "past_key_values", None)
    if cache is None:
        raise GnomonError(f"{subject.name} keeps no keys and values", mend="give a causal language model")
    least = torch.from_numpy(floor).to(output.logits.device)
    head = torch.arange(len(heads), device=least.device)
    begun = torch.zeros_like(head)  # which of the beginnings that go on a row is
    total = torch.zeros(len(heads), dtype=torch.float64, device=least.device)
    of: list[Tensor] = []
    members: list[Tensor] = []
    totals: list[Tensor] = []
    for level in levels:
        scores = torch.log_softmax(output.logits[:, -1].double(), dim=-1)
        first, tokens = (torch.tensor(v, device=least.device) for v in (level.first, level.tokens))
        many = (first[1:] - first[:-1])[begun]
        row = torch.repeat_interleave(torch.arange(len(head), device=least.device), many)
        place = torch.arange(len(row), device=least.device) - (many.cumsum(0) - many - first[begun])[row]
        total = total[row] + scores[row, tokens[place]]
        head = head[row]
        member = torch.tensor(level.ends, device=least.device)[place]
        for collected, values in ((of, head), (members, member), (totals, total)):
            collected.append(values[member >= 0])
        number = torch.full((len(tokens),), -1, device=least.device)
        number[level.inner] = torch.arange(len(level.inner), device=least.device)
        kept = (number[place] >= 0) & (total >= least[head])
        if not bool(kept.any()):
            break
        # a copy, for what is kept is changed in place
        cache = copy.deepcopy(cache)
        cache.batch_select_indices(row[kept])
        asked = tokens[place[kept]][:, None].to(subject.device)
        head, begun, total = head[kept], number[place[kept]], total[kept]
        output = module(input_ids=asked, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
    heads_of, tails_of, found = torch.cat(of), torch.cat(members), torch.cat(totals)
    is_own = tails_of == torch.from_numpy(own).to(least.device)[heads_of]
    mine = torch.empty_like(least)
    mine[heads_of[is_own]] = found[is_own]
    likelier, same = found > mine[heads_of], (found == mine[heads_of]) & ~is_own
    better, equal = (torch.bincount(heads_of[v], minlength=len(heads)).cpu().numpy() for v in (likelier, same))
    return better, equal


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
