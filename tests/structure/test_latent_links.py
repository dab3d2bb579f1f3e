"""Directions over latents: sparse decompositions, cosines whose intervals cover, areas that are not flattered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import drawn, hand_made
from sklearn.linear_model import orthogonal_mp

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.linking import alignment, carriers, detectors, null_directions, recovered, shares
from gnomon.structure.dictionaries.neighbours import neighbours
from gnomon.structure.dictionaries.pursuit import pursue
from gnomon.structure.examples import Examples


def _atoms(latents: int, width: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(latents, width, generator=Rng(0).torch()).double(), dim=1)


def test_planted_latents_are_found_with_their_weights() -> None:
    atoms = _atoms(200, 64)
    weights = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    direction = weights @ atoms[[7, 50, 120]]
    found = pursue(direction[None], atoms, most=5)
    assert found.latents[0].tolist() == [7, 50, 120, -1, -1]
    assert found.weights[0, :3] * float(direction.norm()) == pytest.approx(weights.numpy())
    assert found.shares[0, 2:] == pytest.approx(1.0)
    assert (np.diff(found.shares[0]) >= 0).all()


def test_it_is_orthogonal_matching_pursuit_where_weights_are_positive() -> None:
    """Against scikit-learn: sums of latents with positive weights and a little noise, directions of which agree."""
    atoms = _atoms(100, 80)
    generator = Rng(1).torch()
    agreed = 0
    for _ in range(20):
        chosen = torch.randperm(100, generator=generator)[:4]
        direction = (1 + torch.rand(4, generator=generator).double()) @ atoms[chosen]
        found = pursue(direction[None], atoms, most=4)
        weights = orthogonal_mp(atoms.T.numpy(), (direction / direction.norm()).numpy(), n_nonzero_coefs=4)
        if (weights >= 0).all():
            agreed += 1
            mine = np.zeros(100)
            mine[found.latents[0]] = found.weights[0]
            assert mine == pytest.approx(weights, abs=1e-9)
    assert agreed >= 15


def test_what_is_opposed_is_not_taken() -> None:
    found = pursue(torch.tensor([[-1.0, 0.1]]), torch.eye(2), most=2)
    assert found.latents[0].tolist() == [1, -1]
    assert found.shares[0].tolist() == pytest.approx([0.01 / 1.01] * 2)


@pytest.mark.parametrize("paired", [False, True], ids=["apart", "paired"])
def test_a_concept_that_is_none_is_no_better_than_the_null(paired: bool) -> None:
    """p-values are uniform where labels say nothing, of latents that lie where contrasts do.

    What both of a pair share stands elsewhere: a null with its covariance would call every such direction significant.
    """
    generator = Rng(2).torch()
    wide, narrow = torch.linspace(0.1, 2.0, 32), torch.linspace(1.0, 0.02, 32)
    decoder = torch.nn.functional.normalize(torch.randn(80, 32, generator=generator) * narrow, dim=1)
    dictionary = hand_made(decoder, torch.zeros(80), decoder, 4)
    found = []
    for i in range(60):
        shared = torch.randn(30, 32, generator=generator).repeat_interleave(2, dim=0) * wide
        inputs = torch.randn(60, 32, generator=generator) * narrow + (shared if paired else 0)
        examples = Examples(
            inputs=inputs,
            labels=torch.tensor([1.0, -1.0]).repeat(30),
            kind="paired" if paired else "binary",
            clusters=np.arange(60) // (2 if paired else 1),
        )
        null = null_directions(examples, 39, Rng(i))
        found.append(carriers(_difference(examples), dictionary, null=null, most=2).p_values[1])
    assert abs(np.mean(found) - 0.5) < 4 * 0.29 / np.sqrt(60)
    assert min(found) >= 1 / 40
    assert np.mean(np.array(found) <= 0.1) <= 0.25  # 6 of 60 expected; 15 has odds of 1 in 1,000


def test_a_strong_concept_is_not_its_own_null() -> None:
    """However far the classes are apart, random directions are those of the noise alone."""
    generator = Rng(3).torch()
    concept = torch.nn.functional.normalize(torch.randn(16, generator=generator).double(), dim=0)
    labels = torch.arange(80) % 2 * 2.0 - 1
    noise = torch.randn(80, 16, generator=generator).double()
    weak, strong = (
        null_directions(Examples(inputs=noise + far * labels[:, None] * concept, labels=labels), 50, Rng(0))
        for far in (0.0, 100.0)
    )
    assert strong == pytest.approx(weak, abs=1e-9)


def test_intervals_of_cosines_cover() -> None:
    """Mean differences from 60 examples in 24 dimensions, in clusters of two; truth: the planted direction."""
    dictionary = drawn(12, 24, 4)
    atoms = torch.nn.functional.normalize(dictionary.decoder.detach().double(), dim=1)
    planted = torch.nn.functional.normalize(atoms[3] + 0.5 * atoms[5], dim=0)
    truth = (atoms @ planted).numpy()
    covered, explained, halves = [], [], []
    for seed in range(80):
        generator = Rng(seed).torch()
        labels = torch.arange(30).repeat_interleave(2) % 2 * 2.0 - 1
        noise = torch.randn(60, 24, generator=generator) + torch.randn(30, 24, generator=generator).repeat_interleave(
            2, dim=0
        )
        inputs = 1.5 * labels[:, None] * planted + 0.6 * noise.double()
        examples = Examples(inputs=inputs, labels=labels, clusters=np.arange(60) // 2)
        direction = recovered(examples, _difference, rng=Rng(seed))
        halves.append(direction.halves)
        found = alignment(direction, dictionary)
        covered.append((found.low <= truth) & (truth <= found.high))
        part = shares(direction, dictionary, np.array([3, 5]))
        explained.append((part.low, part.value, part.high))
    assert 0.90 <= np.mean(covered) <= 0.98
    assert np.mean(covered, axis=0).min() >= 0.85
    low, value, high = np.transpose(explained, (1, 0, 2))  # of the direction as found: about its own mean
    assert np.mean((low <= value.mean(axis=0)) & (value.mean(axis=0) <= high)) >= 0.93
    wide = (high - low).mean(axis=0) / (2 * 2.09 * value.std(axis=0))  # the jackknife errs to the safe side
    assert ((wide > 0.95) & (wide < 1.5)).all(), wide
    assert 0.5 < np.mean(halves) < 0.95


@pytest.mark.parametrize("strength", [1.5, 0.02], ids=["clear", "noise"])
def test_intervals_of_cosines_cover_in_many_dimensions(strength: float) -> None:
    """60 heavy-tailed examples in 400 dimensions: what is found has a cosine of 0.7 with the planted one, or none."""
    dictionary = drawn(12, 400, 4)
    atoms = torch.nn.functional.normalize(dictionary.decoder.detach().double(), dim=1)
    planted = torch.nn.functional.normalize(atoms[3] + 0.5 * atoms[5], dim=0)
    truth = (atoms @ planted).numpy()
    covered, values = [], []
    labels = torch.tensor([1.0, -1.0]).repeat(30)
    for seed in range(60):
        noise = torch.from_numpy(np.random.default_rng(seed).standard_t(4, size=(60, 400)))
        examples = Examples(inputs=strength * labels[:, None] * planted + 0.45 * noise, labels=labels)
        found = alignment(recovered(examples, _difference, rng=Rng(seed)), dictionary)
        covered.append((found.low <= truth) & (truth <= found.high))
        values.append(found.value)
    assert np.mean(covered) >= 0.92
    assert np.mean(covered, axis=0).min() >= 0.85
    if strength > 1:
        assert np.mean(values, axis=0) == pytest.approx(truth, abs=0.03)
        assert np.mean(covered) <= 0.99


def _difference(examples: Examples) -> torch.Tensor:
    return examples.inputs[examples.positive].mean(dim=0) - examples.inputs[~examples.positive].mean(dim=0)


def test_the_best_of_many_useless_latents_is_not_flattered() -> None:
    dictionary = drawn(300, 16, 8)
    areas = []
    for seed in range(20):
        inputs = torch.randn(80, 16, generator=Rng(seed).torch())
        labels = torch.arange(80) % 2 * 2.0 - 1
        areas += [one.auroc.value for one in detectors(dictionary, Examples(inputs=inputs, labels=labels), rng=Rng(0))]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)  # chosen and read on the same examples: 0.65


def test_areas_match_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    from gnomon.structure.dictionaries.linking import _areas

    generator = np.random.default_rng(0)
    codes = np.maximum(generator.normal(size=(90, 7)) - 0.5, 0).astype(np.float32)
    positive = generator.random(90) < 0.4
    wanted = [roc_auc_score(positive, codes[:, j]) for j in range(7)]
    assert _areas(codes, positive) == pytest.approx(wanted)


def test_neighbours_by_brute_force() -> None:
    rows, others = _atoms(50, 8), _atoms(90, 8)[60:]
    cosines = (rows @ rows.T).numpy()
    np.fill_diagonal(cosines, -np.inf)
    found = neighbours(rows, count=3)
    assert found.index.tolist() == np.argsort(-cosines, axis=1)[:, :3].tolist()
    across = neighbours(rows, -2 * others, count=2, signed=False)
    wanted = (-rows @ others.T).numpy()
    assert across.index.tolist() == np.argsort(-np.abs(wanted), axis=1)[:, :2].tolist()
    assert across.cosine == pytest.approx(np.take_along_axis(wanted, across.index, axis=1), abs=1e-6)


def test_bad_input() -> None:
    dictionary = hand_made(torch.eye(4), torch.zeros(4), torch.eye(4), 2)
    with pytest.raises(GnomonError, match="not of one space"):
        pursue(torch.ones(1, 3), torch.eye(4), most=1)
    with pytest.raises(GnomonError, match="direction is zero"):
        pursue(torch.zeros(1, 4), torch.eye(4), most=1)
    few = Examples(inputs=torch.randn(2, 4, generator=Rng(0).torch()), labels=torch.tensor([1.0, -1.0]))
    with pytest.raises(InsufficientEvidenceError, match="more examples of both"):
        detectors(dictionary, few, rng=Rng(0))
    one = Examples(inputs=few.inputs, labels=few.labels, clusters=np.zeros(2, dtype=np.int64))
    with pytest.raises(InsufficientEvidenceError, match="each class are all alike"):
        null_directions(few, 3, Rng(0))
    with pytest.raises(InsufficientEvidenceError, match="one cluster"):
        recovered(one, _difference, rng=Rng(0))
    with pytest.raises(GnomonError, match="widths"):
        neighbours(torch.eye(3), torch.eye(4), count=1)
