"""Scores that are higher for texts that a subject was trained on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.privacy.likelihoods import Likelihood

Array = NDArray[np.float64]
Score = Callable[[Sequence[Likelihood], Sequence[str]], Array]

_LEAST_SHARE = 0.2  # of a text's tokens: the k of min-k %, as its authors recommend


def loss(found: Sequence[Likelihood], texts: Sequence[str]) -> Array:
    """Mean log-probability of a token. Source: Yeom et al., arXiv:1709.01604."""
    del texts
    return np.array([one.given.mean() for one in found])


def zlib_ratio(found: Sequence[Likelihood], texts: Sequence[str]) -> Array:
    """Log-probability over the bytes that zlib needs. Source: Carlini et al., arXiv:2012.07805."""
    return np.array([one.given.sum() / len(zlib.compress(t.encode())) for one, t in zip(found, texts, strict=True)])


def min_k(found: Sequence[Likelihood], texts: Sequence[str]) -> Array:
    """Mean log-probability of the fifth of tokens that are least likely. Source: Shi et al., arXiv:2310.16789."""
    del texts
    return np.array([_least(one.given) for one in found])


def min_k_plus(found: Sequence[Likelihood], texts: Sequence[str]) -> Array:
    """As `min_k`, each token by how many spreads it lies above what the subject expects of a token there.

    Source: Zhang et al., arXiv:2404.02936.
    """
    del texts
    return np.array([_least((one.given - one.expected) / np.maximum(one.spread, 1e-6)) for one in found])


# all that need the subject alone, in the order in which they are declared to be tried
SCORES: Mapping[str, Score] = MappingProxyType(
    {"loss": loss, "zlib": zlib_ratio, "min_k": min_k, "min_k_plus": min_k_plus}
)


def reference(found: Sequence[Likelihood], references: Sequence[Array]) -> Array:
    """Log-probability of a text above its mean over references that were not trained on it, a token.

    With one variance for all texts this orders texts as the offline attack of Carlini et al., arXiv:2112.03570, does;
    with one reference it is the calibrated loss of Watson et al., arXiv:2111.08440.
    """
    own = np.array([one.given.sum() for one in found])
    lengths = np.array([len(one.given) for one in found])
    return np.asarray((own - np.mean(references, axis=0)) / lengths)


def _least(values: Array) -> float:
    count = max(1, round(_LEAST_SHARE * len(values)))
    return float(np.partition(values, count - 1)[:count].mean())
