"""Effective rank and the share of the top direction, against closed forms and without the sample's bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from gnomon.estimators import Budget
from gnomon.estimators.geometry import ActivationEffectiveRank, TopVarianceShare
from gnomon.estimators.geometry.spectrum import make_spectrum
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Subject


def read(kind, points, clusters=None):
    subject, data = Subject(torch.nn.Identity()), ArrayData(points, clusters=clusters)
    (m,) = kind().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    return m


def test_the_plug_in_entropy_is_low_as_page_says_and_the_value_is_not():
    rows, width = 300, 60
    found = [read(ActivationEffectiveRank, np.random.default_rng(s).normal(size=(rows, width))) for s in range(20)]
    plug_in = np.mean([np.log(m.diagnostics["plug_in"]) for m in found])
    assert plug_in == pytest.approx(np.log(width) - width / (2 * rows), abs=0.01)
    assert np.mean([m.value for m in found]) == pytest.approx(width, rel=0.01)


@pytest.mark.parametrize("width", [20, 64])
@pytest.mark.parametrize("decay", [1.0, 0.95, 0.7])
@pytest.mark.parametrize("rows", [150, 600])
def test_intervals_cover_the_truth_or_the_reading_is_refused(rows, decay, width):
    deviations = decay ** np.arange(width)
    shares = np.square(deviations) / np.square(deviations).sum()
    truths = {ActivationEffectiveRank: np.exp(-(shares * np.log(shares)).sum()), TopVarianceShare: shares[0]}
    for kind, truth in truths.items():
        found = [read(kind, np.random.default_rng(s).normal(size=(rows, width)) * deviations) for s in range(25)]
        hits = [m.uncertainty.contains(m.value, truth) for m in found if m.status == "ok"]
        assert binom.cdf(sum(hits), len(hits), 0.95) > 1e-3
        if rows == 600 and (kind is ActivationEffectiveRank or decay < 1):
            assert len(hits) == 25
            assert all(m.uncertainty.half_width + m.uncertainty.systematic < 0.35 * truth for m in found)


def test_dependence_in_sequences_is_counted():
    rng = np.random.default_rng(0)
    deviations = 0.8 ** np.arange(30)
    shared = np.repeat(rng.normal(size=(100, 30)), 6, axis=0) * deviations
    rows = shared + 0.01 * rng.normal(size=shared.shape)
    for kind in (ActivationEffectiveRank, TopVarianceShare):
        together, alone = read(kind, rows, np.repeat(np.arange(100), 6)), read(kind, rows)
        assert together.uncertainty.half_width > 2 * alone.uncertainty.half_width


def test_more_features_than_rows():
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 500))).astype(np.float32)
    found = make_spectrum(values, np.arange(60))
    expected = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)[:3] ** 2 / 59
    np.testing.assert_allclose(found.variances[:3], expected, rtol=1e-4)
    assert found.variances[3:].sum() < 1e-6 * found.variances.sum()
    noise = read(ActivationEffectiveRank, rng.normal(size=(60, 500)))
    assert noise.status == "insufficient"
    assert noise.suffices["examples"] >= 250


@pytest.mark.parametrize("kind", [ActivationEffectiveRank, TopVarianceShare])
def test_what_cannot_be_known_is_not_read(kind):
    for points, words in ((np.ones((100, 5)), "told from zero"), (np.eye(20), "20 independent rows")):
        m = read(kind, points)
        assert m.status == "insufficient"
        assert words in m.reason
    isotropic = read(TopVarianceShare, np.random.default_rng(0).normal(size=(40, 200)))
    assert isotropic.status == "insufficient"
    assert "of the estimate" in isotropic.reason
