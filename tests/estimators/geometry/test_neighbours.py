"""Nearest neighbours against brute force, on clouds made to break a fast search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.estimators.geometry import coarse_search
from gnomon.estimators.geometry.neighbours import Neighbours, nearest_neighbours

RNG = np.random.default_rng(7)
N = 1300  # more than one tile of 1000


def embedded(points, width=40):
    isometry, _ = np.linalg.qr(RNG.normal(size=(width, points.shape[1])))
    return points @ isometry.T


def near_copies():
    copies = np.repeat(RNG.normal(size=(N // 4, 9)), 4, axis=0)
    return copies * (1 + 1e-9 * RNG.normal(size=(len(copies), 1)))


CLOUDS = {
    "gaussian": RNG.normal(size=(N, 64)),
    "thin sheet": embedded(RNG.random((N, 2))),
    "far from the origin": embedded(RNG.random((N, 2))) + 1e4,
    "far from the origin, float32": (embedded(RNG.random((N, 2))) + 1e3).astype(np.float32),
    "lattice": RNG.integers(0, 3, (N, 6)).astype(float),
    "outliers": np.concatenate([RNG.normal(size=(N - 3, 20)), 1e6 * RNG.normal(size=(3, 20))]),
    "one massive feature": RNG.normal(size=(N, 30)) * np.r_[1e3, np.ones(29)],
    "tiny numbers": 1e-30 * RNG.normal(size=(N, 5)),
    "huge numbers": 1e30 * RNG.normal(size=(N, 5)),
    "copies": np.repeat(RNG.normal(size=(N // 4, 9)), 4, axis=0),
    "near copies": near_copies(),
    "in order": np.sort(RNG.normal(size=(N, 3)), axis=0),
    "all equal": np.ones((200, 4)),
    "one feature": RNG.normal(size=(N, 1)),
}


def brute(points, clusters=None):
    """All distances by differences in float64; infinite within a cluster."""
    exact = np.asarray(points, dtype=np.float64)
    ids = np.arange(len(exact)) if clusters is None else clusters
    size = np.abs(exact).max()
    found = np.array([np.linalg.norm((exact - row) / size, axis=1) * size for row in exact])
    found[ids[:, None] == ids] = np.inf
    return found


def check(points, found, k, clusters=None):
    distances = brute(points, clusters)
    truth = distances
    if clusters is not None:
        truth = np.stack([distances[:, clusters == c].min(axis=1) for c in np.unique(clusters)], axis=1)
    expected = np.sort(truth, axis=1)[:, :k]
    np.testing.assert_allclose(found.distances, expected, rtol=2e-9, atol=0)
    claimed = np.take_along_axis(distances, found.indices, axis=1)
    np.testing.assert_allclose(claimed, expected, rtol=2e-9, atol=0)
    assert all(len(set(row)) == k for row in found.indices)


@pytest.mark.parametrize("k", [2, 30])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_agrees_with_brute_force(cloud, k):
    check(CLOUDS[cloud], nearest_neighbours(CLOUDS[cloud], k), k)


@pytest.mark.parametrize("precision", ["BFLOAT16", "FLOAT32", "FLOAT64"])
@pytest.mark.parametrize("cloud", ["gaussian", "thin sheet", "far from the origin, float32", "lattice", "near copies"])
def test_every_number_format_finds_the_same(cloud, precision):
    points = CLOUDS[cloud]
    found = coarse_search.search(points, None, 2, getattr(coarse_search, precision))
    check(points, Neighbours(*found), 2)


def test_a_format_too_coarse_for_a_cloud_is_given_up():
    points = np.concatenate([1e-6 * RNG.normal(size=(N, 3)), 1e6 * RNG.normal(size=(3, 3))])
    assert coarse_search.search(points, None, 2, coarse_search.FLOAT32, give_up=True) is None
    check(points, nearest_neighbours(points, 2), 2)


@pytest.mark.parametrize("tile", [70, 333])
def test_tiles_and_threads_do_not_matter(tile, monkeypatch):
    points = CLOUDS["thin sheet"]
    plain = nearest_neighbours(points, 3)
    monkeypatch.setattr(coarse_search, "_TILE", tile)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = nearest_neighbours(points, 3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_array_equal(found.distances, plain.distances)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_each_cluster_counts_once_and_the_own_not_at_all(k):
    clusters = np.random.default_rng(k).integers(0, 60, size=500) * 7 - 3
    points = np.random.default_rng(1).normal(size=(60, 5))[np.unique(clusters, return_inverse=True)[1]]
    points = points + 0.3 * np.random.default_rng(2).normal(size=points.shape)
    check(points, nearest_neighbours(points, k, clusters=clusters), k, clusters)


def test_clusters_of_one_are_no_clusters():
    points = CLOUDS["thin sheet"]
    names = np.random.default_rng(0).permutation(len(points))
    np.testing.assert_array_equal(
        nearest_neighbours(points, 3, clusters=names).indices, nearest_neighbours(points, 3).indices
    )


@given(
    st.integers(5, 40).flatmap(
        lambda n: st.tuples(
            st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=n, max_size=n),
            st.lists(st.integers(0, 3), min_size=n, max_size=n),
        )
    )
)
def test_agrees_with_brute_force_on_any_points(drawn):
    points, clusters = np.array(drawn[0]), np.array(drawn[1])
    check_ranks(points, nearest_neighbours(points, 2), None)
    if len(np.unique(clusters)) > 1:
        check_ranks(points, nearest_neighbours(points, 1, clusters=clusters), clusters)


def check_ranks(points, found, clusters):
    """Like `check`, where brute force itself rounds: within float64 of the size of the points."""
    distances = brute(points, clusters) if np.abs(points).max() > 0 else np.zeros((len(points),) * 2)
    if clusters is None:
        expected = np.sort(distances, axis=1)[:, : found.distances.shape[1]]
    else:
        expected = distances.min(axis=1, keepdims=True)
    if np.abs(points).max() == 0:
        expected = np.zeros_like(expected)
    np.testing.assert_allclose(found.distances, expected, rtol=2e-9, atol=1e-12 * np.abs(points).max())


def test_the_threads_and_the_random_state_stay_as_they_were():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    nearest_neighbours(CLOUDS["gaussian"], 2)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("points", "k", "words"),
    [
        (np.zeros(5), 1, "shape"),
        (np.zeros((0, 3)), 1, "shape"),
        (np.zeros((3, 2)), 3, "neighbours asked for"),
        (np.zeros((3, 2)), 0, "neighbours asked for"),
        (np.array([[0.0], [np.nan], [1.0]]), 1, "NaN"),
        (np.array([[0.0], [np.inf], [1.0]]), 1, "infinite"),
    ],
)
def test_bad_points_are_refused_in_one_line(points, k, words):
    with pytest.raises(GnomonError, match=words):
        nearest_neighbours(points, k)


def test_clusters_of_another_length_are_refused():
    with pytest.raises(GnomonError, match="clusters have 2 rows"):
        nearest_neighbours(np.zeros((3, 2)), 1, clusters=np.array([0, 1]))
