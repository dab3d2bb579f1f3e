"""What a network says of a concept, one number a text: what an explanation has to account for."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import next_log_probabilities
from gnomon.subjects import Subject
from gnomon.subjects.tokens import encode, frame

Array = NDArray[np.float64]


class Outcome(abc.ABC):
    """Reads ``(n,)`` numbers, higher where the network says that the concept is there."""

    @abc.abstractmethod
    def read(self, subject: Subject) -> Array:
        """Of the n texts, with the edits that are active on ``subject``."""


@dataclass(frozen=True, eq=False)
class WordContrast(Outcome):
    r"""Log-odds of answers: :math:`y = \log \sum_{w \in A} p(w \mid x) - \log \sum_{w \in B} p(w \mid x)`; nats.

    Parameters
    ----------
    texts : prompts that the words would continue.
    present, absent : words (A) that say the concept is there, and words (B) that say it is not; of a word of several
        tokens the first counts.

    Raises GnomonError when a word has no token or both sides share one.
    """

    texts: Sequence[str]
    present: Sequence[str]
    absent: Sequence[str]

    def read(self, subject: Subject) -> Array:
        """See `Outcome.read`."""
        sides = [_first_tokens(subject, words) for words in (self.present, self.absent)]
        if set(sides[0]) & set(sides[1]):
            raise GnomonError("a word of both sides begins with the same token", mend="give other words")
        scores = next_log_probabilities(subject, self.texts)
        yes, no = (np.logaddexp.reduce(scores[:, ids], axis=1) for ids in sides)
        return np.asarray(yes - no)


@dataclass(eq=False)
class OwnContrast(Outcome):
    r"""The network's own contrast of log-probabilities: :math:`y = \langle w, \log p(\cdot \mid x) \rangle`; nats.

    w is the difference of the mean log-probabilities of texts with and without the concept, at unit length, of the
    untouched network and of the other half of the clusters, so that no text is read along what it made. It is fitted
    at the first reading, which has to be that of the untouched network.

    Parameters
    ----------
    texts : n texts.
    labels : ``(n,)``, above zero with the concept.
    clusters : ``(n,)`` ids.
    """

    texts: Sequence[str]
    labels: Array
    clusters: NDArray[np.int64]
    _weights: list[Array] = field(default_factory=list, init=False, repr=False)

    def read(self, subject: Subject) -> Array:
        """See `Outcome.read`. Raises GnomonError when half of the clusters hold one label only."""
        scores = next_log_probabilities(subject, self.texts)
        half = self._half()
        if not self._weights:
            self._weights += [self._contrast(scores, half), self._contrast(scores, ~half)]
        return np.where(half, scores @ self._weights[1], scores @ self._weights[0])

    def _half(self) -> NDArray[np.bool_]:
        """Every other cluster, in the order of their shares of texts with the concept."""
        _, place = np.unique(self.clusters, return_inverse=True)
        shares = np.bincount(place, weights=self.labels > 0) / np.bincount(place)
        rank = np.argsort(np.argsort(shares, kind="stable"), kind="stable")
        return np.asarray(rank[place] % 2 == 0)

    def _contrast(self, scores: Array, part: NDArray[np.bool_]) -> Array:
        present = self.labels > 0
        if not (part & present).any() or not (part & ~present).any():
            raise GnomonError("half of the clusters hold one label only", mend="give more examples")
        found = scores[part & present].mean(axis=0) - scores[part & ~present].mean(axis=0)
        return np.asarray(found / max(float(np.linalg.norm(found)), np.finfo(float).tiny))


def _first_tokens(subject: Subject, words: Sequence[str]) -> list[int]:
    found = []
    for word, ids in zip(words, encode(subject, list(words)), strict=True):
        before, after = frame(subject, ids)
        own = ids[len(before) : len(ids) - len(after)]
        if not own:
            raise GnomonError(f"the word {word!r} has no token", mend="give another")
        found.append(own[0])
    if not found:
        raise GnomonError("no words are given", mend="give at least one of each side")
    return found
