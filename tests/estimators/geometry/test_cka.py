"""Linear CKA: closed forms, symmetries, and silence where sites cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.geometry import LinearCKA, compare_subjects
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Site, Subject


class Branches(nn.Module):
    """Two maps of the same input, so that any pair of clouds can be compared."""

    def __init__(self, width, first, second):
        super().__init__()
        self.first, self.second = nn.Linear(width, len(first)), nn.Linear(width, len(second))
        self.first.weight.data, self.second.weight.data = (torch.tensor(w).float() for w in (first, second))

    def forward(self, x):
        return self.first(x).sum(1) + self.second(x).sum(1)


def subject_of(width, first, second, name="branches"):
    sites = [Site("first", "first"), Site("second", "second")]
    return Subject(Branches(width, np.asarray(first), np.asarray(second)), sites=sites, name=name)


def read(first, second, inputs, clusters=None):
    subject = subject_of(inputs.shape[1], first, second)
    data = ArrayData(inputs, clusters=clusters)
    (m,) = LinearCKA().measure(subject, data, sites=("first", "second"), budget=Budget(), rng=Rng(0))
    return m


def truth_of(first, second):
    """On standard Gaussian inputs."""
    across, one, other = first @ second.T, first @ first.T, second @ second.T
    return np.square(across).sum() / (np.linalg.norm(one) * np.linalg.norm(other))


@pytest.mark.parametrize(("n", "width"), [(25, 25), (60, 20), (400, 20)])
def test_unbiased_and_covering_at_any_n(n, width):
    rng = np.random.default_rng(n)
    first = rng.normal(size=(10, width)) * 0.8 ** np.arange(10)[:, None]
    second = np.concatenate([first[:4], 0.5 * rng.normal(size=(8, width))])
    truth = truth_of(first, second)
    found = [read(first, second, np.random.default_rng(s).normal(size=(n, width))) for s in range(60)]
    values = np.array([m.value for m in found])
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(60) + values.std() ** 2
    hits = sum(m.uncertainty.contains(m.value, truth) for m in found)
    assert binom.cdf(hits, 60, 0.95) > 1e-3
    assert np.mean([m.uncertainty.half_width for m in found]) < 1.6 * 1.96 * values.std()


def test_unrelated_sites_read_zero_with_fewer_rows_than_features():
    eye = np.eye(80)
    found = [read(eye[:40], eye[40:], np.random.default_rng(s).normal(size=(20, 80))) for s in range(60)]
    values = np.array([m.value for m in found])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(60)
    assert sum(m.uncertainty.contains(m.value, 0) for m in found) >= 52
    x, y = np.random.default_rng(0).normal(size=(2, 20, 40))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    plug_in = np.square(x.T @ y).sum() / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert plug_in > 0.5


def test_rotation_shift_and_scale_of_either_site_change_nothing():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100, 12))
    first, second = rng.normal(size=(8, 12)), rng.normal(size=(6, 12))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    plain, turned = read(first, second, inputs), read(3 * first, rotation @ second, inputs)
    assert turned.value == pytest.approx(plain.value, rel=1e-4)
    assert read(second, first, inputs).value == pytest.approx(plain.value, rel=1e-4)
    same = read(second, rotation @ second, inputs)
    assert same.value == pytest.approx(1, abs=1e-5)
    assert same.uncertainty.half_width < 1e-5


def test_dependent_rows_do_not_count_as_independent():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(8, 12)), rng.normal(size=(6, 12))
    sequences = np.repeat(rng.normal(size=(40, 12)), 8, axis=0) + 0.01 * rng.normal(size=(320, 12))
    together = read(first, second, sequences, np.repeat(np.arange(40), 8))
    alone = read(first, second, sequences)
    assert together.uncertainty.half_width > 2 * alone.uncertainty.half_width
    assert together.diagnostics["clusters"] == 40


def mlp(seed, name=""):
    torch.manual_seed(seed)
    layers = (nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    return Subject(nn.Sequential(*layers), name=name)


DATA = ArrayData(np.random.default_rng(1).normal(size=(120, 10)))


def test_every_pair_of_sites_once():
    found = LinearCKA().measure(mlp(0), DATA, sites=("blocks.0", "blocks.1", "logits"), budget=Budget(), rng=Rng(0))
    pairs = [(m.site, m.labels["other_site"]) for m in found]
    assert pairs == [("blocks.0", "blocks.1"), ("blocks.0", "logits"), ("blocks.1", "logits")]
    assert LinearCKA().sites(mlp(0)) == ("blocks.0", "blocks.1")


def test_a_site_named_alone_is_compared_with_the_stream():
    found = LinearCKA().measure(mlp(0), DATA, sites=("logits",), budget=Budget(), rng=Rng(0))
    assert [(m.site, m.labels["other_site"]) for m in found] == [("logits", "blocks.0"), ("logits", "blocks.1")]


def test_one_site_is_nothing_to_compare():
    assert "two sites" in LinearCKA().inapplicable(Subject(nn.Identity()), DATA)


def test_two_networks_on_the_same_data():
    found = compare_subjects(mlp(0), mlp(1, name="other"), DATA, rng=Rng(0))
    assert len(found) == 4
    assert {m.labels["other_subject"] for m in found} == {"other"}
    assert all(m.status == "ok" and 0 < m.value < 1 for m in found)
    itself = compare_subjects(mlp(0), mlp(0), DATA, sites=("blocks.1",), other_sites=("blocks.1", "logits"), rng=Rng(0))
    assert [m.labels["other_site"] for m in itself] == ["blocks.1", "logits"]
    assert itself[0].value == pytest.approx(1, abs=1e-6)


def pixels():
    """Sites with 36 positions, with one, and with one."""
    convolutions = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten())
    return Subject(nn.Sequential(*convolutions, nn.Linear(64, 2)))


def test_sites_with_other_positions_are_not_compared():
    data = ArrayData(np.random.default_rng(0).normal(size=(50, 1, 8, 8)))
    subject = pixels()
    found = LinearCKA().measure(subject, data, sites=tuple(subject.sites), budget=Budget(), rng=Rng(0))
    by_status = {(m.site, m.labels["other_site"]): m.status for m in found}
    assert set(by_status.values()) == {"ok", "insufficient"}
    assert all("same positions" in m.reason for m in found if m.status == "insufficient")
    with pytest.raises(GnomonError, match="positions"):
        compare_subjects(subject, subject, data, sites=("blocks.0",), other_sites=("logits",), rng=Rng(0))


@pytest.mark.parametrize(
    ("first", "inputs", "words"),
    [
        (np.zeros((3, 12)), np.random.default_rng(0).normal(size=(60, 12)), "the variance of first"),
        (np.eye(12), np.random.default_rng(0).normal(size=(6, 12)), "6 independent rows"),
    ],
)
def test_what_cannot_be_compared_says_why(first, inputs, words):
    m = read(first, np.eye(12), inputs)
    assert m.status == "insufficient"
    assert words in m.reason


def test_the_price_counts_every_site():
    subject = mlp(0)
    cost = LinearCKA().cost(subject, DATA, ("blocks.0", "blocks.1"), Budget())
    assert cost.forward_passes == len(DATA)
    assert cost.flops >= 6 * (2 * 120) ** 2
    assert cost.peak_bytes >= 8 * 120 * (16 + 12)
