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


def chain_context_entropy(rng: Rng) -> Known:
    """The loss given m tokens is the chain's conditional entropy."""
    subject, data, entropy = _chain(rng, 80, 40)
    return subject, data, _averaged(entropy, spans(1, 16))


def chain_beyond(rng: Rng) -> Known:
    """No n-gram reaches the entropy rate, and all that see enough are below the entropy of one token less."""
    chain = MarkovChain.drawn(rng, order=2, tokens=14)
    return chain.subject(), TokenData(list(chain.sample(rng, 150, 40))), 2.0


def coin_ngrams(rng: Rng) -> Known:
    """Tosses of one coin: with text enough, n-grams of every length come to its entropy."""
    coin = MarkovChain(np.tile([0.7, 0.3], (2, 1)))
    return coin.subject(), TokenData(list(coin.sample(rng, 300, 40))), np.full(6, coin.entropy(0))


def uninformed_beyond(rng: Rng) -> Known:
    """A network that says the same of every token is never better than the tokens' frequencies."""
    chain = MarkovChain.drawn(rng)
    data = TokenData(list(chain.sample(rng, 60, 40)))
    uniform = MarkovChain(np.full((chain.tokens, chain.tokens), 1 / chain.tokens))
    return uniform.subject(), data, 0.0


def step_no_decay(rng: Rng) -> Known:
    """Each token is most likely the fourth last: nothing is known from three tokens, and all from four."""
    same = np.broadcast_to(np.eye(3)[:, None, None, None, :], (3, 3, 3, 3, 3))
    chain = MarkovChain(0.85 * same + 0.05)
    return chain.subject(), TokenData(list(chain.sample(rng, 100, 48))), 0.0


class _BegunChainModule(nn.Module):
    """A chain after a token that begins every text, without which the module knows nothing.

    Of the first token after it only the frequency is known.
    """

    def __init__(self, conditionals: list[NDArray[np.float64]]) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.from_numpy(np.log(conditionals[0])).float())
        self.chain = _ChainModule(conditionals)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        tokens = len(self.frequencies)
        scores = self.frequencies.expand(len(input_ids), 1, -1)
        if input_ids.shape[1] > 1:
            rest = input_ids[:, 1:].clamp(max=tokens - 1)
            scores = torch.cat([scores, self.chain(rest)], dim=1)
        begun = (input_ids[:, :1] == tokens)[:, :, None]
        return nn.functional.pad(scores * begun, (0, 1), value=-40.0)  # the begin token does not come again


def begun_chain_context_entropy(rng: Rng) -> Known:
    """The loss given m tokens, from none on, is the chain's conditional entropy."""
    chain = MarkovChain.drawn(rng, order=2, tokens=5)
    tokens = np.pad(chain.sample(rng, 80, 40), ((0, 0), (1, 0)), constant_values=chain.tokens)
    entropy = [chain.entropy(m) for m in range(17)]
    subject = Subject(_BegunChainModule(chain.conditionals), loss=NextToken())
    return subject, TokenData(list(tokens)), _averaged(entropy, spans(0, 16))


_MARKERS, _NOISE = 64, 0.05


class _LagModule(nn.Module):
    """Tokens are (marker, bit): the bit is that of so many tokens before as the marker before it says.

    A lag that reaches back beyond what is shown leaves the bit a fair coin.
    """

    def __init__(self, lags: NDArray[np.int64]) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(float(np.log((1 - _NOISE) / _NOISE))))
        self.lags: Tensor
        self.register_buffer("lags", torch.from_numpy(lags))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        places = torch.arange(1, input_ids.shape[1] + 1, device=input_ids.device) - self.lags[input_ids >> 1]
        copied = (input_ids & 1).gather(1, places.clamp(min=0)) * 2 - 1
        odds = torch.where(places >= 0, copied * self.sure / 2, 0.0)
        return torch.stack([-odds, odds], dim=-1).repeat(1, 1, _MARKERS)


def lags_decay(rng: Rng) -> Known:
    """The loss from m tokens lies above its limit in proportion to the lags beyond m: as m to the power −0.6."""
    generator, exponent, sequences, length = rng.numpy(), 0.6, 80, 120
    lags = np.ceil(((np.arange(_MARKERS) + 0.5) / _MARKERS) ** (-1 / exponent)).astype(np.int64)
    markers = generator.integers(_MARKERS, size=(sequences, length))
    bits = generator.integers(2, size=(sequences, length))
    flipped = generator.random(bits.shape) < _NOISE
    every = np.arange(sequences)
    for t in range(1, length):
        place = t - lags[markers[:, t - 1]]
        bits[:, t] = np.where(place >= 0, bits[every, np.maximum(place, 0)] ^ flipped[:, t], bits[:, t])
    return Subject(_LagModule(lags), loss=NextToken()), TokenData(list(2 * markers + bits)), exponent
