"""Recovery of planted features: matching against brute force, nulls in closed form, firing with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hand_made import hand_made

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import ArrayRows, Training, architecture, train
from gnomon.structure.dictionaries.evaluation import PlantedSource, evaluate
from gnomon.structure.dictionaries.evaluation.recovery import expected_best_cosine, match, null_matched_cosines
from gnomon.structure.dictionaries.planted import Planted, random_directions
from gnomon.structure.dictionaries.planted_firing import Independent


def _read(dictionary, planted, *, rows=4000, others=(), rng=None):
    found = evaluate(dictionary, PlantedSource(planted, rows, Rng(7)), others=others, rng=rng or Rng(0))
    return {(m.quantity, m.labels.get("dictionary")): m for m in found}


@pytest.mark.parametrize("latents", [3, 4, 6], ids=["fewer", "as many", "more"])
def test_the_assignment_is_the_best_of_all(latents):
    features, directions = random_directions(4, 3, Rng(0)), 5 * random_directions(latents, 3, Rng(1))
    found = match(directions, features)
    cosines = (features @ (directions / 5).T).numpy()
    places = [*range(latents), *[-1] * max(0, 4 - latents)]
    best = max(sum(cosines[i, j] for i, j in enumerate(order) if j >= 0) for order in itertools.permutations(places, 4))
    assert found.cosines.sum() == pytest.approx(best)
    assert [found.cosines[i] for i, j in enumerate(found.latents) if j < 0] == [0.0] * max(0, 4 - latents)
    kept = found.latents[found.latents >= 0]
    assert len(set(kept.tolist())) == len(kept)


@pytest.mark.parametrize(("count", "width"), [(1, 5), (40, 8), (128, 64), (7, 2)], ids=str)
def test_the_best_cosine_of_random_directions(count, width):
    draws = 1500
    generator = Rng(count).torch()
    normal = torch.randn(draws, count, width, generator=generator)
    best = (normal[:, :, 0] / normal.norm(dim=2)).amax(dim=1).double()
    error = float(best.std()) / draws**0.5
    assert abs(float(best.mean()) - expected_best_cosine(count, width)) < 4 * error


def test_the_null_is_below_the_best_cosine_and_above_none():
    features = random_directions(24, 12, Rng(0))
    null = null_matched_cosines(features, 24, Rng(1))
    assert len(null) == 20
    # one-to-one assignments cannot all have the best, and do far better than chance pairs, whose mean is zero
    assert 0.2 < null.mean() < expected_best_cosine(24, 12)


def test_the_true_dictionary_recovers_everything():
    """Orthonormal features, whose codes are their projections."""
    features = torch.linalg.qr(torch.randn(10, 10, generator=Rng(0).torch())).Q[:6]
    planted = Planted(features=features, firing=Independent(torch.full((6,), 0.2)), magnitudes="uniform")
    dictionary = hand_made(features[[3, 0, 5, 1, 4, 2]], torch.full((6,), -1e-5), features[[3, 0, 5, 1, 4, 2]], 6)
    found = _read(dictionary, planted)
    for quantity in ("matched_cosine", "matched_recall", "matched_precision", "firing_precision", "firing_recall"):
        label = "trained" if quantity == "matched_cosine" else None
        assert found[f"planted_{quantity}", label].value == pytest.approx(1, abs=1e-3), quantity
    assert found["planted_firing_f1", None].value == pytest.approx(1, abs=1e-3)
    assert found["dictionary_explained_variance", None].value == pytest.approx(1, abs=1e-4)
    assert found["planted_matched_cosine", "random"].value < 0.6
    assert found["planted_matched_cosine", "trained"].uncertainty.kind == "exact"


def test_firing_of_a_dictionary_with_known_errors_is_covered():
    """Uniform magnitudes and a threshold t: recall is 1 − t. A third feature's latent fires on the first too."""
    features = torch.eye(3)
    planted = Planted(features=features, firing=Independent(torch.tensor([0.3, 0.2, 0.1])), magnitudes="uniform")
    encoder = torch.eye(3)
    encoder[2, 0] = 1.0  # fires where feature 0 or 2 is: precision 0.1 / (1 − 0.7 · 0.9)
    dictionary = hand_made(encoder, torch.tensor([-0.25, 0.0, 0.0]), features, 3)
    truth = {
        "planted_firing_recall": (0.75 + 1 + 1) / 3,
        "planted_firing_precision": (1 + 1 + 0.1 / 0.37) / 3,
        "planted_firing_f1": (2 * 0.75 / 1.75 + 1 + 2 * 0.1 / (0.37 + 0.1)) / 3,
    }
    hits = dict.fromkeys(truth, 0)
    for seed in range(40):
        found = evaluate(dictionary, PlantedSource(planted, 1500, Rng(seed)), rng=Rng(0))
        for one in found:
            if one.quantity in truth:
                hits[one.quantity] += one.uncertainty.contains(one.value, truth[one.quantity])
    assert all(34 <= hit <= 40 for hit in hits.values()), hits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "least"),
    [
        ("top_k", {"k": 5}, 0.87),
        ("batch_top_k", {"k": 5}, 0.87),
        ("relu", {}, 0.87),
        ("jump_relu", {}, 0.87),
        # its first latents reconstruct alone, which features without a hierarchy do not ask for
        ("matryoshka", {"k": 5}, 0.6),
    ],
    ids=["top_k", "batch_top_k", "relu", "jump_relu", "matryoshka"],
)
def test_every_kind_finds_what_is_planted_with_its_defaults(kind, options, least):
    """128 features in 64 dimensions, as asked of TopK; directions drawn at random have 0.30."""
    rng = Rng(0).child("every kind")
    law = Independent(torch.full((128,), 0.04))
    planted = Planted(features=random_directions(128, 64, rng), firing=law)
    rows = torch.cat([vectors for _, vectors in planted.blocks(800_000, rng)])
    training = Training(rows=len(rows), batch=1024)
    found = train(ArrayRows(rows), architecture(kind, latents=128, **options), training, rng=rng).dictionary
    assert match(found.decoder.detach(), planted.features).cosines.mean() >= least
    # at evaluation about as many fire as features do: 5.1
    active = (found.encode(rows[:20_000]).values > 0).sum(dim=1).double().mean()
    assert 2.5 <= float(active) <= 10


def test_several_seeds_have_an_interval():
    features = random_directions(5, 8, Rng(0))
    planted = Planted(features=features, firing=Independent(torch.full((5,), 0.2)))
    made = []
    for seed in range(3):
        directions = features.float() + 0.3 * torch.randn(5, 8, generator=Rng(seed).torch())
        directions /= directions.norm(dim=1, keepdim=True)
        made.append(hand_made(directions, torch.zeros(5), directions, 5))
    one = _read(made[0], planted, others=made[1:])["planted_matched_cosine", "trained"]
    cosines = [match(d.decoder.detach(), features).cosines.mean() for d in made]
    assert one.value == pytest.approx(np.mean(cosines))
    half = 4.302652729911275 * np.std(cosines, ddof=1) / 3**0.5  # Student's t at 0.975 with 2 degrees of freedom
    assert one.uncertainty.high - one.value == pytest.approx(half)
    assert one.uncertainty.covers == {"seed"}


def test_features_of_another_width_are_refused():
    with pytest.raises(GnomonError, match="are not of features"):
        match(torch.eye(3), torch.eye(4))
