r"""Processes whose entropies are known in closed form, and modules that know the process.

A module that *is* a Markov chain of order k gives, from m tokens, the exact conditional distribution
:math:`P(x_{t+1} \mid x_{t-m+1}, …, x_t)`, so its loss from m tokens is the conditional entropy :math:`H_m`.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.estimators.information.spans import Span, spans
from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import Data, NextToken, Subject, TokenData

Known = tuple[Subject, Data, Value]


class MarkovChain:
    """A stationary chain of order ``order`` over ``tokens`` tokens.

    Parameters
    ----------
    transitions : ``(tokens,) * (order + 1)``: probability of the last index after the others.

    Attributes
    ----------
    conditionals : the distribution of the next token given the last m, for m = 0 … order, each ``(tokens,) * (m + 1)``.
    entropies : ``(order + 1,)`` conditional entropies :math:`H_m`; the last is the entropy rate.
    """

    def __init__(self, transitions: NDArray[np.float64]) -> None:
        self.transitions = transitions
        self.order, self.tokens = transitions.ndim - 1, transitions.shape[-1]
        state = np.full(transitions.shape[:-1], 1 / self.tokens**self.order)
        for _ in range(10_000):
            following = (state[..., None] * transitions).sum(axis=0)
            moved = np.abs(following - state).max()
            state = following
            if moved < 1e-15:
                break
        self.stationary = state / state.sum()
        joint = self.stationary[..., None] * transitions
        self.conditionals: list[NDArray[np.float64]] = []
        entropies: list[float] = []
        for _ in range(self.order + 1):
            conditional = joint / joint.sum(axis=-1, keepdims=True)
            self.conditionals.insert(0, conditional)
            entropies.insert(0, float(-(joint * np.log(conditional)).sum()))
            joint = joint.sum(axis=0)
        self.entropies = np.array(entropies)

    @classmethod
    def drawn(cls, rng: Rng, *, order: int = 3, tokens: int = 4) -> MarkovChain:
        """A chain in which every older token still tells a good deal."""
        generator = rng.child("chain").numpy()
        logits = generator.normal(size=(tokens,) * (order + 1)) * 1.8
        weights = np.exp(logits)
        return cls(weights / weights.sum(axis=-1, keepdims=True))

    def sample(self, rng: Rng, sequences: int, length: int) -> NDArray[np.int64]:
        """``(sequences, length)`` tokens from the stationary chain."""
        generator = rng.child("sequences").numpy()
        state = generator.choice(self.stationary.size, p=self.stationary.reshape(-1), size=sequences)
        out = np.empty((sequences, length + self.order), np.int64)
        out[:, : self.order] = np.stack(np.unravel_index(state, self.stationary.shape), axis=1)
        cumulative = np.cumsum(self.transitions, axis=-1)[..., :-1]
        for t in range(self.order, out.shape[1]):
            past = tuple(out[:, t - self.order + i] for i in range(self.order))
            out[:, t] = (generator.random((sequences, 1)) > cumulative[past]).sum(axis=1)
        return out[:, self.order :]

    def entropy(self, context: int) -> float:
        """The conditional entropy given ``context`` tokens, in nats."""
        return float(self.entropies[min(context, self.order)])

    def subject(self) -> Subject:
        """The module that is the chain."""
        return Subject(_ChainModule(self.conditionals), loss=NextToken())


class _ChainModule(nn.Module):
    """Exact log-probabilities of the next token given as many of the last ones as there are, up to the order."""

    def __init__(self, conditionals: list[NDArray[np.float64]]) -> None:
        super().__init__()
        self.tables = nn.ParameterList(
            [nn.Parameter(torch.from_numpy(np.log(c)).float()) for c in conditionals[1:]]  # from one token on
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        length, order = input_ids.shape[1], len(self.tables)
        first = range(1, min(order, length + 1))
        parts = [self.tables[m - 1][tuple(input_ids[:, i] for i in range(m))][:, None] for m in first]
        if length >= order:
            past = tuple(input_ids[:, i : length - order + 1 + i] for i in range(order))
            parts.append(self.tables[order - 1][past])
        return torch.cat(parts, dim=1)


class _CoinModule(nn.Module):
    """Laplace's rule of succession: heads with probability (heads + 1)/(tosses + 2), read off the tosses so far."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.ones(2))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        seen = nn.functional.one_hot(input_ids.clamp(max=1), 2).cumsum(dim=1)
        return torch.log(seen + self.prior)


@functools.cache
def coin_entropy(tosses: int) -> float:
    """Expected loss of Laplace's rule after ``tosses`` of a coin whose bias is uniform: heads are uniform too."""
    p = (np.arange(tosses + 1) + 1) / (tosses + 2)
    return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())


def _score(entropy: list[float], late: int) -> float:
    """The score of a network whose loss after t tokens is ``entropy[t]``."""
    early = max(1, round(late / 10))
    means = [np.mean([entropy[t] for t in range(p + 1) if 0.9 * p < t]) for p in (early, late)]
    return float(means[1] - means[0])


def _averaged(entropy: list[float], found: tuple[Span, ...]) -> NDArray[np.float64]:
    return np.array([np.mean(entropy[low : high + 1]) for low, high in found])


def _chain(rng: Rng, sequences: int, length: int) -> tuple[Subject, Data, list[float]]:
    chain = MarkovChain.drawn(rng)
    data = TokenData(list(chain.sample(rng, sequences, length)))
    return chain.subject(), data, [chain.entropy(t) for t in range(length)]


def _coins(rng: Rng, sequences: int, length: int) -> tuple[Subject, Data, list[float]]:
    generator = rng.numpy()
    tosses = (generator.random((sequences, length)) < generator.random((sequences, 1))).astype(np.int64)
    subject = Subject(_CoinModule(), loss=NextToken())
    return subject, TokenData(list(tosses)), [coin_entropy(t) for t in range(length)]


def chain_score(rng: Rng) -> Known:
    """The score is the entropy rate less the entropy given the first token only."""
    subject, data, entropy = _chain(rng, 120, 13)
    return subject, data, _score(entropy, 12)


def coin_score(rng: Rng) -> Known:
    """The score is what Laplace's rule gains."""
    subject, data, entropy = _coins(rng, 150, 61)
    return subject, data, _score(entropy, 60)


def chain_by_position(rng: Rng) -> Known:
    """The loss at position t is the entropy given t tokens."""
    subject, data, entropy = _chain(rng, 120, 25)
    return subject, data, _averaged(entropy, spans(1, 24))


def coin_by_position(rng: Rng) -> Known:
    """The loss at position t is that of Laplace's rule."""
    subject, data, entropy = _coins(rng, 150, 33)
    return subject, data, _averaged(entropy, spans(1, 32))
