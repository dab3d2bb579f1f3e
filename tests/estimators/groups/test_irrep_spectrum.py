"""The irrep spectrum of weights: planted spectra, an honest null, and what is declared wrongly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.groups import IrrepSpectrum
from gnomon.estimators.groups.known import composition_subject, embedding_subject, linear
from gnomon.estimators.groups.shares import default_leading, permuted, shares_of
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.symmetry import Cyclic, Dihedral, ElementWeights, Group, OneHot, Symmetric, Symmetry, TokenAt


def read(subject: Subject, seed: int = 0, **options: object) -> dict[tuple[str | None, str, str], Measurement]:
    found = IrrepSpectrum(**options).measure(subject, None, sites=(), budget=Budget(), rng=Rng(seed))  # type: ignore[arg-type]
    return {(m.site, m.labels["elements"], m.quantity): m for m in found}


def test_chosen_frequencies_of_modular_addition_are_found() -> None:
    group, chosen = Cyclic(59), {"k = 3": 1.0, "k = 14": 0.7, "k = 29": 0.4}
    found = read(composition_subject(group, chosen))
    squares = {k: a * a for k, a in chosen.items()}
    for site, elements, same in (
        ("first:weight", "a", squares),
        ("second:weight", "b", dict.fromkeys(chosen, 1.0)),
        ("logits:unembed.weight", "answer", dict.fromkeys(chosen, 1.0)),
    ):
        key = next(k for k in found if k[1] == elements and k[2] == "irrep_power")
        power = found[key]
        expected = np.array([same.get(name, 0.0) for name in group.names[1:]])
        np.testing.assert_allclose(np.asarray(power.value), expected / expected.sum(), atol=1e-12, err_msg=site)
        share = found[key[0], elements, "leading_irrep_share"]
        assert share.value == pytest.approx(1.0, abs=1e-12)
        assert share.diagnostics["p_value"] == 1 / 500
        assert share.diagnostics["null_95_percent"] < 0.5
        assert set(share.diagnostics["leaders"][:3]) == set(chosen)
    assert found["first:weight", "a", "irreps_for_70_percent"].value == 2
    assert found["second:weight", "b", "irreps_for_70_percent"].value == 3


@pytest.mark.parametrize("group", [Symmetric(3), Symmetric(4), Dihedral(5)], ids=lambda g: g.name)
def test_composition_networks_compose_and_show_the_irreps_they_use(group: Group) -> None:
    faithful = next(i for i in group.irreps if i.dimension == max(j.dimension for j in group.irreps))
    subject = composition_subject(group, {faithful.name: 1.5})
    pairs = torch.tensor(list(itertools.product(range(group.order), repeat=2)))
    one_hot = torch.eye(group.order)
    scores = subject.module(torch.cat([one_hot[pairs[:, 0]], one_hot[pairs[:, 1]]], dim=1))
    np.testing.assert_array_equal(scores.argmax(1).numpy(), group.table.ravel())
    for (_, _, quantity), m in read(subject).items():
        if quantity == "irrep_power":
            expected = [float(name == faithful.name) for name in group.names[1:]]
            np.testing.assert_allclose(np.asarray(m.value), expected, atol=1e-12)


def test_power_of_a_cyclic_embedding_is_numpys_fourier_transform() -> None:
    rows = np.random.default_rng(3).normal(size=(31, 17)) + 5
    found = read(embedding_subject(Cyclic(31), rows))
    spectrum = np.square(np.abs(np.fft.fft(rows, axis=0)))[1:].sum(axis=1)
    expected = (spectrum + spectrum[::-1])[:15] / spectrum.sum()
    power = found["weight", "a", "irrep_power"]
    np.testing.assert_allclose(np.asarray(power.value), expected, rtol=1e-10)
    assert power.diagnostics["power"] == pytest.approx(spectrum.sum() / 31)
    assert power.diagnostics["constant"] == pytest.approx(31 * np.square(rows.mean(axis=0)).sum())
    assert power.uncertainty.kind == "exact"
    assert 0 < power.uncertainty.systematic < 1e-11


@pytest.mark.parametrize(("group", "width"), [(Cyclic(29), 64), (Symmetric(4), 5), (Dihedral(8), 16)])
def test_p_values_of_random_embeddings_are_uniform(group: Group, width: int) -> None:
    """Rows that are exchangeable: whichever the group, the p-value is uniform and the share is the null's."""
    p, p_of_units, shares, null = [], [], [], []
    for seed in range(200):
        rows = np.random.default_rng(seed).standard_t(4, size=(group.order, width))
        found = read(embedding_subject(group, rows), seed, permutations=199)
        p.append(found["weight", "a", "leading_irrep_p_value"].value)
        p_of_units.append(found["weight", "a", "unit_irrep_p_value"].value)
        shares.append(found["weight", "a", "leading_irrep_share"].value)
        null.append(found["weight", "a", "leading_irrep_share"].diagnostics["null_mean"])
    assert kstest(p, "uniform").pvalue > 0.01
    assert kstest(p_of_units, "uniform").pvalue > 0.01
    assert np.mean(shares) == pytest.approx(np.mean(null), abs=4 * np.std(shares) / np.sqrt(200))


def test_a_planted_frequency_under_noise_is_seen_and_the_uniform_share_is_not_believed() -> None:
    group, generator = Cyclic(29), np.random.default_rng(0)
    noise = generator.normal(size=(29, 64))
    angle = 2 * np.pi * 5 * np.arange(29) / 29
    signal = np.outer(np.cos(angle), generator.normal(size=64))
    alone = read(embedding_subject(group, noise))["weight", "a", "leading_irrep_share"]
    planted = read(embedding_subject(group, noise + signal))["weight", "a", "leading_irrep_share"]
    assert alone.diagnostics["p_value"] > 0.05
    assert planted.diagnostics["p_value"] < 0.01
    assert planted.diagnostics["leaders"][0] == "k = 5"


def test_the_null_is_the_statistic_of_permuted_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(11, 40))
    null = permuted(Cyclic(11), rows, 2, 50, np.random.default_rng(5))
    generator, leading, of_units = np.random.default_rng(5), [], []
    for order in [generator.permutation(11) for _ in range(50)]:
        found = shares_of(Cyclic(11), rows[order])
        assert found is not None
        leading.append(found.leading(2))
        of_units.append(found.of_units)
    np.testing.assert_allclose(null.leading, leading, rtol=1e-10)
    np.testing.assert_allclose(null.of_units, of_units, rtol=1e-10)


def test_units_that_each_keep_to_a_frequency_are_seen_where_all_frequencies_are_used() -> None:
    """As in the analytic solution of Gromov, arXiv:2301.02679: no frequency leads, each unit has one."""
    generator, k = np.random.default_rng(0), np.arange(44) % 11 + 1
    angles = 2 * np.pi * np.arange(23)[:, None] * k / 23
    rows = np.cos(angles + generator.uniform(0, 2 * np.pi, 44))
    found = read(embedding_subject(Cyclic(23), rows))
    assert found["weight", "a", "leading_irrep_share"].value == pytest.approx(3 / 11)
    assert found["weight", "a", "unit_irrep_share"].value == pytest.approx(1)
    assert found["weight", "a", "unit_irrep_p_value"].value == 1 / 500


@pytest.mark.parametrize("group", [Cyclic(12), Dihedral(5), Symmetric(4)], ids=lambda g: g.name)
def test_moving_all_elements_and_turning_the_units_changes_no_power(group: Group) -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(group.order, 9))
    turn = np.linalg.qr(generator.normal(size=(9, 9)))[0]
    plain = read(embedding_subject(group, rows))["weight", "a", "irrep_power"]
    for moved in (rows[group.table[3]], rows[group.table[:, 4]], rows @ turn, -7 * rows):
        found = read(embedding_subject(group, moved))["weight", "a", "irrep_power"]
        np.testing.assert_allclose(np.asarray(found.value), np.asarray(plain.value), rtol=1e-10)


def test_an_automorphism_of_a_cyclic_group_renames_its_frequencies() -> None:
    """Multiplying all elements by 5 moves frequency k to 5k: a relabelling that keeps the leading share."""
    rows = np.random.default_rng(0).normal(size=(23, 6))
    plain, renamed = (
        read(embedding_subject(Cyclic(23), r))["weight", "a", "irrep_power"].value
        for r in (rows, rows[5 * np.arange(23) % 23])
    )
    k = np.arange(1, 12)
    frequency = np.minimum(5 * k % 23, 23 - 5 * k % 23)
    np.testing.assert_allclose(np.asarray(renamed)[frequency - 1], np.asarray(plain)[k - 1], rtol=1e-10)


def test_elements_may_be_any_inputs_in_any_order() -> None:
    """Seven tokens of a vocabulary, such as the days of the week."""
    days = (41, 7, 19, 3, 28, 30, 11)
    table = nn.Embedding(50, 6)
    angle = 2 * torch.pi * torch.arange(7) / 7
    with torch.no_grad():
        table.weight[list(days), 0], table.weight[list(days), 1] = 5 * angle.cos(), 5 * angle.sin()
        table.weight[:, 2:] = 0.01
    week = Symmetry(group=Cyclic(7), weights=(ElementWeights("weight", "inputs", days, "day"),))
    found = read(Subject(table), symmetry=week)
    np.testing.assert_allclose(np.asarray(found["weight", "day", "irrep_power"].value), [1.0, 0.0, 0.0], atol=1e-12)


def test_a_constant_embedding_has_no_spectrum() -> None:
    for level in (0.0, 3.7):
        for m in read(embedding_subject(Cyclic(13), np.full((13, 4), level))).values():
            assert m.status == "insufficient"
            assert m.reason == "it is the same for all elements of C_13"


def test_a_large_constant_does_not_blur_a_small_wave() -> None:
    angle = 2 * np.pi * 2 * np.arange(13) / 13
    rows = 1e6 + np.stack([np.cos(angle), np.sin(angle)], axis=1)
    power = read(embedding_subject(Cyclic(13), rows))["weight", "a", "irrep_power"]
    assert power.uncertainty.systematic is not None
    error = np.abs(np.asarray(power.value) - [0, 1, 0, 0, 0, 0]).max()
    assert error <= power.uncertainty.systematic < 1e-6


@pytest.mark.parametrize(
    ("group", "leading"),
    [(Cyclic(2), 1), (Cyclic(23), 3), (Cyclic(59), 5), (Cyclic(113), 5), (Symmetric(3), 1), (Symmetric(5), 2)],
)
def test_leading_is_a_quarter_and_at_most_five(group: Group, leading: int) -> None:
    assert default_leading(group) == leading


def test_networks_without_a_symmetry_are_left_alone() -> None:
    subject = Subject(nn.Linear(3, 4))
    assert IrrepSpectrum().inapplicable(subject, None) == "Linear declares no symmetry"
    assert IrrepSpectrum().sites(subject) == ()
    no_weights = Subject(nn.Linear(3, 4), symmetry=Symmetry(group=Cyclic(3)))
    assert "declares no weights" in IrrepSpectrum().inapplicable(no_weights, None)
    one = Symmetry(group=Cyclic(1), weights=(ElementWeights("weight", "inputs", (0,)),))
    assert "one element" in IrrepSpectrum(symmetry=one).inapplicable(subject, None)


def test_wrong_declarations_are_refused_in_a_line() -> None:
    subject = Subject(linear(np.ones((4, 3))))
    absent = Symmetry(group=Cyclic(3), weights=(ElementWeights("embed", "inputs", (0, 1, 2)),))
    with pytest.raises(GnomonError, match="names weights 'embed', Linear has the matrices weight"):
        read(subject, symmetry=absent)
    outside = Symmetry(group=Cyclic(3), weights=(ElementWeights("weight", "inputs", (1, 2, 3)),))
    with pytest.raises(GnomonError, match="'weight' has 3 inputs, the symmetry names number 3"):
        read(subject, symmetry=outside)
    with pytest.raises(GnomonError, match="'weight' names 2 elements of C_3"):
        Symmetry(group=Cyclic(3), weights=(ElementWeights("weight", "inputs", (1, 2, 2)),))
    below = Symmetry(group=Cyclic(3), weights=(ElementWeights("weight", "inputs", (-1, 0, 1)),))
    with pytest.raises(GnomonError, match="'weight' has 3 inputs, the symmetry names number -1"):
        read(subject, symmetry=below)
    with pytest.raises(GnomonError, match="a matrix has no side 'input'; give inputs or outputs"):
        ElementWeights("weight", "input", (0, 1, 2))  # type: ignore[arg-type]
    with pytest.raises(GnomonError, match="an operand has 4 elements, C_3 has 3"):
        Symmetry(group=Cyclic(3), operands=(TokenAt(0, (5, 6, 7)), OneHot(0, 4)))
    with torch.no_grad():
        subject.module.weight[0, 0] = torch.nan  # type: ignore[index, operator]
    with pytest.raises(GnomonError, match="'weight' is NaN or infinite; check the weights"):
        read(subject, symmetry=Symmetry(group=Cyclic(3), weights=(ElementWeights("weight", "inputs", (0, 1, 2)),)))
    with pytest.raises(GnomonError, match="counts"):
        IrrepSpectrum(permutations=0)
