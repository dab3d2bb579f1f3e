"""How many directions carry a concept: planted numbers are found, and chance is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.directions.cross_fit import cross_fit, fits
from gnomon.structure.directions.exchange import exchanges, relabelled
from gnomon.structure.directions.folds import assign_folds
from gnomon.structure.directions.mean_difference import MeanDifference
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.rank import RankTest, rank_test
from gnomon.structure.directions.rfm import Rfm
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace


@dataclass(frozen=True)
class _Quadratic(Method):
    """The average gradient outer product of the best quadratic function of isotropic normal inputs."""

    name: ClassVar[str] = "quadratic"
    source: ClassVar[str] = "a test"
    most: ClassVar[int | None] = None

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        x = examples.inputs - examples.inputs.mean(dim=0)
        y = (examples.labels - examples.labels.mean()) / len(x)
        slope, curvature = y @ x, x.T @ (y[:, None] * x)
        values, vectors = torch.linalg.eigh(torch.outer(slope, slope) + curvature @ curvature)
        return Subspace(vectors.flip(1)[:, :rank], values.flip(0)[:rank])


def _planted(rank: int, n: int, d: int, rng: Rng, *, noise: float) -> Examples:
    """Labels of one linear and otherwise quadratic dependence, along turned axes."""
    draw = rng.numpy()
    x = draw.normal(size=(n, d))
    parts = [x[:, 0] * 1.4, x[:, 1] ** 2 - 1, 0.8 * (x[:, 2] ** 2 - 1)][:rank]
    y = sum(parts, np.zeros(n)) + noise * draw.normal(size=n)
    turn = np.linalg.qr(draw.normal(size=(d, d)))[0]
    return Examples(inputs=torch.from_numpy(x @ turn), labels=torch.from_numpy(y), kind="graded")


def _rank(method: Method, examples: Examples, rng: Rng, *, ranks: int = 4, draws: int = 39) -> RankTest:
    folds = assign_folds(examples, folds=5, rng=rng)
    found = cross_fit(method, examples, folds, rank=1, rng=rng)
    return rank_test(method, examples, found, most=ranks, rng=rng, draws=draws)


def _right(rank: int, seeds: int) -> int:
    rng = Rng(rank)
    found = [
        _rank(_Quadratic(), _planted(rank, 400, 6, rng.child(seed), noise=0.7), rng.child(seed)).rank
        for seed in range(seeds)
    ]
    return sum(one == rank for one in found)


@pytest.mark.parametrize("rank", [1, 3], ids=["one", "three"])
def test_planted_ranks_are_found(rank: int) -> None:
    """In at least 90 of 100; of 16 seeds, with room for chance."""
    assert _right(rank, 16) >= 14


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1, 2, 3], ids=["none", "one", "two", "three"])
def test_planted_ranks_are_found_in_90_of_100(rank: int) -> None:
    assert _right(rank, 80) >= 72


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1, 2, 3], ids=["none", "one", "two", "three"])
def test_planted_ranks_are_found_by_the_recursive_feature_machine(rank: int) -> None:
    rng = Rng(rank)
    found = [
        _rank(Rfm(), _planted(rank, 500, 8, rng.child(seed), noise=0.5), rng.child(seed)).rank for seed in range(20)
    ]
    assert sum(one == rank for one in found) >= 18, found


def _alarms(seeds: int) -> int:
    alarms = 0
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        examples = Examples(
            inputs=torch.from_numpy(draw.normal(size=(60, 15))),
            labels=torch.from_numpy(draw.permutation(np.repeat([1.0, -1.0], 30))),
        )
        alarms += _rank(MeanDifference(), examples, Rng(seed), ranks=1).rank
    return alarms


def test_labels_without_meaning_have_no_direction() -> None:
    """A level of 5 in 100 is kept: in 40 draws, 2 false alarms are expected and more than 6 are 3 in 1,000."""
    assert _alarms(40) <= 6


@pytest.mark.slow
def test_the_level_is_used_up() -> None:
    """In 400 draws 20 false alarms are expected, with a standard deviation of 4.4."""
    assert 8 <= _alarms(400) <= 32


def test_pairs_are_tested_within_themselves() -> None:
    """What pairs have in common is far larger than what sets their members apart, and does not hide it."""
    found, alarms = 0, 0
    for seed in range(10):
        draw = np.random.default_rng(seed)
        common = 5 * draw.normal(size=(30, 1, 8))
        signs = np.tile([1.0, -1.0], 30)
        x = (common + draw.normal(size=(30, 2, 8))).reshape(60, 8)
        shifted = x + 0.8 * signs[:, None] * np.eye(8)[0]
        clusters = np.repeat(np.arange(30), 2)
        for inputs in (x, shifted):
            examples = Examples(
                inputs=torch.from_numpy(inputs), labels=torch.from_numpy(signs), kind="paired", clusters=clusters
            )
            rank = _rank(MeanDifference(), examples, Rng(seed), ranks=1).rank
            found += rank if inputs is shifted else 0
            alarms += rank if inputs is x else 0
    assert found >= 9
    assert alarms <= 3


def test_copies_are_not_evidence() -> None:
    """Clusters of five copies with meaningless labels: taken for independent, they would nearly always alarm."""
    alarms, naive = 0, 0
    for seed in range(12):
        draw = np.random.default_rng(seed)
        x = np.repeat(draw.normal(size=(24, 10)), 5, axis=0) + 0.05 * draw.normal(size=(120, 10))
        y = np.repeat(draw.permutation(np.repeat([1.0, -1.0], 12)), 5)
        for clusters in (np.repeat(np.arange(24), 5), None):
            examples = Examples(inputs=torch.from_numpy(x), labels=torch.from_numpy(y), clusters=clusters)
            rank = _rank(MeanDifference(), examples, Rng(seed), ranks=1).rank
            alarms += rank if clusters is not None else 0
            naive += rank if clusters is None else 0
    assert alarms <= 3
    assert naive >= 8


def test_clusters_of_different_sizes_are_tested() -> None:
    """40 clusters of 1 to 40 examples, no two of one size: what they carry is found, and nothing is not."""
    found, alarms = 0, 0
    sizes = np.arange(1, 41)
    clusters = np.repeat(np.arange(40), sizes)
    for seed in range(12):
        draw = np.random.default_rng(seed)
        labels = draw.permutation(np.tile([1.0, -1.0], 20))[clusters]
        x = 0.8 * draw.normal(size=(40, 8))[clusters] + 0.6 * draw.normal(size=(len(clusters), 8))
        for inputs in (x, x + 1.5 * labels[:, None] * np.eye(8)[0]):
            examples = Examples(inputs=torch.from_numpy(inputs), labels=torch.from_numpy(labels), clusters=clusters)
            rank = _rank(MeanDifference(), examples, Rng(seed), ranks=1).rank
            found += rank if inputs is not x else 0
            alarms += rank if inputs is x else 0
    assert found >= 10
    assert alarms <= 3


def test_labels_are_dealt_out_among_clusters_of_like_size() -> None:
    labels, clusters = np.array([1.0, 1.0, -1.0, -1.0, -1.0, 1.0, -1.0]), np.array([0, 0, 1, 1, 1, 2, 3])
    found = relabelled(labels, clusters=clusters, strata=np.zeros(7, dtype=np.int64), draws=500, rng=Rng(0))
    assert found[0].tolist() == labels.tolist()
    turned = (-labels[:5]).tolist()
    expected = {(*first, *last) for first in (tuple(labels[:5]), tuple(turned)) for last in ((1.0, -1.0), (-1.0, 1.0))}
    assert {tuple(one) for one in found.tolist()} == expected


def _orders(labels: Sequence[float], clusters: Sequence[int], strata: Sequence[int]) -> set[tuple[int, ...]]:
    found = exchanges(
        np.asarray(labels), clusters=np.asarray(clusters), strata=np.asarray(strata), draws=2000, rng=Rng(0)
    )
    assert found[0].tolist() == list(range(len(labels)))
    assert (np.sort(found, axis=1) == np.arange(len(labels))).all()
    return {tuple(order) for order in found.tolist()}


def test_exchanges_are_all_that_clusters_and_strata_allow() -> None:
    assert _orders([1, -1, 1], [0, 1, 2], [0, 0, 0]) == set(permutations(range(3)))
    assert _orders([1, -1, 1, -1], [0, 0, 1, 1], [0] * 4) == {(0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)}
    assert _orders([1, 1, -1, -1], [0, 0, 1, 1], [0] * 4) == {(0, 1, 2, 3), (2, 3, 0, 1)}
    both = {(0, 1), (1, 0)}
    assert _orders([1, -1, 1, -1], [0, 1, 2, 3], [0, 0, 1, 1]) == {(*a, b[0] + 2, b[1] + 2) for a in both for b in both}
    assert _orders([1, 1, -1], [0, 0, 1], [0] * 3) == {(0, 1, 2)}


def test_scores_are_by_fits_that_did_not_see_their_example() -> None:
    """Every number is found again by a fit written out by hand; and there are as many fits as stated."""
    draw = np.random.default_rng(0)
    examples = Examples(
        inputs=torch.from_numpy(draw.normal(size=(40, 3))), labels=torch.from_numpy(np.tile([1.0, -1.0], 20))
    )
    folds = assign_folds(examples, folds=5, rng=Rng(0))
    count = 0

    def fitted() -> None:
        nonlocal count
        count += 1

    found = cross_fit(MeanDifference(), examples, folds, rank=1, rng=Rng(0), fitted=fitted)
    assert count == fits(5)
    x, y = examples.inputs.numpy(), examples.labels.numpy()

    def by_hand(inside: np.ndarray, i: int) -> float:
        w = x[inside & (y > 0)].mean(axis=0) - x[inside & (y < 0)].mean(axis=0)
        return float((x[i] - x[inside].mean(axis=0)) @ w / np.linalg.norm(w))

    for i in range(40):
        for a in range(5):
            expected = by_hand((folds != a) & (folds != folds[i]), i)
            assert found.scores[a, i, 0] == pytest.approx(expected, abs=1e-12)
        expected = by_hand(folds < folds[i], i) if folds[i] >= 2 else 0.0
        assert found.forward[i] == pytest.approx(expected, abs=1e-12)


def test_folds_keep_clusters_whole_and_labels_in_balance() -> None:
    labels = torch.tensor([1.0, 1.0, 1.0, -1.0] * 30)
    clusters = np.repeat(np.arange(60), 2)
    examples = Examples(inputs=torch.randn(120, 2), labels=labels, clusters=clusters)
    folds = assign_folds(examples, folds=5, rng=Rng(1))
    for c in range(60):
        assert len(set(folds[clusters == c].tolist())) == 1
    for f in range(5):
        assert (labels.numpy()[folds == f] > 0).mean() == pytest.approx(0.75)
        assert (folds == f).sum() == 24
    with pytest.raises(InsufficientEvidenceError, match="too few to cross-validate"):
        assign_folds(examples.take(np.arange(10)), folds=5, rng=Rng(1))


def test_too_few_draws_are_refused() -> None:
    examples = _planted(1, 60, 4, Rng(0), noise=0.1)
    with pytest.raises(GnomonError, match="cannot reach a level"):
        _rank(MeanDifference(), examples, Rng(0), draws=9)
