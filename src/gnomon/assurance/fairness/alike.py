"""Two texts that differ in a few words: the tokens that both have, and how likely each network finds them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.subjects import Batch, MaskedToken, Subject
from gnomon.subjects.tokens import check_known, encode

Array = NDArray[np.float64]
_BATCH = 64


@dataclass(frozen=True)
class Alike:
    """Two texts as tokens.

    Parameters
    ----------
    first, second : ids.
    shared : places in the first and in the second of the tokens that both have, in order.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    shared: tuple[tuple[int, int], ...]

    @property
    def after(self) -> tuple[tuple[int, int], ...]:
        """Those of the shared tokens that stand after the first difference, and after a token in both."""
        start = next((i for i, (a, b) in enumerate(zip(self.first, self.second, strict=False)) if a != b), None)
        # where a text begins with the swapped words, a token can come first in it that is later in the other
        return () if start is None else tuple((a, b) for a, b in self.shared if min(a, b) >= max(start, 1))


def aligned(subject: Subject, pairs: Sequence[tuple[str, str]]) -> list[Alike | None]:
    """The two texts of each pair as tokens of ``subject``, ``None`` where it cannot read them.

    It cannot where a text has a token that the tokenizer does not know, or more than fit into the context, or where
    both have the same tokens. Tokens are matched by longest common blocks (`difflib.SequenceMatcher`), as Nangia et
    al. do.
    """
    ids = encode(subject, [text for pair in pairs for text in pair])
    unknown, limit = getattr(subject.tokenizer, "unk_token_id", None), subject.context or np.inf
    found: list[Alike | None] = []
    for first, second in zip(ids[::2], ids[1::2], strict=True):
        readable = all(2 <= len(one) <= limit and unknown not in one for one in (first, second))
        if not readable or first == second:
            found.append(None)
            continue
        blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
        shared = tuple((block.a + i, block.b + i) for block in blocks for i in range(block.size))
        found.append(Alike(tuple(first), tuple(second), shared))
    return found


def likelihoods(subject: Subject, pairs: Sequence[Alike], *, shared: bool) -> Array:
    r"""``(n, 2)``: the log-likelihood of each text, of its ``shared`` tokens or of all; nats.

    A causal network gives :math:`\sum_t \log p(x_t \mid x_{<t})`, without a first token that nothing stands before; a
    masked one the pseudo-log-likelihood :math:`\sum_t \log p(x_t \mid x_{\setminus t})`, each token hidden in turn
    (Salazar et al., arXiv:1910.14659; over shared tokens, Nangia et al., arXiv:2010.00133), without special tokens.

    Cost: a pass over every text; of a masked network, one for every token that is scored.
    """
    sequences = [list(ids) for pair in pairs for ids in (pair.first, pair.second)]
    if shared:
        places = [sorted(both[side] for both in pair.shared) for pair in pairs for side in (0, 1)]
    else:
        places = [list(range(len(ids))) for ids in sequences]
    if isinstance(subject.loss, MaskedToken):
        sums = _pseudo(subject, sequences, places)
    else:
        logs = sequence_log_probabilities(subject, sequences)
        sums = [float(sum(log[p - 1] for p in chosen if p > 0)) for log, chosen in zip(logs, places, strict=True)]
    return np.array(sums, dtype=np.float64).reshape(-1, 2)


def changes(subject: Subject, pairs: Sequence[Alike]) -> tuple[Array, Array]:
    r"""``(n,)`` each: what reading the second text in place of the first changes, over the tokens after the difference.

    The mean over these tokens of :math:`\log p(x_t \mid x_{<t}) - \log p(x_t \mid x'_{<t})`, in nats, and of the total
    variation :math:`\frac12 \sum_w |p(w \mid x_{<t}) - p(w \mid x'_{<t})|`. Of a causal network; NaN where no shared
    token stands after the difference.

    Cost: a pass over every text.
    """
    loss, distance = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    groups: dict[tuple[int, int], list[int]] = {}
    for place, pair in enumerate(pairs):
        if pair.after:
            groups.setdefault((len(pair.first), len(pair.second)), []).append(place)
    check_known(subject, [p.first for p in pairs], [f"text {n}" for n in range(1, len(pairs) + 1)])
    with subject.evaluating(), torch.no_grad():
        for members in groups.values():
            for chosen in (members[i : i + _BATCH] for i in range(0, len(members), _BATCH)):
                logs = [
                    torch.log_softmax(_output(subject, [getattr(pairs[i], side) for i in chosen]).double(), dim=-1)
                    for side in ("first", "second")
                ]
                for row, place in enumerate(chosen):
                    one, two = zip(*pairs[place].after, strict=True)
                    target = torch.tensor([pairs[place].first[p] for p in one], device=logs[0].device)
                    before = logs[0][row, [p - 1 for p in one]]
                    after = logs[1][row, [p - 1 for p in two]]
                    own = (before - after).gather(1, target[:, None])
                    loss[place] = float(own.mean())
                    distance[place] = float((before.exp() - after.exp()).abs().sum(dim=1).mean() / 2)
    return loss, np.clip(distance, 0.0, 1.0)


def _output(subject: Subject, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
    tokens = torch.tensor(sequences)
    return subject.output(Batch(args=(tokens,), examples=torch.arange(len(tokens))))


def _pseudo(subject: Subject, sequences: Sequence[list[int]], places: Sequence[list[int]]) -> list[float]:
    mask = int(subject.tokenizer.mask_token_id)
    special = frozenset(subject.tokenizer.all_special_ids)
    asked = [(n, p) for n, chosen in enumerate(places) for p in chosen if sequences[n][p] not in special]
    asked.sort(key=lambda one: len(sequences[one[0]]))
    sums = [0.0] * len(sequences)
    with subject.evaluating(), torch.no_grad():
        start = 0
        while start < len(asked):
            length = len(sequences[asked[start][0]])
            batch = [one for one in asked[start : start + _BATCH] if len(sequences[one[0]]) == length]
            hidden = [[mask if i == p else token for i, token in enumerate(sequences[n])] for n, p in batch]
            rows = torch.arange(len(batch))
            scores = _output(subject, hidden)[rows, [p for _, p in batch]].double().log_softmax(dim=-1)
            for row, (n, p) in enumerate(batch):
                sums[n] += float(scores[row, sequences[n][p]])
            start += len(batch)
    return sums
