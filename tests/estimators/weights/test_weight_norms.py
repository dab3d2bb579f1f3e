"""Norms and ranks: exact answers, the edges of their domain, and bounds that hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from gnomon.estimators import Budget, Estimator
from gnomon.estimators.weights import EffectiveRank, FrobeniusNorm, SpectralNorm, StableRank
from gnomon.estimators.weights.known import matrix_subject, with_singular_values
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Subject

ALL = (FrobeniusNorm, SpectralNorm, StableRank, EffectiveRank)


def _read(kind: type[Estimator], matrix: np.ndarray) -> Measurement:
    [m] = kind().measure(matrix_subject(matrix), None, sites=(), budget=Budget(), rng=Rng(0))
    return m


@pytest.mark.parametrize("shape", [(30, 30), (50, 20), (20, 50), (1, 7), (3000, 4)])
def test_planted_singular_values(shape: tuple[int, int]) -> None:
    for seed in range(20):
        rng = Rng(seed)
        s = np.sort(rng.child("s").numpy().pareto(1.0, size=min(shape)) + 0.01)[::-1]
        w = with_singular_values(s, *shape, rng)
        p = s / s.sum()
        truths = (np.sqrt((s**2).sum()), s[0], (s**2).sum() / s[0] ** 2, np.exp(-(p * np.log(p)).sum()))
        for kind, truth in zip(ALL, truths, strict=True):
            m = _read(kind, w)
            assert m.uncertainty.kind == "exact"
            assert m.value == pytest.approx(truth, rel=1e-12)
            assert m.uncertainty.contains(m.value, float(truth))
            assert m.uncertainty.systematic is not None
            assert m.uncertainty.systematic < 1e-6 * truth


def test_frobenius_norm_is_within_its_rounding_of_the_exact_sum() -> None:
    w = np.random.default_rng(2).normal(size=(40, 60)) * np.logspace(-8, 8, 60)
    exact = sum((Fraction(float(x)) ** 2 for x in w.ravel()), Fraction())
    m = _read(FrobeniusNorm, w)
    assert abs(Fraction(m.value) ** 2 - exact) <= 2 * Fraction(m.value) * Fraction(m.uncertainty.systematic)


@pytest.mark.parametrize("kind", [StableRank, EffectiveRank])
def test_zero_matrix_has_no_rank(kind: type[Estimator]) -> None:
    m = _read(kind, np.zeros((4, 6)))
    assert m.status == "insufficient"
    assert "zero" in m.reason


@pytest.mark.parametrize("kind", [FrobeniusNorm, SpectralNorm])
def test_zero_matrix_has_norm_zero(kind: type[Estimator]) -> None:
    assert _read(kind, np.zeros((4, 6))).value == 0.0


@pytest.mark.parametrize("w", [np.outer([1.0, 2, 3], [4.0, 5]), np.array([[3.0, 4.0]]), np.array([[2.0]])])
def test_rank_one_and_single_rows_have_rank_one(w: np.ndarray) -> None:
    assert _read(StableRank, w).value == pytest.approx(1.0, abs=1e-12)
    assert _read(EffectiveRank, w).value == pytest.approx(1.0, abs=1e-9)
    assert _read(SpectralNorm, w).value == pytest.approx(np.linalg.norm(w), rel=1e-14)


def test_identity_has_full_rank() -> None:
    for kind in (StableRank, EffectiveRank):
        assert _read(kind, 3 * np.eye(17)).value == pytest.approx(17.0, rel=1e-12)


def test_rounding_bound_of_the_effective_rank_holds_where_it_is_tight() -> None:
    """One large singular value among many at the level of rounding: the entropy's slope is steepest there."""
    s = np.concatenate([[1.0], np.full(29, 1e-17)])
    m = _read(EffectiveRank, with_singular_values(s, 30, 30, Rng(0)))
    assert m.uncertainty.contains(m.value, 1.0)
    assert m.uncertainty.systematic < 1e-10


def test_ranks_do_not_depend_on_scale_order_or_transposition() -> None:
    w = np.random.default_rng(0).normal(size=(12, 19))
    for kind in (StableRank, EffectiveRank):
        value = _read(kind, w).value
        for same in (1e-6 * w, w.T, w[::-1], w[:, np.random.default_rng(1).permutation(19)], np.vstack([w, 0 * w])):
            assert _read(kind, np.ascontiguousarray(same)).value == pytest.approx(value, rel=1e-10)


def test_tiny_and_huge_weights() -> None:
    for scale in (1e-30, 1e30):
        w = scale * np.random.default_rng(0).normal(size=(12, 19))
        assert _read(FrobeniusNorm, w).value == pytest.approx(np.linalg.norm(w), rel=1e-12)
        assert _read(StableRank, w).value == pytest.approx((np.linalg.norm(w) / np.linalg.norm(w, 2)) ** 2)


def test_a_row_for_every_matrix_of_a_network() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 5))
    subject = Subject(network)
    found = FrobeniusNorm().measure(subject, None, sites=(), budget=Budget(), rng=Rng(0))
    expected = [float(network[i].weight.detach().double().norm()) for i in (0, 3)]
    assert [m.value for m in found] == pytest.approx(expected)
    assert [m.site for m in found] == [m.site for m in subject.matrices()]
