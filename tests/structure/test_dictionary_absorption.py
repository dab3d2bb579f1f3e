"""Absorption: dictionaries that absorb by construction, and ones that do not, with the truth known."""

from __future__ import annotations

import pytest
import torch
from hand_made import hand_made

from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation import PlantedSource, evaluate
from gnomon.structure.dictionaries.evaluation.absorption import concept_absorption
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.planted import Planted
from gnomon.structure.dictionaries.planted_firing import Hierarchical
from gnomon.structure.examples import Examples

_WIDTH = 12
# a parent with two children, one of which fires in 0.3 and the other in 0.1 of the parent's vectors; two others alone
_LAW = Hierarchical(torch.tensor([-1, 0, 0, -1, -1]), torch.tensor([0.5, 0.3, 0.1, 0.2, 0.2], dtype=torch.float64))
_FEATURES = torch.eye(_WIDTH)[:5]
_PLANTED = Planted(features=_FEATURES, firing=_LAW, magnitudes="constant")
_TRUTH = 0.3 / (1 - 0.7 * 0.9)


def _faithful():
    return hand_made(_FEATURES, torch.full((5,), -1e-4), _FEATURES, 5)


def _absorbing():
    """The first child's latent carries the parent too, and the parent's latent is silent where the child fires."""
    encoder, decoder = _FEATURES.clone(), _FEATURES.clone()
    encoder[0] = _FEATURES[0] - 2 * _FEATURES[1]
    encoder[1] = 2**0.5 * _FEATURES[1]
    decoder[1] = (_FEATURES[0] + _FEATURES[1]) / 2**0.5
    return hand_made(encoder, torch.full((5,), -1e-4), decoder, 5)


def _planted_absorption(dictionary, planted=_PLANTED, *, rows=6000, seed=0):
    found = evaluate(dictionary, PlantedSource(planted, rows, Rng(seed)), rng=Rng(0))
    return next(m for m in found if m.quantity == "dictionary_absorption")


def _explained(dictionary):
    found = evaluate(dictionary, PlantedSource(_PLANTED, 3000, Rng(0)), rng=Rng(0))
    return next(m for m in found if m.quantity == "dictionary_explained_variance").value


def test_a_child_that_absorbs_does_so_in_its_share_of_the_vectors():
    """Of the vectors in which either child fires, those of the first."""
    one = _planted_absorption(_absorbing())
    assert one.uncertainty.contains(one.value, _TRUTH)
    assert one.value == one.diagnostics["silent"]
    assert _explained(_absorbing()) > 0.999  # reconstruction tells nothing of it


def test_a_dictionary_of_the_features_does_not_absorb():
    one = _planted_absorption(_faithful())
    assert one.value == 0
    assert 0 < one.uncertainty.high < 0.01
    assert one.diagnostics["silent"] == 0
    assert _explained(_faithful()) > 0.999


def test_a_silent_parent_that_nobody_carries_is_not_absorbed():
    encoder = _FEATURES.clone()
    encoder[0] = _FEATURES[0] - 2 * _FEATURES[1]
    one = _planted_absorption(hand_made(encoder, torch.full((5,), -1e-4), _FEATURES, 5))
    assert one.value == 0
    assert one.diagnostics["silent"] == pytest.approx(_TRUTH, abs=0.05)


def test_absorption_is_counted_for_features_that_overlap():
    """A child at a cosine of 0.6 with its parent is no absorber by that alone."""
    features = _FEATURES.clone()
    features[1] = 0.6 * _FEATURES[0] + 0.8 * _FEATURES[1]
    planted = Planted(features=features, firing=_LAW, magnitudes="constant")
    dual = torch.linalg.pinv(features).T  # exact codes in spite of the overlap
    faithful = hand_made(dual, torch.full((5,), -1e-4), features, 5)
    assert _planted_absorption(faithful, planted).value == 0
    silent = dual.clone()
    silent[0] -= 2 * dual[1]
    assert _planted_absorption(hand_made(silent, torch.full((5,), -1e-4), features, 5), planted).value == 0


def test_intervals_cover():
    hits = 0
    for seed in range(30):
        one = _planted_absorption(_absorbing(), rows=1000, seed=seed)
        hits += one.uncertainty.contains(one.value, _TRUTH)
    assert 25 <= hits <= 30


def test_a_parent_without_a_latent_is_left_out():
    rest = hand_made(_FEATURES[1:], torch.zeros(4), _FEATURES[1:], 4)
    one = _planted_absorption(rest)
    assert one.status == "insufficient"
    assert "latent of its own" in one.reason


def _concept(rows: int, seed: int):
    """Whether the parent fires, with a little noise in every direction."""
    ((codes, vectors),) = _PLANTED.blocks(rows, Rng(seed))
    noise = 0.05 * torch.randn(vectors.shape, generator=Rng(seed).child("noise").torch())
    return Examples(inputs=vectors + noise, labels=torch.where(codes[:, 0] > 0, 1.0, -1.0))


@pytest.mark.parametrize("faithful", [True, False], ids=["of the features", "that absorbs"])
def test_a_concept_is_absorbed_where_its_feature_is(faithful):
    """The absorbing latent fires in 0.3 of the vectors that have the concept, and all main latents are silent there.

    The concept's probe has to find the parent's direction first, for which all examples are used.
    """
    dictionary = _faithful() if faithful else _absorbing()
    dictionary.encoder_bias.data.fill_(-0.3)
    concept = CodedConcept(dictionary, _concept(1500, 3), Rng(0))
    one = concept_absorption(concept, "parent", level=0.95)
    assert one.labels == {"concept": "parent"}
    assert one.diagnostics["examples"] > 700
    if faithful:
        assert one.value < 0.005
    else:
        # a second main latent, the child's, would leave nothing silent: the rise by it decides
        assert one.diagnostics["main_latents"] >= 1
        truth = 0.3 if one.diagnostics["main_latents"] == 1 else 0.0
        assert one.value == pytest.approx(truth, abs=0.05)


def test_transcoders_are_refused_for_concepts():
    transcoder = hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), torch.ones(_WIDTH, 3), 2)
    one = concept_absorption(CodedConcept(transcoder, _concept(300, 0), Rng(0)), "parent", level=0.95)
    assert one.status == "insufficient"
    assert "transcoder" in one.reason
