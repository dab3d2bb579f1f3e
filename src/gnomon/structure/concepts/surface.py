"""What the words of a text alone tell of a concept: the baseline that a direction has to beat."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags
from scipy.special import expit

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.directions.detection import Auroc, auroc
from gnomon.structure.directions.folds import deal

Array = NDArray[np.float64]

# An area that far from 1/2, on either side, tells something that matters; less may be sure and yet small.
TELLING = 0.55

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

    Each word w of a text has weight :math:`(1 + \ln n_w) \ln\frac{1 + N}{1 + N_w} + 1`, with :math:`n_w` its number in
    the text, and :math:`N_w` of N texts that hold it; each text is scaled to unit length. Words are runs of letters
    and digits, in any case. The coefficients minimise the mean negative log-likelihood plus
    :math:`\frac\lambda2 \|w\|^2`; λ is the one with the least cross-validated negative log-likelihood.

    Parameters
    ----------
    labels : ``(n,)``, positive where above zero.
    clusters : ``(n,)`` ids of texts that stay together in cross-validation; by default each is on its own.

    Raises
    ------
    GnomonError : when numbers of texts and labels differ, or no text holds a word.
    InsufficientEvidenceError : with fewer than 6 clusters of either class.

    Cost: at most 42 fits, each some 30 products with the sparse matrix of word counts. Source: Salton & Buckley, Inf.
    Process. Manag. 24 (1988) 513 (weights of words).
    """
    groups = np.arange(len(texts)) if clusters is None else clusters
    if not len(texts) == len(labels) == len(groups):
        raise GnomonError(f"{len(texts)} texts, {len(labels)} labels and {len(groups)} clusters do not belong together")
    positive = labels > 0
    folds = deal(positive, groups, folds=_FOLDS, rng=rng.child("penalty"))
    held = [(_at(texts, outside), np.where(positive[outside], 1.0, -1.0)) for _, outside in _splits(folds)]
    paths = [_path(_at(texts, inside), positive[inside]) for inside, _ in _splits(folds)]
    losses: list[float] = []
    for scorers in zip(*paths, strict=True):
        found = [np.logaddexp(0, -y * scorer(those)).sum() for scorer, (those, y) in zip(scorers, held, strict=True)]
        losses.append(float(sum(found)))
        if losses[-1] > min(losses) and losses[-2] > min(losses):
            break  # it has risen twice, and does not fall again
    *_, chosen = itertools.islice(_path(texts, positive), int(np.argmin(losses)) + 1)
    return chosen


def cross_validated(concept: Concept, *, rng: Rng, level: float = 0.95) -> Auroc:
    """Area under the ROC curve of the words alone: each text is scored by a `fit` that saw none of its cluster.

    The penalty is chosen inside each fold, without it. For a graded concept the texts above its median are the
    positive ones. Errors as `fit`.
    """
    labels = positive_labels(concept)
    folds = deal(labels > 0, concept.clusters, folds=_FOLDS, rng=rng.child("surface"))
    scores = np.empty(len(concept))
    for number, (inside, outside) in enumerate(_splits(folds)):
        inner = rng.child("surface", number)
        scorer = fit(_at(concept.texts, inside), labels[inside], clusters=concept.clusters[inside], rng=inner)
        scores[outside] = scorer(_at(concept.texts, outside))
    return auroc(scores, labels, clusters=concept.clusters, strata=folds, level=level)


def surface_leak(found: Auroc) -> list[Concern]:
    """Warns when the interval of `cross_validated` lies above 0.55, or below 0.45, which no text can by itself.

    Below 1/2 are words that change sides between folds: a text and its counterpart of the other class share rare
    words, and stand in different folds.
    """
    low, high = found.uncertainty.low, found.uncertainty.high
    if low is None or high is None or not (low > TELLING or high < 1 - TELLING):
        return []
    reading = f"AUROC {found.value:.2f} [{low:.2f}, {high:.2f}]"
    numbers = {"auroc": found.value, "low": float(low), "high": float(high)}
    if found.value > 0.5:
        finding = f"words alone tell the classes apart: {reading} on texts that were held out"
        mend = "ask a direction to beat that, or test it on texts of other words"
        return [Concern(check="surface", finding=finding, mend=mend, numbers=numbers)]
    finding = (
        f"words learned on some texts point the wrong way on others: {reading}; texts of both classes share rare words"
    )
    mend = "say which belong together: --pair or --cluster"
    return [Concern(check="surface", finding=finding, mend=mend, numbers=numbers)]


def positive_labels(concept: Concept) -> Array:
    """+1 and -1: a concept's labels, or for a graded one whether they are above their median."""
    middle = float(np.median(concept.labels)) if concept.kind == "graded" else 0.0
    return np.where(concept.labels > middle, 1.0, -1.0)


def _splits(folds: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each fold what is fitted and what is held out."""
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def _at(texts: Sequence[str], indices: NDArray[np.int64]) -> list[str]:
    return [texts[i] for i in indices.tolist()]


def _path(texts: Sequence[str], positive: NDArray[np.bool_]) -> Iterator[SurfaceScorer]:
    """A scorer for each penalty, the strongest first."""
    found = [_WORD.findall(text.casefold()) for text in texts]
    vocabulary = {word: i for i, word in enumerate(sorted({word for words in found for word in words}))}
    if not vocabulary:
        raise GnomonError("no text holds a word", mend="give texts of letters or digits")
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
