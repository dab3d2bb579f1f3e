"""The bag of words: agreement with scikit-learn, its truth on planted words, and its error rate on nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.structure.concepts.surface import cross_validated_words, fit, surface_leak


def words(n: int, rng: np.random.Generator, *, vocabulary: int = 60, length: int = 8) -> list[list[str]]:
    return [[f"w{i}" for i in rng.integers(0, vocabulary, length)] for _ in range(n)]


def concept(texts: list[str], labels: np.ndarray, clusters: np.ndarray | None = None, kind: str = "binary") -> Concept:
    clusters = np.arange(len(texts)) if clusters is None else clusters
    return Concept(name="made", texts=tuple(texts), labels=labels.astype(float), kind=kind, clusters=clusters)


def planted(n: int, rng: np.random.Generator, share: float) -> tuple[list[str], np.ndarray]:
    """Random words, and with probability ``share`` one more that is ``yes`` or ``no`` after the label."""
    labels = np.resize([1.0, -1.0], n)
    texts = words(n, rng)
    for text, label in zip(texts, labels, strict=True):
        if rng.random() < share:
            text.append("Yes," if label > 0 else "no.")
    return [" ".join(text) for text in texts], labels


def test_it_is_scikit_learns_fit_of_weighted_words() -> None:
    texts, labels = planted(120, np.random.default_rng(0), 0.5)
    found = fit(texts, labels, rng=Rng(0))
    vectors = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    inputs = vectors.fit_transform(texts)
    assert list(vectors.get_feature_names_out()) == list(found.vocabulary)
    oracle = LogisticRegression(C=1 / (found.penalty * len(texts)), tol=1e-10, max_iter=10**4).fit(inputs, labels)
    other = ["w1 w1 w2 yes", "no w5 unseen", "unseen"]
    np.testing.assert_allclose(found(other), oracle.decision_function(vectors.transform(other)), atol=2e-3, rtol=2e-3)


def test_its_area_is_that_of_the_planted_word() -> None:
    """A word gives the label away in a share q of texts: the best score is wrong only on half of the pairs without.

    That is 1 - (1 - q)²/2.
    """
    texts, labels = planted(300, np.random.default_rng(1), 0.6)
    found = cross_validated_words(concept(texts, labels), rng=Rng(0))
    best = 1 - 0.4**2 / 2
    assert found.value == pytest.approx(best, abs=0.03)
    assert found.uncertainty.low < best < found.uncertainty.high
    (concern,) = surface_leak(found)
    assert "words alone tell the classes apart" in concern.finding


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3], ids=["nothing", "a third"])
def test_the_interval_holds_the_mean_area_of_fresh_fits_on_new_texts(share) -> None:
    """Of 100 draws 90 or more: half for words of no meaning, of which few alarm."""
    new, sides = planted(2000, np.random.default_rng(10**6), share)
    found, truths = [], []
    for seed in range(100):
        texts, labels = planted(100, np.random.default_rng(seed), share)
        found.append(cross_validated_words(concept(texts, labels), rng=Rng(seed)))
        kept = np.arange(100) % 5 != 0  # as many texts as a fold leaves
        scorer = fit(list(itertools.compress(texts, kept)), labels[kept], rng=Rng(seed))
        truths.append(roc_auc_score(sides, scorer(new)))
    truth = 0.5 if share == 0 else float(np.mean(truths))
    areas = np.array([each.value for each in found])
    covered = sum(each.uncertainty.low <= truth <= each.uncertainty.high for each in found)
    alarms = sum(bool(surface_leak(each)) for each in found)
    print(f"mean {areas.mean():.3f}, truth {truth:.3f}, covered {covered}, alarms {alarms}")
    assert abs(areas.mean() - truth) < 3 * areas.std() / 10
    assert covered >= 90
    assert alarms <= 5 or share > 0


def test_pairs_that_are_not_declared_read_below_chance_and_are_named() -> None:
    """Texts and their counterparts share a word of their own; its side is learned from the counterpart."""
    rng = np.random.default_rng(2)
    labels = np.resize([1.0, -1.0], 200)
    pairs = np.repeat(np.arange(100), 2)
    texts = [f"own{p} {' '.join(w)}" for p, w in zip(pairs, words(200, rng, vocabulary=5), strict=True)]
    apart = cross_validated_words(concept(texts, labels), rng=Rng(0))
    assert apart.uncertainty.high < 0.5
    (concern,) = surface_leak(apart)
    assert "--pair or --cluster" in concern.mend
    together = cross_validated_words(concept(texts, labels, clusters=pairs, kind="paired"), rng=Rng(0))
    assert together.uncertainty.low <= 0.5 <= together.uncertainty.high
    assert not surface_leak(together)


def test_grades_are_split_at_their_median() -> None:
    texts, labels = planted(120, np.random.default_rng(3), 1.0)
    grades = labels + np.linspace(0, 0.5, 120)
    found = cross_validated_words(concept(texts, grades, kind="graded"), rng=Rng(0))
    assert found.value > 0.99


def test_the_same_rng_gives_the_same_scores_and_new_texts_can_be_scored() -> None:
    texts, labels = planted(60, np.random.default_rng(4), 0.8)
    one, two = (fit(texts, labels, rng=Rng(7)) for _ in range(2))
    assert one.penalty == two.penalty
    assert one(["yes w1"])[0] == two(["yes w1"])[0]
    assert one(["YES!"])[0] > one(["no"])[0]


def test_too_few_texts_and_texts_without_words_are_refused() -> None:
    with pytest.raises(InsufficientEvidenceError, match="too few to cross-validate"):
        fit(["a", "b", "c", "d"], np.array([1.0, -1, 1, -1]), rng=Rng(0))
    with pytest.raises(InsufficientEvidenceError, match="no text holds a word"):
        fit(["!", "?"] * 10, np.resize([1.0, -1.0], 20), rng=Rng(0))
    with pytest.raises(GnomonError, match="1 texts, 2 labels and 1 clusters do not belong together"):
        fit(["a"], np.array([1.0, -1]), rng=Rng(0))
