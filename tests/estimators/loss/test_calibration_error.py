"""Calibration error: unbiased square, and an interval that holds with and without a planted error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.loss import CalibrationError, known
from gnomon.estimators.loss.prediction_sums import PredictionSums
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Subject, accumulate


def read(subject: Subject, data: Data, seed: int = 0) -> Measurement:
    (found,) = CalibrationError().measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))
    return found


def tempered(seed: int, n: int, temperature: float) -> tuple[Subject, Data, float]:
    table = known._Table(Rng(seed), temperature=temperature)
    contexts, labels = table.examples(Rng(seed), n)
    truth = 0.0 if temperature == 1 else table.calibration_error
    return Subject(nn.Identity(), loss=CrossEntropy()), ArrayData(table.logits[contexts], labels), truth


def test_square_is_the_sum_over_pairs_of_different_clusters() -> None:
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(120, 3)) * 2, generator.integers(3, size=120)
    clusters = np.repeat(np.arange(40), 3)
    found = read(
        Subject(nn.Identity(), loss=CrossEntropy()), ArrayData(logits.astype(np.float32), labels, clusters=clusters)
    )
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gap = p.max(1) - (p.argmax(1) == labels)
    bins = (p.max(1) * 15).astype(int)
    square = 0.0
    for b in range(15):
        members = np.flatnonzero(bins == b)
        pairs = sum(gap[i] * gap[j] for i, j in itertools.product(members, members) if clusters[i] != clusters[j])
        square += pairs / max(len(members), 1) / 120 * 40 / 39
    assert square > 0.01
    assert found.value == pytest.approx(np.sqrt(square), rel=1e-5)


def test_square_is_unbiased_where_the_plug_in_is_not() -> None:
    """A perfectly calibrated network and few examples: the plug-in reads an error that is not there."""
    squares, plug_ins = [], []
    for seed in range(400):
        subject, data, _ = tempered(seed, 200, 1.0)
        found = read(subject, data)
        statistic = PredictionSums()
        sums = accumulate(subject, data, [statistic], Rng(0))[0][statistic]
        total, in_bin = sums.overconfidence.sum(0), sums.in_bin.sum(0)
        plug_in = (total[in_bin > 0] ** 2 / in_bin[in_bin > 0]).sum() / 200
        estimate = plug_in - (np.square(sums.overconfidence).sum(0)[in_bin > 0] / in_bin[in_bin > 0]).sum() / 200
        squares.append(estimate * 200 / 199)
        plug_ins.append(plug_in)
        assert found.value == pytest.approx(np.sqrt(max(squares[-1], 0)), abs=1e-6)
    error = np.std(squares) / 20
    assert abs(np.mean(squares)) < 3 * error
    assert np.mean(plug_ins) > 20 * error


@pytest.mark.parametrize(
    ("n", "temperature"), [(30, 1.0), (60, 0.9), (200, 1.0), (200, 0.5), (1000, 0.85), (1000, 0.2)]
)
def test_interval_covers(n: int, temperature: float) -> None:
    """From perfectly calibrated to badly over-confident, from few examples to many; misses on neither side abound."""
    trials, below, above = 250, 0, 0
    for seed in range(trials):
        subject, data, truth = tempered(seed, n, temperature)
        found = read(subject, data, seed)
        below += truth < found.uncertainty.low
        above += truth > found.uncertainty.high
    assert 1 - (below + above) / trials >= 0.915
    assert below / trials < 0.06
    assert above / trials < 0.085


def test_interval_is_not_vacuous() -> None:
    subject, data, truth = tempered(0, 1000, 0.5)
    found = read(subject, data)
    assert found.uncertainty.low > 0.1
    assert found.uncertainty.half_width < 0.05
    assert abs(found.value - truth) < 0.05


def test_upper_end_stays_above_zero_however_lucky_the_sample() -> None:
    """Square estimates below zero are common for calibrated models; none may claim certainty."""
    highs, negatives = [], 0
    for seed in range(60):
        found = read(*tempered(seed, 300, 1.0)[:2])
        negatives += found.value == 0.0
        highs.append(found.uncertainty.high)
    assert negatives >= 10
    assert min(highs) > 0.01


def test_copies_would_fool_an_estimate_blind_to_clusters() -> None:
    covered = blind = 0
    for seed in range(200):
        subject, data, truth = known.copies_calibration(Rng(seed))
        found = read(subject, data, seed)
        covered += found.uncertainty.contains(found.value, truth)
        apart = read(subject, ArrayData(data.inputs, data.targets), seed)
        blind += apart.uncertainty.contains(apart.value, truth)
    assert covered >= 186
    assert blind < 20


def test_fewer_than_thirty_are_insufficient_and_say_so() -> None:
    subject, data, _ = tempered(0, 29, 0.5)
    found = read(subject, data)
    assert found.status == "insufficient"
    assert found.suffices == {"examples": 30}
    assert 0 <= found.diagnostics["estimate"] <= 1


def test_bins_must_be_positive() -> None:
    with pytest.raises(GnomonError, match="bins"):
        CalibrationError(bins=0)
