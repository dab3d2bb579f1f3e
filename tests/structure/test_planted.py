"""Planted features: rates and moments against closed forms, scipy and long draws; streaming; bad input."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.planted import BLOCK, Planted, random_directions
from gnomon.structure.dictionaries.planted_firing import Correlated, Hierarchical, Independent, zipfian_rates

_TREE = Hierarchical(torch.tensor([-1, 0, 0, 1, -1]), torch.tensor([0.5, 0.4, 0.2, 0.6, 0.3], dtype=torch.float64))
_LAWS = {
    "independent": Independent(torch.tensor([0.4, 0.1, 0.02, 0.7])),
    "zipfian": Independent(zipfian_rates(6, active=1.5)),
    "hierarchical": _TREE,
    "correlated": Correlated.in_groups(torch.tensor([0.3, 0.1, 0.5, 0.05]), size=2, correlation=0.7),
}


@pytest.mark.parametrize("law", _LAWS.values(), ids=_LAWS)
def test_features_fire_at_the_stated_rates_together_and_apart(law):
    rows = 200_000
    fires = law.draw(rows, Rng(1).child("fires").torch()).double()
    joint = law.joint
    assert torch.equal(joint.diagonal(), law.rates) or torch.allclose(joint.diagonal(), law.rates, rtol=1e-12)
    error = (joint * (1 - joint) / rows).sqrt()
    away = ((fires.T @ fires / rows - joint).abs() / error).triu()
    # the largest of at most 21 standard normal deviates is above 4.5 once in 7,000 draws
    assert float(away.max()) < 4.5


def test_a_hierarchy_has_the_rates_of_its_paths():
    assert torch.allclose(_TREE.rates, torch.tensor([0.5, 0.2, 0.1, 0.12, 0.3], dtype=torch.float64))
    joint = _TREE.joint
    assert math.isclose(joint[0, 3], 0.12)  # a feature and one above it
    assert math.isclose(joint[1, 2], 0.5 * 0.4 * 0.2)  # two children
    assert math.isclose(joint[2, 3], 0.5 * 0.4 * 0.6 * 0.2)
    assert math.isclose(joint[3, 4], 0.12 * 0.3)  # of different trees
    fires = _TREE.draw(10_000, Rng(0).torch())
    assert not bool((fires[:, 3] & ~fires[:, 1]).any())
    assert not bool((fires[:, 1] & ~fires[:, 0]).any())


def test_joint_rates_of_a_copula_are_orthant_probabilities():
    rates = torch.tensor([0.5, 0.04, 0.001, 0.9], dtype=torch.float64)
    correlation = torch.eye(4, dtype=torch.float64)
    for (i, j), value in {(0, 1): 0.6, (0, 2): -0.2, (1, 2): 0.5, (0, 3): -0.3, (1, 3): 0.2, (2, 3): 0.0}.items():
        correlation[i, j] = correlation[j, i] = value
    joint = Correlated(rates, correlation).joint
    thresholds = ndtri(1 - rates.numpy())
    for i in range(4):
        for j in range(i):
            # both above their thresholds: both of the negatives below the negated thresholds
            cov = [[1, correlation[i, j]], [correlation[i, j], 1]]
            truth = multivariate_normal.cdf(
                -thresholds[[i, j]], mean=[0, 0], cov=cov, abseps=1e-12, releps=1e-10, maxpts=10**7
            )
            assert joint[i, j] == pytest.approx(truth, abs=1e-10)
    sheppard = Correlated.in_groups(torch.tensor([0.5, 0.5]), size=2, correlation=-0.99).joint
    assert sheppard[0, 1] == pytest.approx(0.25 + math.asin(-0.99) / (2 * math.pi), abs=1e-12)


@pytest.mark.parametrize("magnitudes", ["half_normal", "uniform", "constant"])
@pytest.mark.parametrize("law", _LAWS.values(), ids=_LAWS)
def test_mean_and_covariance_are_those_of_a_long_draw(law, magnitudes):
    rng = Rng(3).child(magnitudes)
    planted = Planted(
        features=random_directions(len(law.rates), 3, rng),
        firing=law,
        magnitudes=magnitudes,
        noise=0.2,
        offset=torch.tensor([5.0, -1.0, 0.0]),
    )
    vectors = torch.cat([x for _, x in planted.blocks(120_000, rng)]).double()
    n = len(vectors)
    away = (vectors.mean(dim=0) - planted.mean) / (planted.covariance.diagonal() / n).sqrt()
    assert float(away.abs().max()) < 4
    centred = vectors - planted.mean
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(dim=0) / n**0.5
    assert float(((products.mean(dim=0) - planted.covariance) / error).abs().max()) < 4.5


def test_codes_and_vectors_belong_together_and_more_rows_begin_with_the_same():
    rng = Rng(5)
    planted = Planted(features=random_directions(7, 4, rng), firing=Independent(torch.full((7,), 0.2)))
    long = list(planted.blocks(2 * BLOCK + 10, rng))
    short = list(planted.blocks(BLOCK + 5, rng))
    assert [len(codes) for codes, _ in long] == [BLOCK, BLOCK, 10]
    assert torch.equal(torch.cat([x for _, x in long])[: BLOCK + 5], torch.cat([x for _, x in short]))
    codes, vectors = long[1]
    assert torch.allclose(codes @ planted.features.float(), vectors, atol=1e-6)
    assert not torch.equal(long[0][0][:10], long[1][0][:10])


def test_bad_input_is_one_line():
    with pytest.raises(GnomonError, match="not probabilities"):
        Independent(torch.tensor([0.0, 0.5]))
    with pytest.raises(GnomonError, match="feature 1 has parent 2"):
        Hierarchical(torch.tensor([-1, 2, 0]), torch.tensor([0.5, 0.5, 0.5]))
    with pytest.raises(GnomonError, match="no correlation matrix"):
        Correlated(torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(GnomonError, match="fire with probability 2"):
        zipfian_rates(3, active=3.8)
    one = Independent(torch.tensor([0.5]))
    with pytest.raises(GnomonError, match="unit length"):
        Planted(features=torch.tensor([[2.0, 0.0]]), firing=one)
    with pytest.raises(GnomonError, match="not of 1 firing rates"):
        Planted(features=torch.eye(2), firing=one)
    with pytest.raises(GnomonError, match="unknown magnitudes 'big'"):
        Planted(features=torch.tensor([[1.0, 0.0]]), firing=one, magnitudes="big")


def test_random_directions_are_uniform():
    directions = random_directions(4000, 5, Rng(0)).numpy()
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    # x² of a uniform direction in d dimensions has mean 1/d and variance 2(d − 1)/(d²(d + 2))
    error = math.sqrt(2 * 4 / (25 * 7) / 4000)
    assert np.abs((directions**2).mean(axis=0) - 0.2).max() < 4 * error
