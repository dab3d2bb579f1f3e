"""The online code: a code at all, equal to a plain one, and never fooled by labels that are noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from gnomon.estimators.information.lbfgs import minimised
from gnomon.estimators.information.online_code import SCALES, blocks, code_lengths


def _problem(seed: int, rows: int = 90, classes: int = 5) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(rows, 3)).astype(np.float32)
    scores = 2 * vectors @ generator.normal(size=(3, classes)) + generator.gumbel(size=(rows, classes))
    return vectors, scores.argmax(axis=1)


def _plain(vectors: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> list[list[float]]:
    """Each code alone, from the formulas, with SciPy's minimiser and a full table of classes."""
    x = vectors.astype(float)
    z = np.column_stack([(x - x.mean(0)) / x.std(0) / np.sqrt(x.shape[1]), np.ones(len(x))])
    codes = []
    for scale in SCALES:
        costs = [np.log(classes)] * blocks(len(labels))[0]
        for sent, end in zip(blocks(len(labels))[:-1], blocks(len(labels))[1:], strict=True):
            counts = np.bincount(labels[:sent], minlength=classes)
            distinct = (counts > 0).sum()
            f = (counts + distinct / classes) / (sent + distinct)
            weights = np.zeros((classes, z.shape[1]))
            if scale:
                free = np.flatnonzero(counts)

                def scores(flat: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
                    table = np.zeros((classes, z.shape[1]))
                    table[free] = flat.reshape(len(free), -1)  # noqa: B023
                    return np.log(f) + rows @ table.T  # noqa: B023

                def cost(flat: NDArray[np.float64]) -> float:
                    s = scores(flat, z[:sent])  # noqa: B023
                    own = s[np.arange(sent), labels[:sent]]  # noqa: B023
                    return float((np.log(np.exp(s).sum(1)) - own).sum() + (flat**2).sum() / (2 * scale**2))  # noqa: B023

                found = minimize(cost, np.zeros(len(free) * z.shape[1]), method="BFGS", options={"gtol": 1e-4})
                weights[free] = found.x.reshape(len(free), -1)
            for i in range(sent, end):
                p = f * np.exp(weights @ z[i])
                costs.append(-np.log(p[labels[i]] / p.sum()))
        codes.append([float(c) for c in costs])
    return codes


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_plain_code(seed: int) -> None:
    vectors, labels = _problem(seed)
    costs, alone, _ = code_lengths(vectors, labels, 7)  # two of the classes never come
    expected = np.array(_plain(vectors, labels, 7))
    # forty steps end a little short of the minimum that the plain code finds
    np.testing.assert_allclose(alone, expected, rtol=5e-4, atol=2e-3)
    # mixed by Bayes' rule, label by label
    weights, mixed = np.full(len(SCALES), 1 / len(SCALES)), []
    for i in range(len(labels)):
        p = np.exp(-alone[:, i])
        mixed.append(-np.log(weights @ p))
        weights = weights * p / (weights @ p)
    np.testing.assert_allclose(costs, mixed, atol=1e-9)


def test_the_probabilities_of_all_labels_sum_to_one() -> None:
    """The last row, with each label in turn: a code that sends them all must not promise more than there is."""
    vectors, labels = _problem(2, rows=70, classes=4)
    total = 0.0
    for label in range(6):
        costs, _, _ = code_lengths(vectors, np.array([*labels[:-1], label]), 6)
        total += np.exp(-costs[-1])
    assert total == pytest.approx(1, abs=1e-9)


def test_labels_already_sent_do_not_depend_on_those_to_come() -> None:
    vectors, labels = _problem(3)
    costs, _, _ = code_lengths(vectors, labels, 5)
    other = labels.copy()
    other[64:] = 0
    np.testing.assert_allclose(code_lengths(vectors, other, 5)[0][:64], costs[:64], rtol=1e-12)


def test_shuffled_labels_save_nothing() -> None:
    """By chance little, and by construction never less than minus log 3 in all."""
    saved = []
    for seed in range(30):
        vectors, labels = _problem(seed, rows=200)
        shuffled = np.random.default_rng(seed).permutation(labels)
        costs, alone, _ = code_lengths(vectors, shuffled, 5)
        saved.append(alone[0].sum() - costs.sum())
    assert min(saved) >= -np.log(3) - 1e-9
    assert max(saved) < np.log(100)  # Markov's inequality: a saving of s nats has a chance of exp(−s)


def test_readable_labels_save_most_of_what_can_be_known() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=800)
    vectors = (5 * np.eye(4)[labels] + generator.normal(size=(800, 4))).astype(np.float32)
    costs, _, _ = code_lengths(vectors, labels, 4)
    assert costs[:16].mean() == pytest.approx(np.log(4))
    assert costs[400:].mean() < 0.02


def test_a_constant_representation_is_as_good_as_none() -> None:
    labels = np.random.default_rng(1).choice(3, p=[0.7, 0.2, 0.1], size=300)
    costs, alone, _ = code_lengths(np.full((300, 5), 3.0, np.float32), labels, 3)
    assert np.isfinite(costs).all()
    assert abs(costs.mean() - alone[0].mean()) < 0.02


@pytest.mark.parametrize("size", [2, 40])
def test_the_minimiser_finds_the_minimum(size: int) -> None:
    generator = np.random.default_rng(size)
    root = generator.normal(size=(2 * size, size))
    matrix, target = root.T @ root + np.eye(size), generator.normal(size=size)

    def convex(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        off = x - target
        return float(0.5 * off @ matrix @ off + 0.1 * (off**4).sum()), matrix @ off + 0.4 * off**3

    found = minimised(convex, np.zeros(size), iterations=300)
    np.testing.assert_allclose(found, target, atol=1e-5)
    few = [convex(minimised(convex, np.zeros(size), iterations=k))[0] for k in (0, 1, 5, 20)]
    assert few == sorted(few, reverse=True)
