"""Intrinsic dimensions against the truth: shapes of known dimension over many seeds, error and coverage."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import binom

from gnomon.estimators import Budget
from gnomon.estimators.estimator import measure_together
from gnomon.estimators.geometry import Gride, LevinaBickel, TwoNN, known
from gnomon.estimators.geometry.cloud import make_cloud
from gnomon.estimators.geometry.scaling import Scaling
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Subject

N, WIDTH = 2000, 64
QUANTITIES = ("twonn_dimension", "mle_dimension", "gride_dimension")


def torus(dimension, rng):
    angles = 2 * np.pi * rng.numpy().random((N, dimension))
    points = known._embedded(np.concatenate([np.cos(angles), np.sin(angles)], axis=1), rng)
    return known._points(points, float(dimension))


def gaussian(dimension, rng):
    return known._points(known._embedded(rng.numpy().normal(size=(N, dimension)), rng), float(dimension))


def flat_gaussian(rng):
    """Ten dimensions whose standard deviations fall by 0.7 from one to the next."""
    points = rng.numpy().normal(size=(N, 10)) * 0.7 ** np.arange(10)
    return known._points(known._embedded(points, rng), 10.0)


# shape: maker, largest error (interval and systematic bound) that is useful as a share of the truth; 0.5 if any
SHAPES = {
    "square": (partial(known.cube, 2), 0.2),
    "5-cube": (partial(known.cube, 5), 0.4),
    "10-cube": (partial(known.cube, 10), 0.5),
    "20-cube": (partial(known.cube, 20), 0.5),
    "two-sphere": (partial(known.sphere, 2), 0.2),
    "5-sphere": (partial(known.sphere, 5), 0.4),
    "20-sphere": (partial(known.sphere, 20), 0.5),
    "Swiss roll": (known.swiss_roll, 0.2),
    "5-torus": (partial(torus, 5), 0.5),
    "5-gaussian": (partial(gaussian, 5), 0.4),
    "64-gaussian": (partial(gaussian, 64), 0.5),
    "flat gaussian": (flat_gaussian, 0.5),
    "copies": (known.copied_cube, 0.4),
    "copies to rounding": (known.jittered_square, 0.2),
    "far from the origin": (known.distant_square, 0.2),
    "sequences": (known.dependent_rows, 0.5),
}
LOW = [name for name, (_, useful) in SHAPES.items() if useful <= 0.4]
HIGH = ("20-cube", "20-sphere", "64-gaussian")


def readings(shape, seed, **options):
    subject, data, truth = SHAPES[shape][0](Rng(seed).child(shape))
    return measure_all(subject, data, **options), truth


def measure_all(subject, data, **options):
    instruments = [TwoNN(**options), LevinaBickel(**options), Gride(**options)]
    sites = {e.name: ("logits",) for e in instruments}
    found = measure_together(instruments, subject, data, sites, budget=Budget(), rng=Rng(0))
    return {m.quantity: m for measurements in found.values() for m in measurements}


def largest_error(m):
    return float(m.uncertainty.half_width) + m.uncertainty.systematic


def check_shape(shape, seeds):
    covered = {q: [] for q in QUANTITIES}
    for seed in range(seeds):
        found, truth = readings(shape, seed)
        for quantity in QUANTITIES:
            m = found[quantity]
            if m.status == "ok":
                covered[quantity].append(m.uncertainty.contains(m.value, truth))
                assert largest_error(m) <= SHAPES[shape][1] * 1.2 * truth, f"{quantity} of {shape} tells nothing"
            else:
                assert m.status == "insufficient"
                assert shape not in LOW, f"{quantity} of {shape}: {m.reason}"
                assert m.diagnostics["estimate"] > 0
    for quantity, hits in covered.items():
        # too few for chance if the interval covered as often as it states
        assert not hits or binom.cdf(sum(hits), len(hits), 0.95) > 1e-3, f"{quantity} of {shape}: {np.mean(hits):.0%}"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_covers_the_truth_or_the_reading_is_refused(shape):
    check_shape(shape, seeds=8)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_covers_the_truth_over_many_seeds(shape):
    check_shape(shape, seeds=100)


@pytest.mark.parametrize("shape", HIGH)
def test_a_dimension_too_high_for_the_rows_is_not_read_with_a_small_error(shape):
    for seed in range(4):
        found, truth = readings(shape, seed)
        for quantity in QUANTITIES:
            m = found[quantity]
            if m.status == "ok":  # GRIDE may reach 20, with an error that says how far it may be off
                assert largest_error(m) > abs(m.value - truth)
                assert largest_error(m) > 0.2 * truth
            else:
                assert "may be off by" in m.reason
        assert found["twonn_dimension"].status == "insufficient"
        assert found["mle_dimension"].status == "insufficient"


@pytest.mark.parametrize("rows", [150, 400, 1000])
@pytest.mark.parametrize("shape", ["square", "5-cube", "10-cube", "5-torus"])
def test_fewer_rows_widen_the_error_and_do_not_break_the_cover(shape, rows):
    covered = []
    for seed in range(8):
        found, truth = readings(shape, seed, rows=rows)
        ok = [found[q] for q in QUANTITIES if found[q].status == "ok"]
        covered += [m.uncertainty.contains(m.value, truth) for m in ok]
    assert shape != "square" or len(covered) >= 20
    assert binom.cdf(sum(covered), len(covered), 0.95) > 1e-3


def check_statistical_part(seeds):
    """On the two-sphere nothing is biased at any scale, so the intervals alone must cover, and not too often."""
    hits = {q: [] for q in QUANTITIES} | {"curve": []}
    for seed in range(seeds):
        _, data, _ = known.sphere(2, Rng(seed).child("statistical"))
        scaling = Scaling(make_cloud(data.inputs.numpy(), data.clusters))
        for quantity, reading in zip(QUANTITIES, (scaling.twonn, scaling.mle, scaling.gride), strict=True):
            hits[quantity].append(abs(reading.value - 2) <= reading.half_width)
        hits["curve"].append(np.abs(scaling.curve - 2) <= 2.086 * scaling.curve_errors)
    return {name: float(np.mean(h)) for name, h in hits.items()}


def test_intervals_without_the_systematic_bound_cover_as_often_as_they_state():
    for name, share in check_statistical_part(30).items():
        assert 0.85 <= share <= 1, name


@pytest.mark.slow
def test_intervals_without_the_systematic_bound_neither_miss_nor_exaggerate():
    for name, share in check_statistical_part(300).items():
        assert 0.91 <= share <= 0.985, f"{name}: {share:.3f}"


def test_values_are_those_of_the_formulas():
    points = np.random.default_rng(0).random((700, 3)).astype(np.float32)
    distances = np.sort(cdist(points.astype(float), points.astype(float)), axis=1)[:, 1:]
    found = measure_all(Subject(torch.nn.Identity()), ArrayData(points))
    ratios = distances[:, 1] / distances[:, 0]
    assert found["twonn_dimension"].value == pytest.approx(699 / np.log(ratios).sum(), rel=1e-9)
    inverse = np.mean(np.log(distances[:, 9:10] / distances[:, :9]))
    assert found["mle_dimension"].value == pytest.approx(1 / inverse, rel=1e-9)
    assert found["gride_curve"].value[0] == found["twonn_dimension"].value


def test_where_the_dimension_varies_its_harmonic_mean_is_read():
    covered = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        points = np.zeros((N, 8))
        points[: N // 2, :2] = rng.random((N // 2, 2))
        points[N // 2 :, 2:7] = rng.random((N // 2, 5))
        points[:, 7] = 10.0 * (np.arange(N) < N // 2)
        found = measure_all(Subject(torch.nn.Identity()), ArrayData(points))
        truth = 2 / (1 / 2 + 1 / 5)
        covered += [m.uncertainty.contains(m.value, truth) for m in map(found.get, QUANTITIES[:2]) if m.status == "ok"]
        assert found["twonn_dimension"].status == "ok"
        assert abs(found["twonn_dimension"].value - truth) < 0.3
        assert found["twonn_dimension"].diagnostics["distance_from_one_dimension"] > 0.03
    assert all(covered)


def test_near_copies_beyond_rounding_do_not_pass_for_a_dimension():
    """A twentieth of the rows has a twin at a distance that is neither rounding nor the spacing of the cloud."""
    rng = np.random.default_rng(0)
    points = rng.random((N, 2)) @ rng.normal(size=(2, WIDTH))
    twins = points[: N // 20] + 1e-4 * rng.normal(size=(N // 20, WIDTH))
    found = measure_all(Subject(torch.nn.Identity()), ArrayData(np.concatenate([points, twins])))
    for quantity in QUANTITIES[:2]:
        m = found[quantity]
        assert m.status == "insufficient" or m.uncertainty.contains(m.value, 2)


def test_dependence_inside_sequences_is_kept_out():
    """Rows of a sequence lie on a line: alone they read 1, against other sequences the 4 of the cloud."""
    rng = np.random.default_rng(0)
    starts, steps = rng.normal(size=(400, 1, 4)), 1e-3 * np.arange(5)[:, None] * rng.normal(size=(400, 1, 4))
    points = (starts + steps).reshape(-1, 4)
    sequences = np.repeat(np.arange(400), 5)
    subject = Subject(torch.nn.Identity())
    found = measure_all(subject, ArrayData(points, clusters=sequences))["twonn_dimension"]
    assert found.status == "ok"
    assert found.uncertainty.contains(found.value, 4)
    assert found.diagnostics["clusters"] == 400
    ignored = measure_all(subject, ArrayData(points))["twonn_dimension"]
    assert ignored.status == "insufficient" or ignored.value < 2


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.random.default_rng(0).normal(size=(100, 5)), "100 independent rows"),
        (np.ones((500, 5)), "independent rows that differ"),
        (np.eye(300), "equally far away"),
    ],
)
def test_what_has_no_dimension_says_why(points, words):
    for m in measure_all(Subject(torch.nn.Identity()), ArrayData(points)).values():
        assert m.status == "insufficient"
        assert words in m.reason


def test_a_refusal_says_how_many_rows_would_do_and_they_do():
    subject, data, _ = known.cube(5, Rng(0))
    refused = measure_all(subject, data.take(np.arange(140)))["twonn_dimension"]
    assert refused.status == "insufficient"
    enough = int(refused.suffices["examples"])
    assert 140 < enough <= 2000
    assert measure_all(subject, data.take(np.arange(enough)))["twonn_dimension"].status == "ok"


def test_scales_that_need_more_rows_are_not_read():
    found = measure_all(Subject(torch.nn.Identity()), ArrayData(np.random.default_rng(0).random((200, 2))))
    assert found["gride_dimension"].status == "ok"
    assert found["gride_curve"].status == "insufficient"
    assert found["gride_curve"].suffices["rows"] >= 512


def test_one_search_serves_all_three(monkeypatch):
    from gnomon.estimators.geometry import cloud

    calls = []
    search = cloud.nearest_neighbours
    monkeypatch.setattr(cloud, "nearest_neighbours", lambda *a, **k: calls.append(1) or search(*a, **k))
    readings("square", 0)
    assert len(calls) == 1
