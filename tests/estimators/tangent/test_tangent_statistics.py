"""What is read off a kernel: against definitions, closed forms, and over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from gnomon.estimators.tangent.jackknife import jackknifed
from gnomon.estimators.tangent.statistics import (
    alignment,
    effective_rank,
    eigenvalues,
    kernel_distance,
    label_kernel,
    relative_change,
)


def _rows(seed: int, n: int, d: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d)) * 2.0 ** -np.arange(d)


def test_eigenvalues_are_those_of_the_covariance() -> None:
    x = _rows(0, 12, 4)
    found = eigenvalues(x @ x.T)
    assert np.allclose(found[:4], np.linalg.eigvalsh(x.T @ x / 12)[::-1], rtol=1e-10)
    assert (found[4:] >= 0).all()
    assert (found[4:] < 1e-14).all()


def test_effective_rank_counts_equal_eigenvalues() -> None:
    assert effective_rank(np.diag([3.0] * 5 + [0.0] * 4)) == pytest.approx(5.0)
    assert effective_rank(np.zeros((3, 3))) == 1.0


def test_labels_as_one_hot_vectors_and_as_values() -> None:
    classes = np.array([0, 2, 0])
    assert np.array_equal(label_kernel(classes), np.eye(3)[classes] @ np.eye(3)[classes].T)
    values = np.array([[1.0, 2.0], [0.5, 0.0]], dtype=np.float32)
    assert np.allclose(label_kernel(values), values @ values.T)


def test_alignment_is_one_with_itself_and_centred() -> None:
    x = _rows(0, 20, 5)
    kernel = x @ x.T
    assert alignment(kernel, 3 * kernel + 7) == pytest.approx(1.0)
    assert np.isnan(alignment(kernel, np.ones((20, 20))))


def test_alignment_with_unrelated_labels_is_zero_on_average_whatever_the_size() -> None:
    """The plain cosine of centred kernels is far above zero here."""
    for n in (10, 30):
        found = []
        for seed in range(400):
            x = np.random.default_rng(seed).normal(size=(n, 50))
            labels = label_kernel(np.random.default_rng(1000 + seed).integers(0, 3, size=n))
            found.append(float(alignment(x @ x.T, labels)))
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert abs(np.mean(found)) <= 4 * error


def test_drift_of_a_kernel_that_grows_and_of_one_that_turns() -> None:
    x = _rows(0, 8, 3)
    kernel = x @ x.T
    assert relative_change(1.5 * kernel, kernel) == pytest.approx(0.5)
    assert kernel_distance(1.5 * kernel, kernel) == pytest.approx(0.0, abs=1e-15)
    one, other = np.diag([1.0, 0.0]), np.diag([0.0, 2.0])
    assert kernel_distance(one, other) == 1.0
    assert relative_change(other, one) == pytest.approx(np.sqrt(5))


@pytest.mark.parametrize("each", [1, 3])
def test_the_jackknife_covers_other_draws_of_as_many_predictions(each: int) -> None:
    """Rows come in clusters of ``each`` that are nearly alike; the intervals must not take them for independent."""
    clusters, trials, d = 16, 100, 6

    def draw(seed: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        shared = np.repeat(rng.normal(size=(clusters, d)), each, axis=0)
        return (shared + 0.1 * rng.normal(size=(clusters * each, d))) * 2.0 ** -np.arange(d)

    truth = np.mean([effective_rank(x.T @ x) for x in map(draw, range(10_000, 12_000))])
    held = 0
    for seed in range(trials):
        x = draw(seed)
        found = jackknifed(lambda k, _: effective_rank(k), (x @ x.T)[None], np.repeat(np.arange(clusters), each))
        held += found.uncertainty(found.value).contains(float(found.value), float(truth))
    assert binom.ppf(1e-4, trials, 0.93) <= held <= binom.ppf(1 - 1e-4, trials, 0.975)


def test_the_jackknife_over_probes_takes_their_bias_off() -> None:
    """K is estimated by K^v with E K^v = K; the entropy of an average of few is biased."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 6))
    truth = float(effective_rank(x @ x.T))
    plain, corrected, held = [], [], 0
    trials, probes = 200, 6
    for _ in range(trials):
        scales = rng.chisquare(2, size=(probes, 1, 6)) / 2
        kernels = np.stack([(x * s) @ x.T for s in scales])
        found = jackknifed(lambda k, _: effective_rank(k), kernels, np.arange(24))
        plain.append(float(found.value + found.bias))
        corrected.append(float(found.value))
        held += found.uncertainty(found.value).contains(float(found.value), truth)
    assert abs(np.mean(plain) - truth) > 5 * np.std(plain) / np.sqrt(trials)
    assert abs(np.mean(corrected) - truth) < 0.4 * abs(np.mean(plain) - truth)
    assert held >= 0.9 * trials
