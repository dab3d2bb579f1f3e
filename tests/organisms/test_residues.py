"""The two groups of residues, and the recipes that multiply: by brute force, and against addition renamed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gnomon import Budget
from gnomon.errors import GnomonError
from gnomon.estimators import estimator
from gnomon.organisms import ModularAddition, ModularMultiplication, ModularTransformer, Organism, Recipe, train
from gnomon.organisms.residues import Additive, Multiplicative, Residues
from gnomon.randomness import Rng
from gnomon.subjects.symmetry import Composition, OneHot

PRIMES = [p for p in range(3, 212) if all(p % d for d in range(2, p))]
MULTIPLYING = [
    ModularMultiplication(p=7, width=16, steps=6),
    ModularTransformer(p=7, d_model=12, heads=3, d_mlp=20, train_share=0.5, steps=6, operation="multiplication"),
]


@pytest.mark.parametrize("residues", [Additive(2), Additive(12), *map(Multiplicative, (3, 5, 23, 31, 211))], ids=str)
def test_composition_of_elements_is_that_of_the_group(residues: Residues) -> None:
    symbol, index = np.array(residues.elements), np.arange(residues.order)
    assert sorted(symbol) == index.tolist()
    a, b = np.meshgrid(index, index)
    assert np.array_equal(residues.compose(symbol[a], symbol[b]), symbol[residues.group.product(a, b)])


def test_elements_are_the_powers_of_the_smallest_primitive_root() -> None:
    # OEIS A001918: the smallest primitive roots of the primes from 3 on
    roots = [2, 2, 3, 2, 2, 3, 2, 5, 2, 3, 2, 6, 3, 5, 2, 2, 2, 2, 7, 5, 3, 2, 3, 5, 2, 5, 2, 6, 3, 3, 2, 3, 2, 2, 6]
    for p, root in zip(PRIMES, roots, strict=False):
        elements = np.array(Multiplicative(p).elements)
        assert elements[1] + 1 == root
        assert (elements + 1).tolist() == [root**k % p for k in range(p - 1)]


@pytest.mark.parametrize("recipe", [ModularMultiplication, ModularTransformer])
@pytest.mark.parametrize("p", [2, 4, 9, 21, 49, 169])
def test_a_modulus_without_a_group_is_one_line(recipe: type[Recipe], p: int) -> None:
    given = {"operation": "multiplication"} if recipe is ModularTransformer else {}
    with pytest.raises(GnomonError, match=f"modulo {p} are no group") as caught:
        recipe(p=p, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", MULTIPLYING, ids=lambda s: s.kind)
def test_the_splits_are_all_pairs_once_with_their_products(spec: Recipe) -> None:
    found = []
    for data in spec.data():
        a, b = np.divmod(spec.pairs(data), 6)
        assert data.targets.tolist() == ((a + 1) * (b + 1) % 7 - 1).tolist()
        shown = data.inputs.reshape(-1, 2, 6).argmax(2) if spec.kind == "modular_multiplication" else data.inputs
        assert shown[:, 0].tolist() == a.tolist()
        assert shown[:, 1].tolist() == b.tolist()
        found += spec.pairs(data).tolist()
    assert sorted(found) == list(range(36))


def test_a_network_that_knows_the_logarithm_is_equivariant_and_one_wave() -> None:
    spec, log = ModularMultiplication(p=11, width=4), np.argsort(Multiplicative(11).elements)
    network, angle = spec.network(), torch.from_numpy(2 * np.pi * 3 * log / 10).float()
    # cos(x + y − z) by products of waves: ((cos x + cos y)² − (cos x − cos y)²) / 4 and likewise
    cos, sin = angle.cos(), angle.sin()
    with torch.no_grad():
        rows = [(cos, cos), (cos, -cos), (sin, sin), (sin, -sin)]
        network.embed.weight.copy_(torch.stack([torch.cat(row) for row in rows]))
        network.unembed.weight.copy_(torch.stack([cos, -cos, -cos, cos], dim=1) / 4)
    subject = spec.subject(network, spec.data()[1])
    [error] = estimator("equivariance_error")().measure(subject, subject.data, sites=(), budget=Budget(), rng=Rng(0))
    # cos x cos y − sin x sin y = cos(x + y), which times cos z is invariant only together with its sine part
    assert error.value > 0.1
    with torch.no_grad():
        more = [(cos, sin), (cos, -sin), (sin, cos), (sin, -cos)]
        embed = torch.cat([network.embed.weight, torch.stack([torch.cat(row) for row in more])])
        unembed = torch.cat([network.unembed.weight, torch.stack([sin, -sin, sin, -sin], dim=1) / 4], dim=1)
        network.embed.weight, network.unembed.weight = torch.nn.Parameter(embed), torch.nn.Parameter(unembed)
    [error] = estimator("equivariance_error")().measure(subject, subject.data, sites=(), budget=Budget(), rng=Rng(0))
    assert error.value < 1e-5
    found = estimator("irrep_spectrum")().measure(subject, None, sites=(), budget=Budget(), rng=Rng(0))
    shares = [m.value for m in found if m.quantity == "leading_irrep_share"]
    assert len(shares) == 3
    np.testing.assert_allclose(shares, 1.0)


def test_multiplying_is_adding_modulo_p_minus_1_with_the_symbols_renamed() -> None:
    spec = ModularMultiplication(p=11, width=24, steps=15)
    adding, symbol = ModularAddition(p=10, width=24), np.array(Multiplicative(11).elements)
    network = spec.network()
    with torch.no_grad():
        network.embed.weight.copy_(network.embed.weight[:, np.concatenate([symbol, 10 + symbol])])
        network.unembed.weight.copy_(network.unembed.weight[symbol])
    a, b = np.argsort(symbol)[np.stack(np.divmod(spec.train_pairs(), 10))]
    data = adding.data(a * 10 + b)[0]
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, betas=(0.9, 0.98), weight_decay=1.0)
    losses = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = adding.objective(network(data.inputs), data.targets)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(train(spec).history.train_loss, losses, rtol=2e-4)


@pytest.mark.parametrize("spec", MULTIPLYING, ids=lambda s: s.kind)
def test_its_file_is_bit_exact(spec: Recipe, tmp_path: Path) -> None:
    organism = train(spec)
    loaded = Organism.load(organism.save(tmp_path / "organism.safetensors"))
    assert loaded.spec == spec
    assert loaded.subject().weights_hash() == organism.subject().weights_hash()
    assert (loaded.train.digest, loaded.test.digest) == (organism.train.digest, organism.test.digest)


@pytest.mark.parametrize("spec", MULTIPLYING, ids=lambda s: s.kind)
def test_moved_inputs_have_the_moved_answers(spec: Recipe) -> None:
    action, data = spec.symmetry().action, spec.data()[0]
    batch, moves = data.batch(range(len(data))), torch.arange(len(data)) % action.order
    assert isinstance(action, Composition)
    moved = action.on_inputs(batch, moves)
    a, b = (np.array(spec.residues.elements)[o.read(moved).numpy()] for o in spec.symmetry().operands)
    scores = action.on_outputs(torch.eye(6)[data.targets], moves)
    assert scores.argmax(1).tolist() == spec.residues.compose(a, b).tolist()


def test_features_in_another_order_are_read_and_written_back() -> None:
    operand, spec = OneHot(6, 6, Multiplicative(7).elements), MULTIPLYING[0]
    batch = spec.data()[0].batch(range(10))
    logs = operand.read(batch)
    assert [3 ** int(k) % 7 for k in logs] == (batch.args[0][:, 6:].argmax(1) + 1).tolist()
    assert torch.equal(operand.write(batch, logs).args[0], batch.args[0])
    with pytest.raises(GnomonError, match="in some order"):
        OneHot(0, 3, (0, 1, 1))
