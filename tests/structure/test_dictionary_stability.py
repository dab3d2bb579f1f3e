"""Latents found again: known shares, the largest matching against the Hungarian method, and the null."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import hand_made
from scipy.optimize import linear_sum_assignment
from scipy.stats import beta

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation import stability as module
from gnomon.structure.dictionaries.evaluation.stability import found_again, stability
from gnomon.structure.dictionaries.planted import random_directions


def _dictionary(directions):
    return hand_made(directions, torch.zeros(len(directions)), directions, active=4)


def test_a_permuted_dictionary_is_found_again_and_a_half_new_one_by_half():
    directions = random_directions(60, 40, Rng(0)).float()
    order = torch.randperm(60, generator=Rng(1).torch())
    half = directions[order].clone()
    half[:30] = random_directions(30, 40, Rng(2)).float()
    others = [_dictionary(directions[order]), _dictionary(half)]
    again, turned = stability(_dictionary(directions), others, Rng(3))
    assert again.diagnostics["shares"] == [1.0, 0.5]
    assert again.value == 0.75
    assert again.uncertainty.covers == {"seed"}
    assert turned.value == 0
    # the union bound over 60 directions of which each is so near with the probability of a tail of Beta's law
    assert turned.uncertainty.high == pytest.approx(60 * beta(19.5, 19.5).sf(0.85))
    alone, _ = stability(_dictionary(directions), others[:1], Rng(3))
    assert alone.uncertainty.kind == "unknown"


@pytest.mark.parametrize("cosine", [0.3, 0.6])
def test_as_many_as_possible_are_matched(cosine, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", 100)  # many blocks
    ours, theirs = random_directions(50, 4, Rng(0)), random_directions(35, 4, Rng(1))
    near = (ours @ theirs.T).numpy() > cosine
    rows, columns = linear_sum_assignment(near, maximize=True)
    assert found_again(ours, theirs, cosine=cosine).sum() == near[rows, columns].sum()


def test_two_latents_do_not_share_one_partner():
    ours = torch.tensor([[1.0, 0.0], [0.99, 0.1], [0.0, 1.0]])
    assert found_again(ours, torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).sum() == 1
    assert found_again(ours, -ours).sum() == 0  # the sign of a direction means something


def test_the_null_of_few_dimensions_is_not_zero_and_its_interval_holds_the_mean():
    """In 3 dimensions half of 20 random directions find a near one by chance."""
    one, other = (_dictionary(random_directions(20, 3, Rng(seed)).float()) for seed in (0, 1))
    _, turned = stability(one, [other], Rng(0))
    many = [stability(one, [other], Rng(seed))[1].value for seed in range(1, 60)]
    assert 0.5 < turned.value <= 1
    assert turned.uncertainty.low <= np.mean(many) <= turned.uncertainty.high


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(GnomonError, match="another dictionary"):
        stability(_dictionary(torch.eye(4)), [], Rng(0))
    with pytest.raises(GnomonError, match="cannot be compared"):
        stability(_dictionary(torch.eye(4)), [_dictionary(torch.eye(5))], Rng(0))
