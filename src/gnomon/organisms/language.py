"""Text to learn a language from: a source whose entropy is known exactly, or a file."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.randomness import Rng

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class MarkovLanguage(Spec):
    r"""A language in which the next token depends on the last two, with structure at every scale of detail.

    .. math::
        P(y \mid a, b) = (1 - \varepsilon)\, \mathrm{softmax}_y\!\Big(\beta \sum_{r=1}^{R} \lambda_r u_{ry}
        \frac{v_{rb} + p_{ra} q_{rb}}{\sqrt 2} - \log y\Big) + \varepsilon\, z_y,
        \qquad \lambda_r \propto r^{-\gamma},\ \textstyle\sum_r \lambda_r^2 = 1,\ z_y \propto 1/y

    with standard normal u, v, p, q: features of falling weight, half of them of the last token alone and half of the
    pair, as in a text whose frequent patterns are few and whose rare ones are many. The noise :math:`z` (Zipf's)
    makes the chain of pairs ergodic, so it has one stationary law :math:`\pi` and the entropy rate
    :math:`-\sum \pi_{ab} P(y|a,b) \log P(y|a,b)`.

    Parameters
    ----------
    tokens : size V of the vocabulary.
    features : R.
    decay : γ.
    strength : β.
    noise : ε.
    seed : which language.

    Cost: :math:`V^3` numbers are held, and summed some 20 to 200 times.
    """

    tokens: Annotated[int, Field(ge=2, le=128)] = 64
    features: Annotated[int, Field(ge=1)] = 64
    decay: Annotated[float, Field(ge=0)] = 0.5
    strength: Annotated[float, Field(ge=0)] = 12.0
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 0

    @functools.cached_property
    def transitions(self) -> Floats:
        """P(y | a, b) at ``[a, b, y]``."""
        generator = Rng(self.seed).child("language").numpy()
        u, v, p, q = generator.normal(size=(4, self.features, self.tokens))
        weight = np.arange(1, self.features + 1) ** -self.decay
        weight /= np.sqrt((weight**2).sum())
        zipf = 1 / np.arange(1, self.tokens + 1)
        context = (v[:, None, :] + p[:, :, None] * q[:, None, :]) / np.sqrt(2)
        scores = self.strength * np.einsum("r,rab,ry->aby", weight, context, u) + np.log(zipf)
        exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
        peaked = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return np.asarray((1 - self.noise) * peaked + self.noise * zipf / zipf.sum())

    @functools.cached_property
    def pairs(self) -> Floats:
        """The stationary probability of each pair (a, b) of neighbours, by power iteration to 1e-12."""
        found = np.full((self.tokens, self.tokens), 1 / self.tokens**2)
        for _ in range(100_000):
            following = np.einsum("ab,aby->by", found, self.transitions)
            if np.abs(following - found).sum() < 1e-12:
                return np.asarray(following / following.sum())
            found = following
        raise GnomonError("the chain of pairs does not settle", mend="raise noise")

    @property
    def entropy_rate(self) -> float:
        """Nats per token that no predictor can save, given two tokens or more."""
        return float(-(self.pairs[..., None] * self.transitions * np.log(self.transitions)).sum())

    @property
    def unigram(self) -> Floats:
        """How often each token occurs."""
        return np.asarray(self.pairs.sum(axis=0))

    def sample(self, windows: int, length: int, rng: Rng) -> Integers:
        """Independent stretches of stationary text, ``(windows, length)`` with a length of 2 or more."""
        generator = rng.numpy()
        text = np.empty((windows, length), dtype=np.int64)
        text[:, :2] = np.stack(divmod(_drawn(self.pairs.reshape(1, -1), generator, windows), self.tokens), axis=1)
        cumulative = self.transitions.cumsum(axis=-1)
        for t in range(2, length):
            rows = cumulative[text[:, t - 2], text[:, t - 1]]
            threshold = generator.random((windows, 1)) * rows[:, -1:]
            text[:, t] = (rows <= threshold).sum(axis=1)
        return text


def _drawn(probabilities: Floats, generator: np.random.Generator, n: int) -> Integers:
    cumulative = probabilities.cumsum()
    drawn = np.searchsorted(cumulative, generator.random(n) * cumulative[-1], side="right")
    return np.asarray(drawn, dtype=np.int64)


@dataclass(frozen=True)
class TextFile:
    """The characters of a file as tokens: the first nine tenths to learn from, the rest to be tested on."""

    path: str
    train: Integers
    test: Integers
    tokens: int

    @classmethod
    def read(cls, path: str, digest: str) -> TextFile:
        """Read a UTF-8 file. Raises GnomonError when it cannot be, or when its SHA-256 is not ``digest``."""
        content = _content(path)
        if hashlib.sha256(content).hexdigest() != digest:
            raise GnomonError(f"{path} has changed since the run began", mend="run again")
        try:
            characters = np.array(list(content.decode("utf-8")))
        except UnicodeDecodeError:
            raise GnomonError(f"{path} is not UTF-8 text", mend="convert it") from None
        alphabet, ids = np.unique(characters, return_inverse=True)
        cut = len(ids) * 9 // 10
        return cls(path, ids[:cut].astype(np.int64), ids[cut:].astype(np.int64), len(alphabet))

    @staticmethod
    def digest(path: str) -> str:
        """SHA-256 of the file. Raises GnomonError when it cannot be read."""
        return hashlib.sha256(_content(path)).hexdigest()

    def windows(self, part: Integers, count: int, length: int, rng: Rng) -> Integers:
        """``count`` stretches without overlap, in random order. Raises GnomonError when the part is too short."""
        whole = len(part) // length
        if whole < count:
            raise GnomonError(
                f"{self.path}: {len(part)} characters hold {whole} windows of {length}, {count} are needed",
                mend="lower tokens or test_windows, or give a longer text",
            )
        chosen = rng.numpy().permutation(whole)[:count]
        return np.asarray(part[: whole * length].reshape(whole, length)[chosen])


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise GnomonError(f"cannot read {path!r}: {error.strerror}", mend="give the path of a text file") from None
