"""Subjects of loss whose true values are known in closed form.

The networks are fixed tables of logits. A context is drawn with known probability and its label from known
probabilities, so every expectation is a finite sum.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, SquaredError, Subject, TokenData

Known = tuple[Subject, Data, Value]

_CONTEXTS, _CLASSES, _EXAMPLES, _BINS = 40, 6, 1500, 15


class _Table:
    """Contexts with logits, the true probabilities of labels in each, and the expectations that follow.

    ``temperature`` scales the logits that the network shows; labels are drawn at temperature 1.
    """

    def __init__(self, rng: Rng, *, temperature: float = 1.0) -> None:
        logits = (
            rng.child("logits").numpy().normal(size=(_CONTEXTS, _CLASSES)) * np.linspace(0.5, 4, _CONTEXTS)[:, None]
        )
        self.logits = (logits / temperature).astype(np.float32)
        self.shown = _softmax(self.logits.astype(np.float64))
        self.true = _softmax(self.logits.astype(np.float64) * temperature)

    def examples(self, rng: Rng, n: int = _EXAMPLES) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Contexts, uniform, and labels from the true probabilities."""
        generator = rng.child("examples").numpy()
        contexts = generator.integers(_CONTEXTS, size=n)
        labels = (generator.random((n, 1)) > np.cumsum(self.true, axis=1)[contexts][:, :-1]).sum(axis=1)
        return contexts, labels

    @property
    def nll(self) -> float:
        return float(-(self.true * np.log(self.shown)).sum(axis=1).mean())

    @property
    def entropy(self) -> float:
        return float(-(self.shown * np.log(self.shown)).sum(axis=1).mean())

    @property
    def accuracy(self) -> float:
        return float(self._hit.mean())

    @property
    def calibration_error(self) -> float:
        confidence = self.shown.max(axis=1)
        bins = np.clip((confidence * _BINS).astype(int), 0, _BINS - 1)
        counts, gaps = np.bincount(bins), np.bincount(bins, confidence - self._hit)
        return float(np.sqrt((gaps[counts > 0] ** 2 / counts[counts > 0]).sum() / _CONTEXTS))

    @property
    def _hit(self) -> NDArray[np.float64]:
        return np.take_along_axis(self.true, self.shown.argmax(axis=1)[:, None], axis=1)[:, 0]


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _subject(table: _Table, contexts: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[Subject, ArrayData]:
    return Subject(nn.Identity(), loss=CrossEntropy()), ArrayData(table.logits[contexts], labels)


def _independent(rng: Rng, temperature: float = 1.0) -> tuple[Subject, Data, _Table]:
    table = _Table(rng, temperature=temperature)
    return *_subject(table, *table.examples(rng)), table


def _copies(rng: Rng, copies: int = 8) -> tuple[Subject, Data, _Table]:
    """Every example several times over: as many independent ones as clusters, however many rows there are."""
    table = _Table(rng)
    contexts, labels = (np.repeat(column, copies) for column in table.examples(rng, 300))
    data = ArrayData(table.logits[contexts], labels, clusters=np.repeat(np.arange(300), copies))
    return Subject(nn.Identity(), loss=CrossEntropy()), data, table


def softmax_nll(rng: Rng) -> Known:
    """Labels from the network's own probabilities: the loss is the entropy."""
    subject, data, table = _independent(rng)
    return subject, data, table.entropy


def softmax_perplexity(rng: Rng) -> Known:
    """As `softmax_nll`."""
    subject, data, table = _independent(rng)
    return subject, data, float(np.exp(table.entropy))


def softmax_entropy(rng: Rng) -> Known:
    """Mean entropy over contexts."""
    subject, data, table = _independent(rng)
    return subject, data, table.entropy


def softmax_accuracy(rng: Rng) -> Known:
    """Mean highest probability over contexts."""
    subject, data, table = _independent(rng)
    return subject, data, table.accuracy


def softmax_calibration(rng: Rng) -> Known:
    """A perfectly calibrated network."""
    subject, data, _ = _independent(rng)
    return subject, data, 0.0


def tempered_nll(rng: Rng) -> Known:
    """Over-confident logits: the loss is a cross entropy."""
    subject, data, table = _independent(rng, 0.5)
    return subject, data, table.nll


def tempered_calibration(rng: Rng) -> Known:
    """Over-confident logits, at half the true temperature."""
    subject, data, table = _independent(rng, 0.5)
    return subject, data, table.calibration_error


def slightly_tempered_calibration(rng: Rng) -> Known:
    """A calibration error near the smallest that so many examples can tell from none."""
    subject, data, table = _independent(rng, 0.85)
    return subject, data, table.calibration_error


def copies_nll(rng: Rng) -> Known:
    """As `softmax_nll`, in clusters of copies."""
    subject, data, table = _copies(rng)
    return subject, data, table.entropy


def copies_accuracy(rng: Rng) -> Known:
    """As `softmax_accuracy`, in clusters of copies."""
    subject, data, table = _copies(rng)
    return subject, data, table.accuracy


def copies_calibration(rng: Rng) -> Known:
    """As `softmax_calibration`, in clusters of copies."""
    subject, data, _ = _copies(rng)
    return subject, data, 0.0


def nearly_perfect(rng: Rng) -> Known:
    """Right with probability 0.99, in 200 independent examples."""
    return _right_at(0.99, rng, clusters=200, copies=1)


def copies_nearly_perfect(rng: Rng) -> Known:
    """Right with probability 0.99, in 100 clusters of ten copies."""
    return _right_at(0.99, rng, clusters=100, copies=10)


def _right_at(rate: float, rng: Rng, *, clusters: int, copies: int) -> Known:
    right = np.repeat(rng.numpy().random(clusters) < rate, copies)
    labels = np.where(right, 0, 1)
    data = ArrayData(np.tile([[1.0, 0.0]], (len(labels), 1)), labels, clusters=np.repeat(np.arange(clusters), copies))
    return Subject(nn.Identity(), loss=CrossEntropy()), data, rate


def regressed_classes(rng: Rng) -> Known:
    """Outputs trained by squared error, targets that are classes, right with probability 0.8."""
    right = rng.numpy().random(500) < 0.8
    subject = Subject(nn.Identity(), loss=SquaredError())
    return subject, ArrayData(np.tile([[1.0, 0.0, 0.0]], (500, 1)), np.where(right, 0, 2)), 0.8


def noisy_targets(rng: Rng) -> Known:
    """Two outputs, each off by Gaussian noise of variance 1/4."""
    generator = rng.numpy()
    outputs = generator.normal(size=(1000, 2))
    targets = outputs + 0.5 * generator.normal(size=outputs.shape)
    return Subject(nn.Identity(), loss=SquaredError()), ArrayData(outputs, targets), 0.25


def grouped_noise(rng: Rng) -> Known:
    """Noise of variance 1/4 that ten examples of a group share."""
    generator = rng.numpy()
    outputs = generator.normal(size=(2000, 1))
    targets = outputs + 0.5 * np.repeat(generator.normal(size=(200, 1)), 10, axis=0)
    data = ArrayData(outputs, targets, clusters=np.repeat(np.arange(200), 10))
    return Subject(nn.Identity(), loss=SquaredError()), data, 0.25


def one_hot_error(rng: Rng) -> Known:
    """Outputs p at every example, and classes that come with probabilities q: E|p − e_y|² / 3."""
    generator = rng.numpy()
    p, q = generator.dirichlet(np.ones(3), size=2).astype(np.float32).astype(np.float64)
    q /= q.sum()
    truth = float((q * np.square(p - np.eye(3)).sum(axis=1)).sum() / 3)
    data = ArrayData(np.tile(p, (500, 1)), generator.choice(3, p=q, size=500))
    return Subject(nn.Identity(), loss=SquaredError()), data, truth


class _Bigram(nn.Module):
    """Logits of the next token as a table of the last."""

    def __init__(self, logits: NDArray[np.float64]) -> None:
        super().__init__()
        self.table = nn.Embedding(len(logits), len(logits), _weight=torch.from_numpy(logits).float())

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        out: Tensor = self.table(input_ids)
        return out


def _chain(rng: Rng, tokens: int = 8, sequences: int = 60, length: int = 21) -> tuple[Subject, Data, float]:
    """Sequences of a sticky Markov chain, started from its stationary law, and the module that is the chain.

    Successive tokens are strongly dependent, and the loss depends on the state, so the tokens of a sequence are a
    cluster in earnest.
    """
    generator = rng.numpy()
    logits = generator.normal(size=(tokens, tokens)) * np.linspace(0.2, 3.0, tokens)[:, None] + 3.0 * np.eye(tokens)
    transition = _softmax(logits.astype(np.float32).astype(np.float64))
    stationary = np.linalg.matrix_power(transition, 4096)[0]
    states = np.empty((sequences, length), np.int64)
    states[:, 0] = generator.choice(tokens, p=stationary / stationary.sum(), size=sequences)
    for t in range(1, length):
        below = generator.random((sequences, 1)) > np.cumsum(transition, axis=1)[states[:, t - 1]][:, :-1]
        states[:, t] = below.sum(axis=1)
    rate = float(-(stationary[:, None] * transition * np.log(transition)).sum())
    return Subject(_Bigram(logits), loss=NextToken()), TokenData(list(states)), rate


def chain_nll(rng: Rng) -> Known:
    """The loss is the chain's entropy rate."""
    return _chain(rng)


def chain_entropy(rng: Rng) -> Known:
    """The mean predictive entropy is the chain's entropy rate."""
    return _chain(rng)


def chain_perplexity(rng: Rng) -> Known:
    """The exponential of the chain's entropy rate."""
    subject, data, rate = _chain(rng)
    return subject, data, float(np.exp(rate))
