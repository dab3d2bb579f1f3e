"""Selective prediction: areas by brute force, bands, areas and guarantees over many draws from a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, binomtest

from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.selective import answering, area, least_answers, risk_coverage
from gnomon.errors import GnomonError

CURVE = 0.6  # an answer of confidence c is wrong with probability CURVE (1 - c), c uniform


def drawn(n: int, seed: int, *, each: int = 1, alike: float = 0.0) -> Graded:
    generator = np.random.default_rng(seed)
    clusters = np.arange(n) // each
    sure = generator.random(n)
    causes = np.where(generator.random(n) < alike, generator.random(n // each + 1)[clusters], generator.random(n))
    errors = (causes < CURVE * (1 - sure)).astype(float)
    return Graded(texts=("",) * n, errors=errors, clusters=clusters, confidence=sure)


def risk(threshold: float) -> float:
    """Mean of CURVE (1 - c) over c from the threshold to 1."""
    return CURVE * (1 - threshold) / 2


KINDS = pytest.mark.parametrize(
    ("each", "alike"), [pytest.param(1, 0.0, id="independent"), pytest.param(4, 0.7, id="clusters")]
)
AREA, _ = quad(risk, 0, 1)


def test_area_is_the_mean_risk_over_thresholds():
    generator = np.random.default_rng(0)
    graded = Graded(
        texts=("",) * 50,
        errors=generator.random(50),
        clusters=np.arange(50),
        confidence=np.round(generator.random(50), 1),  # ties
    )
    by_hand = np.mean([graded.errors[graded.confidence >= c].mean() for c in graded.confidence])
    value, interval = area(graded)
    assert value == pytest.approx(by_hand)
    assert interval.low < value < interval.high


def test_influences_are_the_derivative_of_the_area():
    """The error of the area is that of a weighted resampling: the delete-one jackknife agrees."""
    graded = drawn(300, 1)
    value, interval = area(graded)
    without = np.array([area(graded.take(np.arange(300) != i))[0] for i in range(300)])
    jackknife = np.sqrt(299 / 300 * np.sum((without - without.mean()) ** 2))
    half = (interval.high - interval.low) / 2
    assert half / 1.968 == pytest.approx(jackknife, rel=0.05)
    assert abs(value - AREA) < 4 * jackknife


def test_where_errors_are_few_the_area_is_anything_that_their_share_leaves():
    """The errors are the least or the most confident of 30 answers; none wrong never gives an interval of no width."""
    sure = np.arange(30) / 30
    for wrong in (0, 1, 4, 27, 30):
        below, above = ((np.arange(30) < wrong).astype(float)[::way] for way in (1, -1))
        parts = [
            area(Graded(texts=("",) * 30, errors=e, clusters=np.arange(30), confidence=sure)) for e in (below, above)
        ]
        assert parts[0][0] <= parts[1][0]
        ends = binomtest(wrong, 30).proportion_ci(0.95, method="exact")
        least, _ = quad(lambda g, p=ends.low: 1 - (1 - p) / g, 1 - ends.low, 1)
        most, _ = quad(lambda g, p=ends.high: p / g, ends.high, 1)
        for value, interval in parts:
            assert interval.low == pytest.approx(min(least, value), abs=1e-9)
            assert interval.high == pytest.approx(max(ends.high + most, value))
            assert interval.high - interval.low > 0.2


@pytest.mark.parametrize(("n", "scarce"), [pytest.param(60, 0.1, id="60"), pytest.param(200, 0.1, id="200")])
def test_areas_cover_where_errors_are_few(n, scarce):
    """With 3 and 10 errors, where Student's interval covers 74 and 88 %."""
    hits = 0
    for seed in range(300):
        graded = drawn(n, seed)
        kept = (np.random.default_rng(10**6 + seed).random(n) < scarce / CURVE) * graded.errors
        part = Graded(texts=graded.texts, errors=kept, clusters=graded.clusters, confidence=graded.confidence)
        _, interval = area(part)
        hits += interval.low <= AREA * scarce / CURVE <= interval.high
    assert hits >= binom.ppf(0.001, 300, 0.95)


def test_risk_is_the_share_of_errors_above_the_threshold():
    graded = drawn(200, 2)
    curve = risk_coverage(graded)
    assert len(curve.thresholds) == 20
    assert np.allclose(curve.coverage, np.arange(1, 21) / 20)
    for threshold, found in zip(curve.thresholds, curve.risk, strict=True):
        assert found == pytest.approx(graded.errors[graded.confidence >= threshold].mean())


def test_nothing_is_answered_where_no_risk_is_shown():
    always = Graded(texts=("",) * 400, errors=np.ones(400), clusters=np.arange(400), confidence=np.ones(400))
    assert answering(always, risk=0.1, delta=0.05) is None
    never = Graded(texts=("",) * 400, errors=np.zeros(400), clusters=np.arange(400), confidence=np.full(400, 0.3))
    found = answering(never, risk=0.1, delta=0.05)
    assert (found.threshold, found.coverage) == (0.0, 1.0)
    fewest = least_answers(0.1, 0.05)
    assert answering(never.take(np.arange(400) < fewest), risk=0.1, delta=0.05) is not None
    assert answering(never.take(np.arange(400) < fewest - 1), risk=0.1, delta=0.05) is None


def test_without_confidences_there_is_nothing_to_go_by():
    with pytest.raises(GnomonError, match="confidences"):
        area(Graded(texts=("",), errors=np.zeros(1), clusters=np.zeros(1, dtype=np.int64)))


@KINDS
@pytest.mark.slow
def test_the_risk_is_kept_with_its_probability(each, alike):
    """Of 300 draws at most a share δ may answer at a threshold whose risk is above r; most have to answer."""
    wrong, answered = 0, 0
    for seed in range(300):
        found = answering(drawn(1600, seed, each=each, alike=alike), risk=0.12, delta=0.1)
        answered += found is not None
        wrong += found is not None and risk(found.threshold) > 0.12
    assert wrong <= binom.ppf(0.999, 300, 0.1)
    assert answered >= 200


@KINDS
@pytest.mark.slow
def test_areas_and_bands_cover(each, alike):
    draws, level, areas, bands = 500, 0.9, 0, 0
    for seed in range(draws):
        graded = drawn(400, 1000 + seed, each=each, alike=alike)
        _, interval = area(graded, level=level)
        areas += interval.low <= AREA <= interval.high
        curve = risk_coverage(graded, level=level)
        truth = risk(curve.thresholds)
        bands += bool(((curve.low <= truth) & (truth <= curve.high)).all())
    print(f"area {areas / draws:.3f}, band {bands / draws:.3f}")
    assert areas >= binom.ppf(0.001, draws, level)
    assert bands >= binom.ppf(0.001, draws, level)
