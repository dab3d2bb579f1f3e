"""Norm, kurtosis and anisotropy: exact on small examples, covering over seeds, honest about missing rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import binom, kurtosis, t

from gnomon.estimators import Budget
from gnomon.estimators.geometry import ActivationKurtosis, ActivationNorm, Anisotropy, known
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Subject

INSTRUMENTS = (ActivationNorm, ActivationKurtosis, Anisotropy)


def read(kind, points, clusters=None):
    subject, data = Subject(torch.nn.Identity()), ArrayData(points, clusters=clusters)
    (m,) = kind().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    return m


POINTS = np.random.default_rng(5).normal(size=(40, 6)).astype(np.float32).astype(float) + 0.5
CLUSTERS = np.arange(40) // 3


def test_norm_is_the_root_of_the_mean_square():
    assert read(ActivationNorm, POINTS).value == pytest.approx(np.sqrt(np.square(POINTS).sum(axis=1).mean()), rel=1e-6)


def test_kurtosis_is_that_of_each_row():
    expected = kurtosis(POINTS, axis=1, fisher=False).mean()
    assert read(ActivationKurtosis, POINTS).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_anisotropy_is_over_all_pairs_from_different_clusters(clusters):
    ids = np.arange(40) if clusters is None else clusters
    units = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    pairs = [(i, j) for i, j in itertools.combinations(range(40), 2) if ids[i] != ids[j]]
    expected = np.mean([units[i] @ units[j] for i, j in pairs])
    m = read(Anisotropy, POINTS, clusters)
    assert m.value == pytest.approx(expected, rel=1e-5)
    without = [np.mean([units[i] @ units[j] for i, j in pairs if c not in (ids[i], ids[j])]) for c in np.unique(ids)]
    n = len(without)
    error = np.sqrt((n - 1) / n * np.square(np.array(without) - np.mean(without)).sum())
    assert m.uncertainty.half_width == pytest.approx(t.ppf(0.975, n - 1) * error, rel=1e-4)


CASES = [(kind, answer) for kind in INSTRUMENTS for answer in kind.known_answers()]


@pytest.mark.parametrize(("kind", "answer"), CASES, ids=lambda value: getattr(value, "name", None))
def test_intervals_cover_the_truth(kind, answer):
    hits, errors = [], []
    for seed in range(150):
        subject, data, truth = answer.make(Rng(seed).child("row means"))
        (m,) = kind().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
        hits.append(m.uncertainty.contains(m.value, truth))
        errors.append(m.value - truth)
    assert binom.cdf(sum(hits), 150, 0.95) > 1e-3, f"{np.mean(hits):.0%}"
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(150) + 2 * np.var(errors) / abs(truth or 1)


def test_a_massive_feature_shows_in_the_kurtosis_and_not_after_a_rotation():
    points = np.random.default_rng(0).normal(size=(200, 50))
    points[:, 7] += 40
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(50, 50)))
    assert read(ActivationKurtosis, points).value > 30
    assert read(ActivationKurtosis, points @ rotation).value < 6


def test_rows_that_have_no_number_are_left_out_and_counted():
    points = np.concatenate([POINTS, np.zeros((5, 6))])
    for kind in (ActivationKurtosis, Anisotropy):
        m, plain = read(kind, points), read(kind, POINTS)
        assert m.value == pytest.approx(plain.value, rel=1e-6)
        assert m.diagnostics["rows_without"] == 5
    m = read(ActivationKurtosis, np.ones((50, 6)) * 0.1)
    assert m.status == "insufficient"
    assert read(Anisotropy, np.zeros((50, 6))).status == "insufficient"


@pytest.mark.parametrize("kind", INSTRUMENTS)
def test_too_few_independent_rows(kind):
    m = read(kind, POINTS, np.arange(40) // 8)
    assert m.status == "insufficient"
    assert "5 independent rows" in m.reason
    assert m.suffices["examples"] == 64


def test_known_sequences_are_not_all_alike():
    _, data, _ = known.shared_in_sequences(Rng(0))
    assert 1 < len(data) / len(np.unique(data.clusters)) < 5
