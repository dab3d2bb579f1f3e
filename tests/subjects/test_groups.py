"""Finite groups: axioms, representations, and textbook character tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry import Cyclic, Dihedral, Group, Symmetric

GROUPS = [
    *(Cyclic(n) for n in (1, 2, 3, 5, 6, 12, 23)),
    *(Dihedral(n) for n in (1, 2, 3, 4, 5, 6, 9)),
    *(Symmetric(n) for n in (1, 2, 3, 4, 5)),
]
every_group = pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)


@every_group
def test_the_table_is_that_of_a_group(group: Group) -> None:
    table, n = group.table, group.order
    assert (np.sort(table, axis=1) == np.arange(n)).all()
    assert (table[0] == np.arange(n)).all()
    assert (table[:, 0] == np.arange(n)).all()
    assert (table[np.arange(n), group.inverses] == 0).all()
    assert (table[group.inverses, np.arange(n)] == 0).all()
    assert (table[table] == table[:, table]).all()  # (gh)k = g(hk)


@every_group
def test_representations_are_homomorphisms_into_orthogonal_matrices(group: Group) -> None:
    for irrep in group.irreps:
        products = np.einsum("gij,hjk->ghik", irrep.matrices, irrep.matrices)
        np.testing.assert_allclose(irrep.matrices[group.table], products, atol=1e-12)
        gram = np.einsum("gij,gkj->gik", irrep.matrices, irrep.matrices)
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(irrep.dimension), gram.shape), atol=1e-12)


@every_group
def test_characters_are_orthogonal_and_dimensions_add_up(group: Group) -> None:
    characters = np.array([irrep.character for irrep in group.irreps])
    norms = np.diag([irrep.norm for irrep in group.irreps])
    np.testing.assert_allclose(characters @ characters.T / group.order, norms, atol=1e-12)
    assert sum(irrep.multiplicity for irrep in group.irreps) == group.order
    assert len({irrep.name for irrep in group.irreps}) == len(group.irreps) == len(group.names)
    assert (group.irreps[0].matrices == 1).all()


@every_group
def test_functions_of_all_representations_are_one_orthonormal_basis(group: Group) -> None:
    basis = np.concatenate([irrep.functions for irrep in group.irreps], axis=1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(group.order), atol=1e-12)


@every_group
def test_power_is_that_of_the_projectors(group: Group) -> None:
    """Against the projectors themselves, summed element by element over the regular representation."""
    values = np.random.default_rng(0).normal(size=(group.order, 3))
    found = group.power(values)
    for irrep, power in zip(group.irreps, found, strict=True):
        projected = np.zeros_like(values)
        for g in range(group.order):
            moved = values[group.product(group.inverses[g], np.arange(group.order))]  # (R(g)f)(x) = f(g⁻¹x)
            projected += irrep.dimension / irrep.norm / group.order * irrep.character[g] * moved
        np.testing.assert_allclose(power, np.square(projected).sum(axis=0), rtol=1e-10, atol=1e-12)
    assert found.sum() == pytest.approx(np.square(values).sum())


@every_group
def test_power_of_a_stack_is_that_of_each(group: Group) -> None:
    values = np.random.default_rng(1).normal(size=(2, 4, group.order, 3))
    found = group.power(values)
    assert found.shape == (2, 4, len(group.irreps), 3)
    np.testing.assert_allclose(found[1, 2], group.power(values[1, 2]), rtol=1e-12)


@pytest.mark.parametrize("n", [2, 5, 8, 113])
def test_cyclic_power_is_that_of_the_discrete_fourier_transform(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, 4))
    spectrum = np.square(np.abs(np.fft.fft(values, axis=0))) / n
    folded = [spectrum[0]] + [spectrum[k] + (spectrum[n - k] if 2 * k != n else 0) for k in range(1, n // 2 + 1)]
    np.testing.assert_allclose(Cyclic(n).power(values), folded, rtol=1e-12)


# classes by cycle type; characters by partition (James & Liebeck, Representations and Characters of Groups, 2001)
S3 = {(1, 1, 1): {"(3)": 1, "(2, 1)": 2, "(1, 1, 1)": 1}, (2, 1): {"(3)": 1, "(2, 1)": 0, "(1, 1, 1)": -1}}
S3[(3,)] = {"(3)": 1, "(2, 1)": -1, "(1, 1, 1)": 1}
S4_CLASSES = [(1, 1, 1, 1), (2, 1, 1), (2, 2), (3, 1), (4,)]
S4 = {
    "(4)": [1, 1, 1, 1, 1],
    "(3, 1)": [3, 1, -1, 0, -1],
    "(2, 2)": [2, 0, 2, -1, 0],
    "(2, 1, 1)": [3, -1, -1, 0, 1],
    "(1, 1, 1, 1)": [1, -1, 1, 1, -1],
}
S5_CLASSES = [(1, 1, 1, 1, 1), (2, 1, 1, 1), (2, 2, 1), (3, 1, 1), (3, 2), (4, 1), (5,)]
S5 = {
    "(5)": [1, 1, 1, 1, 1, 1, 1],
    "(4, 1)": [4, 2, 0, 1, -1, 0, -1],
    "(3, 2)": [5, 1, 1, -1, 1, -1, 0],
    "(3, 1, 1)": [6, 0, -2, 0, 0, 0, 1],
    "(2, 2, 1)": [5, -1, 1, -1, -1, 1, 0],
    "(2, 1, 1, 1)": [4, -2, 0, 1, 1, 0, -1],
    "(1, 1, 1, 1, 1)": [1, -1, 1, 1, -1, -1, 1],
}


def _cycle_type(permutation: np.ndarray) -> tuple[int, ...]:
    seen: set[int] = set()
    lengths = []
    for start in range(len(permutation)):
        length, i = 0, start
        while i not in seen:
            seen.add(i)
            length, i = length + 1, int(permutation[i])
        if length:
            lengths.append(length)
    return tuple(sorted(lengths, reverse=True))


@pytest.mark.parametrize(
    ("n", "table"),
    [
        (3, S3),
        (4, {c: {name: row[i] for name, row in S4.items()} for i, c in enumerate(S4_CLASSES)}),
        (5, {c: {name: row[i] for name, row in S5.items()} for i, c in enumerate(S5_CLASSES)}),
    ],
)
def test_characters_of_symmetric_groups(n: int, table: dict[tuple[int, ...], dict[str, int]]) -> None:
    group = Symmetric(n)
    for g, permutation in enumerate(group.permutations):
        for irrep in group.irreps:
            assert irrep.character[g] == pytest.approx(table[_cycle_type(permutation)][irrep.name], abs=1e-12)


def test_permutations_are_numbered_in_lexicographic_order_and_composed_as_functions() -> None:
    group = Symmetric(4)
    orders = list(itertools.permutations(range(4)))
    assert [tuple(p) for p in group.permutations.tolist()] == orders
    for g, h in [(3, 17), (8, 5), (23, 11)]:
        composed = tuple(orders[g][orders[h][i]] for i in range(4))
        assert orders[group.table[g, h]] == composed


def test_dihedral_elements_are_the_symmetries_of_a_polygon() -> None:
    group, corners = Dihedral(5), np.exp(2j * np.pi * np.arange(5) / 5)
    plane = next(irrep for irrep in group.irreps if irrep.name == "k = 1")
    xy = np.stack([corners.real, corners.imag])
    for g in range(group.order):
        moved = plane.matrices[g] @ xy
        turned = corners.conj() if g >= 5 else corners
        expected = turned * np.exp(2j * np.pi * (g % 5) / 5)
        np.testing.assert_allclose(moved[0] + 1j * moved[1], expected, atol=1e-12)


def test_characters_of_the_square() -> None:
    group = Dihedral(4)
    # classes: 1, r², {r, r³}, {s, r²s}, {rs, r³s}
    representatives = [0, 2, 1, 4, 5]
    table = {
        "trivial": [1, 1, 1, 1, 1],
        "reflection": [1, 1, 1, -1, -1],
        "alternating": [1, 1, -1, 1, -1],
        "alternating, reflection": [1, 1, -1, -1, 1],
        "k = 1": [2, -2, 0, 0, 0],
    }
    for irrep in group.irreps:
        np.testing.assert_allclose(irrep.character[representatives], table[irrep.name], atol=1e-12)


@pytest.mark.parametrize("make", [lambda: Cyclic(0), lambda: Dihedral(0), lambda: Symmetric(0), lambda: Symmetric(6)])
def test_groups_that_are_not_there_are_refused(make: object) -> None:
    with pytest.raises(GnomonError, match="give n"):
        make()  # type: ignore[operator]


def test_values_of_another_length_are_refused() -> None:
    with pytest.raises(GnomonError, match=r"no function on C_5; give 5 rows"):
        Cyclic(5).power(np.ones((4, 2)))
    with pytest.raises(GnomonError, match=r"no function on S_3; give 6 rows"):
        Symmetric(3).power(np.ones((5, 2)))
