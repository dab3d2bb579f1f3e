"""The decay exponent: recovered where there is one, with coverage, and refused where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gnomon.estimators.information.clustered import ClusteredMeans, clustered_means
from gnomon.estimators.information.decay import decay
from gnomon.estimators.information.spans import spans

SPANS = spans(1, 128)


def curve(
    entropy: NDArray[np.float64], generator: np.random.Generator, *, noise: float = 0.6, clusters: int = 120
) -> ClusteredMeans:
    """A measured curve: each cluster has a level of its own, which all its spans share."""
    level = np.repeat(generator.normal(size=clusters) * 0.3, len(SPANS))
    span = np.tile(np.arange(len(SPANS)), clusters)
    values = entropy[span] + level + noise * generator.normal(size=len(span)) / 4
    return clustered_means(values, span, np.repeat(np.arange(clusters), len(SPANS)), len(SPANS))


def power(exponent: float, amplitude: float = 1.5) -> NDArray[np.float64]:
    return np.array([2 + amplitude * np.mean(np.arange(a, b + 1.0) ** -exponent) for a, b in SPANS])


@pytest.mark.parametrize("exponent", [0.3, 0.7, 1.2, 2.0])
def test_power_laws_are_recovered_with_coverage(exponent: float) -> None:
    covered, read, errors = 0, 0, []
    for seed in range(120):
        fit = decay(curve(power(exponent), np.random.default_rng(seed)), SPANS)
        assert fit is not None
        read += not fit.objection
        covered += fit.low <= exponent <= fit.high
        errors.append(np.log(fit.exponent / exponent))
    assert read >= 114
    assert covered >= 107  # 95 % of 120 less three standard deviations
    assert abs(np.mean(errors)) < 0.05


def test_an_exact_curve_gives_the_exact_numbers() -> None:
    exact = curve(power(0.8), np.random.default_rng(0))
    exact = ClusteredMeans(power(0.8), exact.influence, exact.clusters)
    fit = decay(exact, SPANS)
    assert fit is not None
    assert (fit.exponent, fit.limit, fit.amplitude) == pytest.approx((0.8, 2.0, 1.5), rel=2e-4)


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("level", lambda m: 0 * m, "does not surely fall"),
        ("rising", lambda m: 0.3 * np.log(m), "does not surely fall"),
        ("step", lambda m: 1.0 * (m < 6), "no power law"),
        ("exponential", lambda m: 2 * np.exp(-m / 12), "no power law"),
        ("two steps", lambda m: 1.0 * (m < 3) + 1.0 * (m < 40), "no power law"),
    ],
)
def test_what_is_no_power_law_is_refused(name: str, shape: object, says: str) -> None:
    assert callable(shape), name
    entropy = np.array([2 + np.mean(shape(np.arange(a, b + 1.0))) for a, b in SPANS])
    objections = [decay(curve(entropy, np.random.default_rng(s), noise=0.3), SPANS) for s in range(40)]
    assert sum(says in fit.objection for fit in objections if fit is not None) >= 38


@pytest.mark.parametrize(("amplitude", "most", "fewest"), [(0.02, 2, 0), (0.08, 100, 20)])
def test_a_faint_decay_is_not_read_or_covered(amplitude: float, most: int, fewest: int) -> None:
    """That only the clearer ones are read does not spoil the coverage of those."""
    found = [decay(curve(power(0.7, amplitude), np.random.default_rng(s)), SPANS) for s in range(100)]
    read = [fit for fit in found if fit is not None and not fit.objection]
    assert fewest <= len(read) <= most
    assert sum(fit.low <= 0.7 <= fit.high for fit in read) >= 0.88 * len(read)


def test_too_few_spans_give_nothing() -> None:
    short = spans(0, 6)
    generator = np.random.default_rng(0)
    span = np.tile(np.arange(len(short)), 30)
    means = clustered_means(generator.normal(size=len(span)), span, np.repeat(np.arange(30), len(short)), len(short))
    assert decay(means, short) is None


def test_simultaneous_bands_hold_the_whole_curve() -> None:
    """The factor is the quantile of the largest of all deviations: the band holds all at once in 95 % of cases."""
    truth, held, pointwise = power(0.6), 0, 0.0
    for seed in range(100):
        found = curve(truth, np.random.default_rng(seed))
        off = np.abs(found.means - truth)
        held += bool((off <= found.simultaneous_factor() * found.errors).all())
        pointwise += float((off <= found.half_widths()).mean()) / 100
    assert 88 <= held <= 99
    assert 0.93 < pointwise < 0.97
