"""The teacher against enumeration of all sequences."""

import itertools

import numpy as np
import pytest
import torch

from gnomon.organisms.neighbour_teacher import NeighbourTeacher
from gnomon.randomness import Rng


def test_its_moments_are_exact_and_single_tokens_explain_nothing():
    teacher = NeighbourTeacher(tokens=3, positions=5)
    every = torch.tensor(list(itertools.product(range(3), repeat=5)))
    y = teacher.targets(every).double().numpy()
    assert y.mean() == pytest.approx(0, abs=1e-6)
    assert y.var() == pytest.approx(1, abs=1e-5)
    one_hot = torch.nn.functional.one_hot(every, 3).flatten(1).double().numpy()
    fitted = one_hot @ np.linalg.lstsq(one_hot, y, rcond=None)[0]
    assert np.abs(fitted).max() < 1e-5


def test_each_answer_is_the_sum_over_neighbours():
    teacher = NeighbourTeacher(tokens=4, positions=3, seed=2)
    b = teacher.table
    assert teacher.targets(torch.tensor([[3, 0, 2]])).item() == pytest.approx(
        float(b[3, 0] + b[0, 2]) / np.sqrt(2), abs=1e-6
    )
    assert teacher.sequences(5, Rng(0)).shape == (5, 3)
    assert not torch.equal(b, NeighbourTeacher(tokens=4, positions=3, seed=3).table)
