"""Participation ratio: unbiased where the plug-in formula is not, with intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from gnomon.estimators import Budget
from gnomon.estimators.geometry import ParticipationRatio
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Subject


def read(points, clusters=None, **options):
    subject, data = Subject(torch.nn.Identity()), ArrayData(points, clusters=clusters)
    instrument = ParticipationRatio(**options)
    (m,) = instrument.measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    return m


def plug_in(points):
    variances = np.linalg.eigvalsh(np.cov(points.T))
    return variances.sum() ** 2 / np.square(variances).sum()


@pytest.mark.parametrize(("rows", "dimension"), [(30, 30), (100, 100), (60, 240), (300, 10)])
def test_an_isotropic_gaussian_reads_its_dimension_at_any_n(rows, dimension):
    found = [read(np.random.default_rng(s).normal(size=(rows, dimension))) for s in range(60)]
    values = np.array([m.value for m in found])
    relative = np.std(values / dimension, ddof=1)
    # a ratio of unbiased estimates is biased by about its squared relative error
    assert abs(values.mean() / dimension - 1) < 4 * relative / np.sqrt(60) + 2 * relative**2
    assert sum(m.uncertainty.contains(m.value, dimension) for m in found) >= 54
    if rows <= dimension:
        assert plug_in(np.random.default_rng(0).normal(size=(rows, dimension))) < 0.6 * dimension


@pytest.mark.parametrize(("clusters", "sizes"), [(60, (5, 5)), (100, (1, 10))])
def test_intervals_cover_under_dependence(clusters, sizes):
    deviations = 0.85 ** np.arange(40)
    truth = np.square(deviations).sum() ** 2 / (deviations**4).sum()
    hits = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ids = np.repeat(np.arange(clusters), rng.integers(sizes[0], sizes[1] + 1, size=clusters))
        rows = np.sqrt(0.8) * rng.normal(size=(clusters, 40))[ids] + np.sqrt(0.2) * rng.normal(size=(len(ids), 40))
        m = read(rows * deviations, ids)
        hits.append(m.uncertainty.contains(m.value, truth))
    assert binom.cdf(sum(hits), 60, 0.95) > 1e-3, f"{np.mean(hits):.0%}"
    ignored = read(rows * deviations)  # as if every row stood alone: wrong by more than it says
    assert ignored.uncertainty.half_width < 0.8 * m.uncertainty.half_width


def test_intervals_are_not_wider_than_they_need():
    deviations = 0.8 ** np.arange(30)
    found = [read(np.random.default_rng(s).normal(size=(400, 30)) * deviations) for s in range(80)]
    spread = np.std([m.value for m in found], ddof=1)
    assert np.mean([m.uncertainty.half_width for m in found]) < 1.3 * 1.96 * spread


@pytest.mark.parametrize(
    ("points", "clusters", "words"),
    [
        (np.random.default_rng(0).normal(size=(7, 4)), None, "7 independent rows"),
        (np.random.default_rng(0).normal(size=(50, 4)), np.zeros(50, dtype=np.int64), "1 independent rows"),
        (np.ones((50, 4)), None, "cannot be told from zero"),
        (np.random.default_rng(0).standard_cauchy(size=(20, 100)), None, ""),
    ],
)
def test_what_cannot_be_known_is_not_read(points, clusters, words):
    m = read(points, clusters)
    assert m.status == "insufficient"
    assert words in m.reason


def test_one_direction_reads_one():
    m = read(np.random.default_rng(0).normal(size=(200, 1)) @ np.ones((1, 20)))
    assert m.value == pytest.approx(1, abs=1e-6)


def test_fewer_rows_than_there_are_can_be_asked_for():
    points = np.random.default_rng(0).normal(size=(500, 20))
    assert read(points, rows=100).diagnostics["rows"] == 100
