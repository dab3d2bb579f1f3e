"""Equivariance error: none where a network is equivariant, closed forms where it is not, and its interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.groups import EquivarianceError
from gnomon.estimators.groups.known import biased, composition_subject, pairs_of
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Batch, Data, Subject, TokenData
from gnomon.subjects.symmetry import (
    Action,
    Composition,
    Cyclic,
    Dihedral,
    Group,
    OneHot,
    Permutations,
    Symmetric,
    Symmetry,
    TokenAt,
)


def read(subject: Subject, data: Data, seed: int = 0, **options: object) -> Measurement:
    instrument = EquivarianceError(**options)  # type: ignore[arg-type]
    [m] = instrument.measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))
    return m


def square_symmetries(side: int, channels: int) -> np.ndarray:
    """Where each pixel of an image comes from under the symmetries of the square, in the order of `Dihedral(4)`."""
    pixels = np.arange(channels * side * side).reshape(channels, side, side)
    mirrored = pixels[:, :, ::-1]
    return np.stack([np.rot90(p, r, axes=(1, 2)).ravel() for p in (pixels, mirrored) for r in range(4)])


@pytest.mark.parametrize("group", [Cyclic(7), Dihedral(4), Symmetric(3)], ids=lambda g: g.name)
def test_an_action_is_one(group: Group) -> None:
    """Moving by one element and then by another is moving by their product, of inputs and of outputs."""
    n, action = group.order, Composition(group, (OneHot(0, group.order), OneHot(group.order, group.order)))
    data = pairs_of(group, 30, Rng(0))
    batch, scores = data.batch(np.arange(30)), torch.randn(30, n, generator=torch.Generator().manual_seed(0))
    first, second = (torch.from_numpy(np.random.default_rng(i).integers(n * n, size=30)) for i in (1, 2))
    # (g₂, h₂) after (g₁, h₁) takes a to g₂g₁a and b to bh₁h₂
    (g1, h1), (g2, h2) = np.divmod(first.numpy(), n), np.divmod(second.numpy(), n)
    both = torch.from_numpy(group.product(g2, g1) * n + group.product(h1, h2))
    moved = action.on_inputs(action.on_inputs(batch, first), second)
    assert torch.equal(moved.args[0], action.on_inputs(batch, both).args[0])
    assert torch.equal(action.on_outputs(action.on_outputs(scores, first), second), action.on_outputs(scores, both))
    nothing = torch.zeros(30, dtype=torch.int64)
    assert torch.equal(action.on_inputs(batch, nothing).args[0], batch.args[0])
    assert torch.equal(action.on_outputs(scores, nothing), scores)


@pytest.mark.parametrize("group", [Cyclic(7), Dihedral(4), Symmetric(4)], ids=lambda g: g.name)
def test_composition_moves_right_answers_to_right_answers(group: Group) -> None:
    n, action = group.order, Composition(group, (OneHot(0, group.order), OneHot(group.order, group.order)))
    batch = pairs_of(group, 50, Rng(3)).batch(np.arange(50))
    elements = torch.from_numpy(np.random.default_rng(0).integers(n * n, size=50))

    def answers(batch: Batch) -> Tensor:
        a, b = (operand.read(batch).numpy() for operand in action.operands)
        return torch.eye(n)[group.product(a, b)]

    moved = action.on_inputs(batch, elements)
    assert torch.equal(answers(moved), action.on_outputs(answers(batch), elements))


@pytest.mark.parametrize("group", [Cyclic(11), Dihedral(5), Symmetric(4)], ids=lambda g: g.name)
def test_exact_composition_in_single_precision_is_off_by_rounding_only(group: Group) -> None:
    subject = composition_subject(group, {irrep.name: 1.0 for irrep in group.irreps[1:]})
    subject.module.float()
    m = read(subject, pairs_of(group, 100, Rng(0)))
    assert m.value is not None
    assert m.uncertainty.systematic is not None
    assert 0 < m.value < 1e-6 < m.uncertainty.systematic


@pytest.mark.parametrize(("group", "size"), [(Cyclic(6), 0.3), (Dihedral(3), 1.0), (Symmetric(3), 4.0)])
def test_a_bias_is_as_far_off_as_its_closed_form_says(group: Group, size: float) -> None:
    """Against the closed form, and both against every pair moved by every element."""
    subject, data, truth = biased(group, Rng(1), size=size)
    assert data is not None
    n, pairs = group.order, list(itertools.product(range(group.order), repeat=2))
    everything = ArrayData(np.eye(n, dtype=np.float32)[np.array(pairs)].reshape(len(pairs), -1))
    exact = read(subject, everything, elements=n * n)
    assert exact.value == pytest.approx(truth, rel=1e-6)
    sampled = read(subject, data)
    assert sampled.value == pytest.approx(truth, abs=2 * float(np.asarray(sampled.uncertainty.half_width)))


def test_the_interval_covers_where_few_examples_are_seen() -> None:
    """95 % intervals from 40 examples with one element each."""
    held = []
    for seed in range(200):
        subject, _, truth = biased(Symmetric(3), Rng(seed), size=0.8)
        m = read(subject, pairs_of(Symmetric(3), 40, Rng(seed).child("few")), seed, elements=1)
        held.append(m.uncertainty.covered(m.value or 0.0, truth))
    assert 0.9 <= np.mean(held) <= 0.99


def test_dependent_examples_widen_the_interval() -> None:
    """The same 25 pairs eight times each, as clusters: no surer than 25 pairs."""
    subject, data, _ = biased(Cyclic(11), Rng(0), size=1.0)
    assert isinstance(data, ArrayData)
    few = data.take(np.arange(25))
    repeated = ArrayData(few.inputs.repeat(8, 1), clusters=np.tile(np.arange(25), 8))
    plain = ArrayData(few.inputs.repeat(8, 1))
    once, narrow, wide = (read(subject, d, elements=121) for d in (few, plain, repeated))
    assert wide.uncertainty.half_width == pytest.approx(once.uncertainty.half_width, rel=1e-6)
    assert np.asarray(wide.uncertainty.half_width) > 2.5 * np.asarray(narrow.uncertainty.half_width)
    assert wide.uncertainty.effective_samples == 25


def test_a_convolution_with_a_symmetric_kernel_respects_the_square() -> None:
    torch.manual_seed(0)
    symmetric, plain = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(1, 3, 3, padding=1)
    with torch.no_grad():
        kernels = symmetric.weight.clone()
        turned = [torch.rot90(k, r, (2, 3)) for k in (kernels, kernels.flip(3)) for r in range(4)]
        symmetric.weight.copy_(torch.stack(turned).mean(dim=0))
    images = ArrayData(np.random.default_rng(0).normal(size=(64, 1, 6, 6)).astype(np.float32))
    dense = Permutations(square_symmetries(6, 1), square_symmetries(6, 3))
    pooled = Permutations(square_symmetries(6, 1))
    for head, action in ((nn.ReLU(), dense), (nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), pooled)):
        good = Subject(nn.Sequential(symmetric, head), symmetry=Symmetry(group=Dihedral(4), action=action))
        bad = Subject(nn.Sequential(plain, head), symmetry=Symmetry(group=Dihedral(4), action=action))
        assert (read(good, images).value or 0) < 1e-6
        assert (read(bad, images, elements=8).value or 0) > 0.05


def test_noise_in_the_answers_adds_as_its_square() -> None:
    """An output that is pure noise, fresh for every input, is off by √2 but for the identity."""
    table = torch.from_numpy(np.random.default_rng(0).normal(size=(49, 7))).float()

    class Lookup(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return table[tokens[:, 0] * 7 + tokens[:, 1]]

    group, elements = Cyclic(7), tuple(range(7))
    symmetry = Symmetry(group=group, operands=(TokenAt(0, elements), TokenAt(1, elements)))
    pairs = np.array(list(itertools.product(range(7), repeat=2)))
    subject = Subject(Lookup(), data=ArrayData(np.c_[pairs, np.full(49, 7)]), symmetry=symmetry)
    assert subject.data is not None
    m = read(subject, subject.data, elements=49)
    # mean over all moves of |f − moved f|² is 2(|f|² − the part that does not move)
    grid = table.double().numpy()
    power = np.square(grid).sum() / 49
    kept = [grid[a * 7 + b, (a + b + d) % 7] for d in range(7) for a in range(7) for b in range(7)]
    invariant = np.square(np.array(kept).reshape(7, 49).mean(axis=1)).sum()
    assert m.value == pytest.approx(np.sqrt(2 * (power - invariant) / power), rel=1e-5)


def test_tokens_are_moved_in_texts_too() -> None:
    operand = TokenAt(1, (30, 40, 50))
    batch = TokenData([[7, 30, 9], [7, 50, 9]]).batch([0, 1])
    assert operand.read(batch).tolist() == [0, 2]
    assert operand.write(batch, torch.tensor([1, 0])).kwargs["input_ids"].tolist() == [[7, 40, 9], [7, 30, 9]]
    assert batch.kwargs["input_ids"].tolist() == [[7, 30, 9], [7, 50, 9]]
    with pytest.raises(GnomonError, match="a token at position 0 is no element of the group"):
        TokenAt(0, (30, 40, 50)).read(batch)
    with pytest.raises(GnomonError, match="there is no position 3 in 3 tokens"):
        TokenAt(3, (30, 40, 50)).read(batch)
    with pytest.raises(GnomonError, match="tokens have no features to permute"):
        Permutations(np.array([[0, 1, 2]])).on_inputs(batch, torch.tensor([0, 0]))


def test_answers_may_stand_anywhere_in_the_output() -> None:
    action = Composition(Cyclic(3), (OneHot(0, 3),), answers=(4, 1, 2), position=0)
    output = torch.arange(10.0).reshape(1, 2, 5)
    assert action.compared(output).tolist() == [[4.0, 1.0, 2.0]]
    moved = action.on_outputs(output, torch.tensor([3]))  # by 1 on the left
    assert moved[0, 0].tolist() == [0, 4, 1, 3, 2]


def test_what_cannot_be_moved_is_said() -> None:
    subject = composition_subject(Cyclic(5), {"k = 1": 1.0})
    with pytest.raises(GnomonError, match="features 0 to 4 of the inputs are not one-hot"):
        read(subject, ArrayData(np.ones((20, 10))))
    plain = Subject(nn.Linear(2, 2))
    assert "declares nothing" in EquivarianceError().inapplicable(plain, None)
    with pytest.raises(GnomonError, match="declares nothing"):
        read(plain, ArrayData(np.ones((20, 2))))
    assert EquivarianceError().inapplicable(subject, None) == "needs data"
    with pytest.raises(GnomonError, match="no operands"):
        Composition(Cyclic(5), ())
    with pytest.raises(GnomonError, match="2 answers for C_5"):
        Composition(Cyclic(5), (OneHot(0, 5),), answers=(0, 1))
    with pytest.raises(GnomonError, match="counts"):
        EquivarianceError(elements=0)


def test_actions_that_are_none_or_do_not_fit_are_refused_in_a_line() -> None:
    for rows in (np.array([[0, 1], [1, 1]]), np.array([[0, 1], [1, 2]]), np.array([0, 1])):
        with pytest.raises(GnomonError, match="inputs are no permutations, a row each"):
            Permutations(rows)
    swap = np.array([[0, 1], [1, 0]])
    with pytest.raises(GnomonError, match="2 elements move the inputs, 1 the outputs"):
        Permutations(swap, swap[:1])
    data = ArrayData(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(GnomonError, match="there are 3 features, the action permutes 2"):
        read(Subject(nn.Linear(3, 2)), data, action=Permutations(swap))
    with pytest.raises(GnomonError, match="there are 4 features, the action permutes 2"):
        read(Subject(nn.Linear(3, 4)), data, action=Permutations(np.array([[0, 1, 2], [2, 1, 0]]), swap))
    pairs = pairs_of(Cyclic(5), 20, Rng(0))
    action = Composition(Cyclic(5), (OneHot(0, 5), OneHot(5, 5)))
    with pytest.raises(GnomonError, match="the network scores 3 answers, C_5 needs 5"):
        read(Subject(nn.Linear(10, 3)), pairs, action=action)
    network = nn.Linear(10, 5)
    subject = Subject(network)
    nn.init.constant_(network.weight, torch.nan)
    with pytest.raises(GnomonError, match="the output is NaN or infinite"):
        read(subject, pairs, action=action)


def test_few_examples_and_a_silent_network_are_insufficient() -> None:
    subject = composition_subject(Cyclic(5), {"k = 1": 1.0})
    few = read(subject, pairs_of(Cyclic(5), 7, Rng(0)))
    assert (few.status, few.suffices) == ("insufficient", {"examples": 8})
    silent = composition_subject(Cyclic(5), {"k = 1": 0.0})
    assert read(silent, pairs_of(Cyclic(5), 20, Rng(0))).reason == "the output is zero"


def test_an_action_given_to_the_estimator_goes_before_the_subjects() -> None:
    class Nothing(Action):
        order = 1  # type: ignore[assignment]

        def on_inputs(self, batch: Batch, elements: Tensor) -> Batch:
            return batch

        def on_outputs(self, output: Tensor, elements: Tensor) -> Tensor:
            return output

    subject, data, truth = biased(Symmetric(3), Rng(0), size=1.0)
    assert data is not None
    assert truth > 0.1
    assert read(subject, data, action=Nothing()).value == 0.0
