"""What the words of a text alone tell of a concept: the baseline that a direction has to beat."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags
from scipy.special import expit

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.directions.cross_validation import cross_validated
from gnomon.structure.directions.detection import Auroc
from gnomon.structure.directions.folds import deal
from gnomon.structure.examples import Examples, positives

Array = NDArray[np.float64]

# An area that far from 1/2, on either side, tells something that matters; less may be sure and yet small.
TELLING = 0.55
_CHANCE = 0.5

_WORD = re.compile(r"\w+")
_FOLDS = 5
# From a fit that follows every word to one that hardly moves from the share of positives; strongest first, because a
# fit begins where the one before it ended. Texts have unit length.
_PENALTIES = np.logspace(0, -6, 7)
_GRADIENT = 1e-6


@dataclass(frozen=True, eq=False)
class SurfaceScorer:
    """Scores texts by their words; higher where the concept is likelier.

    Parameters
    ----------
    vocabulary : column of each word that the fit saw.
    rarity : ``(words,)`` inverse document frequency of each.
    weights, intercept : of the log-odds of the concept.
    penalty : that was chosen.
    """

    vocabulary: Mapping[str, int]
    rarity: Array
    weights: Array
    intercept: float
    penalty: float

    def __call__(self, texts: Sequence[str]) -> Array:
        """``(n,)`` log-odds; words that the fit did not see do not count."""
        return np.asarray(_vectors(texts, self.vocabulary, self.rarity) @ self.weights + self.intercept)


def fit(texts: Sequence[str], labels: Array, *, clusters: NDArray[np.int64] | None = None, rng: Rng) -> SurfaceScorer:
    r"""A logistic regression on the words of ``texts``.

    Each word w of a text has weight :math:`(1 + \ln n_w) (1 + \ln\frac{1 + N}{1 + N_w})`, with :math:`n_w` its number
    in the text, and :math:`N_w` of N texts that hold it; each text is scaled to unit length. Words are runs of letters
    and digits, in any case. The coefficients minimise the mean negative log-likelihood plus
    :math:`\frac\lambda2 \|w\|^2`; λ is the one with the least cross-validated negative log-likelihood.

    Parameters
    ----------
    labels : ``(n,)``, positive where above zero.
    clusters : ``(n,)`` ids of texts that stay together in cross-validation; by default each is on its own.

    Raises
    ------
    GnomonError : when numbers of texts and labels differ.
    InsufficientEvidenceError : with fewer than 6 clusters of either class, or when no text holds a word.

    Cost: at most 42 fits, each some 30 products with the sparse matrix of word counts. Source: Salton & Buckley, Inf.
    Process. Manag. 24 (1988) 513 (weights of words).
    """
    groups = np.arange(len(texts)) if clusters is None else clusters
    if not len(texts) == len(labels) == len(groups):
        raise GnomonError(f"{len(texts)} texts, {len(labels)} labels and {len(groups)} clusters do not belong together")
    positive = labels > 0
    folds = deal(positive, groups, folds=_FOLDS, rng=rng.child("surface"))
    paths = [_path(_at(texts, folds != fold), positive[folds != fold]) for fold in np.unique(folds)]
    losses: list[float] = []
    for scorers in zip(*paths, strict=True):
        scores = np.empty(len(texts))
        for fold, scorer in enumerate(scorers):
            scores[folds == fold] = scorer(_at(texts, folds == fold))
        losses.append(float(_losses(scores, positive).sum()))
        if _risen(losses):
            break
    return _nth(_path(texts, positive), int(np.argmin(losses)))


def cross_validated_words(concept: Concept, *, rng: Rng, level: float = 0.95) -> Auroc:
    """Area under the ROC curve of the words alone, each text scored by a fit that saw none of its cluster.

    For each of 5 folds the penalty is chosen by cross-validation among the others, as in `fit`; the fits without both
    of two folds serve for that, and tell how much the folds' areas depend on each other, which the interval allows
    for. For a graded concept the texts above its median are the positive ones. Errors as `fit`.

    Cost: at most 105 fits.
    """
    texts, labels = concept.texts, positive_labels(concept)
    positive = labels > 0
    folds = deal(positive, concept.clusters, folds=_FOLDS, rng=rng.child("surface"))
    count = int(folds.max()) + 1
    pairs = list(itertools.combinations(range(count), 2))
    paths = [_path(_at(texts, ~np.isin(folds, pair)), positive[~np.isin(folds, pair)]) for pair in pairs]
    without: list[Array] = []  # for each penalty (K, n): [a, i] by the fit without fold a and that of i
    losses: list[list[float]] = [[] for _ in range(count)]
    for scorers in zip(*paths, strict=True):
        scores = np.zeros((count, len(texts)))
        for (a, b), scorer in zip(pairs, scorers, strict=True):
            scores[a, folds == b], scores[b, folds == a] = (
                scorer(_at(texts, folds == b)),
                scorer(_at(texts, folds == a)),
            )
        without.append(scores)
        for a in range(count):
            losses[a].append(float(_losses(scores[a], positive)[folds != a].sum()))
        if all(_risen(each) for each in losses):
            break
    chosen = [int(np.argmin(each)) for each in losses]
    scores = np.stack([without[best][a] for a, best in enumerate(chosen)])
    for a, best in enumerate(chosen):
        scorer = _nth(_path(_at(texts, folds != a), positive[folds != a]), best)
        scores[a, folds == a] = scorer(_at(texts, folds == a))
    # of the examples, their labels and clusters alone are looked at
    examples = Examples(inputs=torch.zeros(len(texts), 1), labels=torch.from_numpy(labels), clusters=concept.clusters)
    return cross_validated(scores, examples, folds, level=level)


def surface_leak(found: Auroc) -> list[Concern]:
    """Warns when the interval of `cross_validated_words` lies above 0.55, or below 1/2.

    Independent texts have no area below 1/2. It comes of texts whose counterparts of the other class share rare words
    and stand in another fold: what is learned of one is wrong of the other.
    """
    low, high = found.uncertainty.low, found.uncertainty.high
    if low is None or high is None or not (low > TELLING or high < _CHANCE):
        return []
    reading = f"AUROC {found.value:.2f} [{low:.2f}, {high:.2f}]"
    numbers = {"auroc": found.value, "low": float(low), "high": float(high)}
    if low > TELLING:
        finding = f"words alone tell the classes apart: {reading} on texts that were held out"
        mend = "ask a direction to beat that, or test it on texts of other words"
        return [Concern(check="surface", finding=finding, mend=mend, numbers=numbers)]
    finding = (
        f"words learned on some texts point the wrong way on others: {reading}; texts of both classes share rare words"
    )
    mend = "say which belong together: --pair or --cluster"
    return [Concern(check="surface", finding=finding, mend=mend, numbers=numbers)]


def positive_labels(concept: Concept) -> Array:
    """+1 and -1: a concept's labels, or for a graded one whether they are high, see `positives`."""
    return np.where(positives(torch.from_numpy(concept.labels), concept.kind).numpy(), 1.0, -1.0)


def _at(texts: Sequence[str], where: NDArray[np.bool_]) -> list[str]:
    return list(itertools.compress(texts, where))


def _losses(scores: Array, positive: NDArray[np.bool_]) -> Array:
    """Negative log-likelihood of each, in nats."""
    return np.asarray(np.logaddexp(0, np.where(positive, -scores, scores)))


def _risen(losses: Sequence[float]) -> bool:
    """Whether the last two of falling penalties are worse than one before: it does not fall again."""
    return min(losses) < min(losses[-2:])


def _nth(path: Iterator[SurfaceScorer], place: int) -> SurfaceScorer:
    return next(itertools.islice(path, place, None))


def _path(texts: Sequence[str], positive: NDArray[np.bool_]) -> Iterator[SurfaceScorer]:
    """A scorer for each penalty, the strongest first."""
    found = [_WORD.findall(text.casefold()) for text in texts]
    vocabulary = {word: i for i, word in enumerate(sorted({word for words in found for word in words}))}
    if not vocabulary:
        raise InsufficientEvidenceError("no text holds a word", mend="give texts of letters or digits")
    counts = _counts(texts, vocabulary)
    held = np.bincount(counts.indices, minlength=len(vocabulary))
    rarity = np.log((1 + len(texts)) / (1 + held)) + 1
    inputs = _vectors(texts, vocabulary, rarity)
    signs = np.where(positive, 1.0, -1.0)
    start = np.zeros(len(vocabulary) + 1)
    for penalty in _PENALTIES:

        def objective(at: Array, penalty: float = float(penalty)) -> tuple[float, Array]:
            margins = signs * (inputs @ at[:-1] + at[-1])
            slopes = -signs * expit(-margins) / len(signs)
            value = np.logaddexp(0, -margins).mean() + penalty * at[:-1] @ at[:-1] / 2
            return float(value), np.append(inputs.T @ slopes + penalty * at[:-1], slopes.sum())

        start = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": _GRADIENT}).x
        yield SurfaceScorer(vocabulary, rarity, start[:-1].copy(), float(start[-1]), float(penalty))


def _counts(texts: Sequence[str], vocabulary: Mapping[str, int]) -> csr_matrix:
    """``(n, words)``, how often each text holds each word."""
    rows, columns = [], []
    for row, text in enumerate(texts):
        known = [vocabulary[word] for word in _WORD.findall(text.casefold()) if word in vocabulary]
        rows += [row] * len(known)
        columns += known
    counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(vocabulary)))
    counts.sum_duplicates()
    return counts


def _vectors(texts: Sequence[str], vocabulary: Mapping[str, int], rarity: Array) -> csr_matrix:
    """``(n, words)``: see `fit`. A text without a known word is zero."""
    vectors = _counts(texts, vocabulary)
    vectors.data = (1 + np.log(vectors.data)) * rarity[vectors.indices]
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return diags(1 / np.where(lengths > 0, lengths, 1.0)) @ vectors
