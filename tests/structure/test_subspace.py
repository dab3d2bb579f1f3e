"""Subspaces: their angles, against scipy and in closed form."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from gnomon.errors import GnomonError
from gnomon.structure.subspace import Subspace


def _random(d: int, r: int, seed: int) -> Subspace:
    columns = torch.randn(d, r, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Subspace.span(columns, torch.ones(r))


@pytest.mark.parametrize(("r", "s"), [(1, 1), (2, 2), (3, 1), (2, 5)], ids=str)
def test_angles_are_those_of_scipy(r, s):
    one, other = _random(9, r, 0), _random(9, s, 1)
    expected = np.sort(subspace_angles(one.basis.numpy(), other.basis.numpy()))
    np.testing.assert_allclose(one.angles(other).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(other.angles(one).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.7, 1.5, np.pi / 2 - 1e-9], ids=str)
def test_an_angle_is_exact_however_small_or_near_a_right_one(angle):
    turned = torch.tensor([np.cos(angle), np.sin(angle), 0.0])
    between = Subspace.line(torch.tensor([2.0, 0.0, 0.0])).angles(Subspace.line(turned))
    assert between.item() == pytest.approx(angle, abs=1e-15, rel=1e-12)


def test_planes_that_share_a_line():
    first = Subspace(torch.eye(4, dtype=torch.float64)[:, :2], torch.ones(2))
    second = Subspace(torch.eye(4, dtype=torch.float64)[:, 1:3], torch.ones(2))
    np.testing.assert_allclose(first.angles(second).numpy(), [0.0, np.pi / 2], atol=1e-15)


def test_a_span_keeps_the_first_direction_and_its_sign():
    columns = torch.tensor([[-3.0, 1.0], [0.0, -2.0], [0.0, 0.0]])
    found = Subspace.span(columns, torch.tensor([2.0, 1.0]))
    assert found.direction.tolist() == [-1.0, 0.0, 0.0]
    assert found.basis[:, 1].tolist() == [0.0, -1.0, 0.0]
    assert found.rank == 2
    assert found.coordinates(torch.tensor([[1.0, 2.0, 5.0]])).tolist() == [[-1.0, -2.0]]


@pytest.mark.parametrize("length", [1e-200, 1.0, 1e200], ids=str)
def test_a_line_has_no_length(length):
    assert Subspace.line(torch.tensor([0.0, length], dtype=torch.float64)).direction.tolist() == [0.0, 1.0]


def test_bad_input_is_one_line():
    with pytest.raises(GnomonError, match="not orthonormal"):
        Subspace(torch.ones(3, 1), torch.ones(1))
    with pytest.raises(GnomonError, match="do not match"):
        Subspace(torch.eye(3), torch.ones(2))
    with pytest.raises(GnomonError, match="zero or depend"):
        Subspace.line(torch.zeros(3))
    with pytest.raises(GnomonError, match="zero or depend"):
        Subspace.span(torch.ones(3, 2), torch.ones(2))
