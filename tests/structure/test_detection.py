"""Area under the ROC curve: against brute force and scikit-learn, and the coverage of its interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from gnomon.errors import GnomonError
from gnomon.structure.directions.detection import auroc, compare

Draw = Callable[[np.random.Generator, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]


def _brute(scores: NDArray[np.float64], labels: NDArray[np.float64], strata: NDArray[np.int64]) -> float:
    right = total = 0.0
    for i in np.flatnonzero(labels > 0):
        for j in np.flatnonzero(labels < 0):
            if strata[i] == strata[j]:
                right += float(scores[i] > scores[j]) + 0.5 * float(scores[i] == scores[j])
                total += 1
    return right / total


@pytest.mark.parametrize("folds", [1, 3], ids=["whole", "folds"])
def test_it_is_the_share_of_pairs_in_order_with_ties(folds: int) -> None:
    rng = np.random.default_rng(folds)
    for _ in range(20):
        n = int(rng.integers(12, 40))
        scores = rng.integers(0, 8, n).astype(float)
        labels = np.where(rng.random(n) < 0.4, 1.0, -1.0)
        labels[:2] = 1.0, -1.0
        strata = rng.integers(0, folds, n)
        strata[:2] = 0
        assert auroc(scores, labels, strata=strata).value == pytest.approx(_brute(scores, labels, strata), abs=1e-12)
        if folds == 1:
            assert auroc(scores, labels).value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_its_influences_are_those_of_leaving_out_a_cluster() -> None:
    """To first order: the jackknife over clusters gives the variance."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 4)
    labels = np.tile([1.0, 1.0, -1.0, -1.0], 60)
    scores = rng.normal(size=60).repeat(4) + 0.7 * labels + rng.normal(size=240)
    found = auroc(scores, labels, clusters=clusters)
    left = np.array([auroc(scores[clusters != c], labels[clusters != c]).value for c in range(60)])
    jackknife = 59 / 60 * np.square(left - left.mean()).sum()
    assert np.square(found.influence).sum() == pytest.approx(jackknife, rel=0.05)
    assert np.corrcoef(found.influence, -left)[0, 1] > 0.999


def test_independent_examples_have_delongs_variance() -> None:
    """The half-width of a wide sample is that of DeLong's variance, which is written out here in full."""
    rng = np.random.default_rng(1)
    up, down = rng.normal(0.8, 1.5, 900), rng.normal(size=700)
    order = (up[:, None] > down).astype(float)
    variance = order.mean(axis=1).var(ddof=1) / 900 + order.mean(axis=0).var(ddof=1) / 700
    found = auroc(np.r_[up, down], np.r_[np.ones(900), -np.ones(700)])
    assert float(found.uncertainty.half_width) == pytest.approx(1.96 * np.sqrt(variance), rel=0.01)


def _normal(area: float, ratio: float) -> Draw:
    shift = float(ndtri(area)) * np.sqrt(1 + ratio**2)
    return lambda rng, m, n: (shift + ratio * rng.normal(size=m), rng.normal(size=n))


def _contaminated(area: float) -> Draw:
    """Few examples that are wrong by far: what makes an interval from the variance fail."""
    return lambda rng, m, n: (
        np.where(rng.random(m) < 1 - area, -2.0, 2.0) + 0.1 * rng.random(m),
        rng.uniform(-1, 1, n),
    )


_CASES = {
    f"{name}-{area}-{m}-{n}": (make(area), area, m, n)
    for m, n in ((8, 8), (20, 20), (50, 50), (10, 60))
    for area in (0.5, 0.75, 0.9, 0.97)
    for name, make in (
        ("normal", lambda a: _normal(a, 1.0)),
        ("wide", lambda a: _normal(a, 2.0)),
        ("contaminated", _contaminated),
    )
    if not (name == "contaminated" and area == 0.5)
}


@pytest.mark.parametrize("case", _CASES)
def test_coverage(case: str) -> None:
    """Between 90 and 99.5 of 100 in 300 draws: never below what is stated by more than chance allows."""
    draw, area, m, n = _CASES[case]
    rng = np.random.default_rng(len(case))
    labels = np.r_[np.ones(m), -np.ones(n)]
    hits = sum(auroc(np.concatenate(draw(rng, m, n)), labels).uncertainty.contains(area, area) for _ in range(300))
    assert 270 <= hits <= 299


def test_coverage_with_clusters() -> None:
    """Ten clusters a class of five near copies, and pairs: an interval that took them for independent would fail."""
    rng = np.random.default_rng(3)
    area = 0.8
    shift = float(ndtri(area)) * np.sqrt(2)
    apart, paired, naive = 0, 0, 0
    labels, clusters = np.repeat([1.0, -1.0], 50), np.repeat(np.arange(20), 5)
    for _ in range(300):
        scores = np.repeat(rng.normal(size=20), 5) * np.sqrt(0.9) + np.sqrt(0.1) * rng.normal(size=100)
        scores += shift * (labels > 0)
        apart += auroc(scores, labels, clusters=clusters).uncertainty.contains(area, area)
        naive += auroc(scores, labels).uncertainty.contains(area, area)
        common = rng.normal(size=30) * np.sqrt(0.8)
        pair = np.r_[common + shift, common] + np.sqrt(0.2) * rng.normal(size=60)
        found = auroc(pair, np.repeat([1.0, -1.0], 30), clusters=np.tile(np.arange(30), 2))
        paired += found.uncertainty.contains(area, area)
    assert 270 <= apart <= 298
    assert 270 <= paired <= 298
    assert naive < 240


def test_perfect_separation_is_not_certainty() -> None:
    """All of P disjoint pairs are in order with probability θ^P, whatever the distribution."""
    for m, n in ((5, 5), (10, 200), (300, 300)):
        found = auroc(np.arange(m + n), np.r_[-np.ones(n), np.ones(m)])
        assert found.value == 1.0
        assert found.uncertainty.low == pytest.approx(0.025 ** (1 / min(m, n)))
        assert found.uncertainty.high == 1.0
        turned = auroc(-np.arange(m + n), np.r_[-np.ones(n), np.ones(m)])
        assert (turned.value, turned.uncertainty.low) == (0.0, 0.0)
        assert turned.uncertainty.high == pytest.approx(1 - 0.025 ** (1 / min(m, n)))


def test_one_cluster_says_nothing_about_others() -> None:
    assert auroc([1.0, 2.0, 3.0, 4.0], [-1, -1, 1, 1], clusters=[0, 1, 2, 2]).uncertainty.kind == "unknown"


def test_the_difference_of_two_areas_is_covered() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([1.0, -1.0], 40)
    hits, unpaired = 0, 0
    truth = 0.9 - 0.7
    for _ in range(300):
        common = rng.normal(size=80) * np.sqrt(0.7)
        first, second = (
            common + np.sqrt(0.3) * rng.normal(size=80) + np.sqrt(2) * float(ndtri(a)) * (labels > 0)
            for a in (0.9, 0.7)
        )
        one, two = auroc(first, labels), auroc(second, labels)
        difference, uncertainty = compare(one, two)
        hits += uncertainty.contains(difference, truth)
        unpaired += float(uncertainty.half_width) < float(
            np.hypot(one.uncertainty.half_width, two.uncertainty.half_width)
        )
    assert 270 <= hits <= 298
    assert unpaired == 300


def test_two_perfect_scores_do_not_differ_for_sure() -> None:
    labels = np.repeat([-1.0, 1.0], 10)
    one = auroc(np.arange(20), labels)
    difference, uncertainty = compare(one, auroc(np.arange(20) ** 3, labels))
    assert difference == 0.0
    assert uncertainty.low == -uncertainty.high == pytest.approx(-(1 - 0.025 ** (1 / 10)))


def test_bad_input_is_one_line() -> None:
    with pytest.raises(GnomonError, match="do not belong together"):
        auroc([1.0, 2.0], [1.0])
    with pytest.raises(GnomonError, match="NaN"):
        auroc([np.nan, 2.0], [1.0, -1.0])
    with pytest.raises(GnomonError, match="no stratum has both"):
        auroc([1.0, 2.0], [1.0, -1.0], strata=[0, 1])
    with pytest.raises(GnomonError, match="not of the same"):
        compare(auroc([1.0, 2.0], [1.0, -1.0]), auroc([1.0, 2.0, 3.0], [1.0, -1.0, 1.0]))
