"""Rows made fit for a dimension estimate: copies, rounding and dependence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.estimators.geometry.cloud import CannotReadError, make_cloud

RNG = np.random.default_rng(3)
POINTS = RNG.normal(size=(400, 12)).astype(np.float32)
ALONE = np.arange(400)


def test_copies_count_once():
    chosen = RNG.permutation(np.r_[np.arange(400), RNG.integers(400, size=200)])
    plain, copied = make_cloud(POINTS, ALONE), make_cloud(POINTS[chosen], np.arange(600))
    assert copied.duplicates == pytest.approx(1 / 3)
    assert plain.duplicates == 0
    np.testing.assert_allclose(np.sort(copied.distances[:, 0]), np.sort(plain.distances[:, 0]), rtol=1e-12)


def test_a_row_many_times_over_counts_once():
    rows = np.concatenate([np.repeat(POINTS[:1], 1000, axis=0), POINTS])
    assert len(make_cloud(rows, np.arange(1400)).distances) == 400


def test_minus_zero_is_zero():
    signed = np.concatenate([POINTS, POINTS])
    signed[:, 0] = np.r_[np.zeros(400), -np.zeros(400)]
    assert len(make_cloud(signed, np.arange(800)).distances) == 400


def test_copies_to_rounding_count_once():
    noisy = POINTS * (1 + 2.0**-24 * RNG.normal(size=POINTS.shape))
    cloud = make_cloud(np.concatenate([POINTS, noisy.astype(np.float32)]), np.arange(800))
    assert len(cloud.distances) == 400


def test_what_is_farther_apart_than_rounding_stays():
    noisy = POINTS * (1 + 1e-5 * RNG.normal(size=POINTS.shape))
    assert len(make_cloud(np.concatenate([POINTS, noisy.astype(np.float32)]), np.arange(800)).distances) == 800


def test_half_precision_is_known_by_its_bits():
    rows = torch.from_numpy(np.concatenate([POINTS, POINTS * (1 + 2.0**-9 * RNG.normal(size=POINTS.shape))]))
    coarse = rows.bfloat16().float().numpy()
    assert len(make_cloud(coarse, np.arange(800)).distances) < 450
    assert len(make_cloud(rows.numpy().astype(np.float32), np.arange(800)).distances) == 800


def test_a_cloud_that_rounding_has_eaten_is_refused():
    with pytest.raises(CannotReadError, match="spacing of the stored numbers"):
        make_cloud((POINTS * 1e-3 + 1e4).astype(np.float32), ALONE)
    with pytest.raises(CannotReadError, match=r"times the spacing of the stored numbers apart"):
        make_cloud((POINTS * 1e-2 + 1e4).astype(np.float32), ALONE)


def test_too_few_independent_rows_are_refused_with_how_many_more_would_do():
    with pytest.raises(CannotReadError, match="100 independent") as caught:
        make_cloud(POINTS, np.arange(400) // 4)
    assert caught.value.growth == pytest.approx(1.28)


def test_neighbours_are_of_other_clusters_and_each_of_another():
    cloud = make_cloud(POINTS, np.arange(400) // 2)
    assert (cloud.neighbour_clusters != cloud.clusters[:, None]).all()
    assert all(len(set(row)) == len(row) for row in cloud.neighbour_clusters)
