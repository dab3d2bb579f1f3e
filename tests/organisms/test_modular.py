"""The recipe and the data of modular addition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.organisms import ModularAddition
from gnomon.subjects import SquaredError


@settings(max_examples=20, deadline=None)
@given(p=st.integers(3, 13), share=st.floats(0.2, 0.8), seed=st.integers(0, 1000))
def test_the_splits_are_all_pairs_once_with_their_sums(p: int, share: float, seed: int) -> None:
    spec = ModularAddition(p=p, train_share=share, seed=seed)
    train, test = spec.data()
    assert len(train) == round(share * p * p)
    seen = []
    for data in (train, test):
        halves = data.inputs.reshape(len(data), 2, p)
        assert bool((halves.sum(dim=2) == 1).all())
        assert bool(((halves == 0) | (halves == 1)).all())
        for (a, b), c in zip(halves.argmax(dim=2).tolist(), data.targets.tolist(), strict=True):
            assert (a + b) % p == c
            seen.append((a, b))
    assert sorted(seen) == [(a, b) for a in range(p) for b in range(p)]


def test_the_seed_decides_split_and_weights() -> None:
    one, again, other = ModularAddition(), ModularAddition(), ModularAddition(seed=1)
    assert np.array_equal(one.train_pairs(), again.train_pairs())
    assert not np.array_equal(one.train_pairs(), other.train_pairs())
    assert torch.equal(one.network().embed.weight, again.network().embed.weight)
    assert not torch.equal(one.network().embed.weight, other.network().embed.weight)


def test_the_network_is_the_stated_formula_with_the_stated_spread() -> None:
    spec = ModularAddition(p=11, width=300)
    network = spec.network()
    first, second = network.embed.weight.detach(), network.unembed.weight.detach()
    x = spec.data()[0].inputs
    expected = ((x.double() @ first.double().T) ** 2) @ second.double().T
    np.testing.assert_allclose(network(x).detach().numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)
    sigma = 0.5 / 600 ** (1 / 3)
    for weight in (first, second):
        # standard error of a Gaussian's standard deviation: sigma / sqrt(2 n)
        assert abs(float(weight.std()) - sigma) < 4 * sigma / (2 * weight.numel()) ** 0.5
        assert abs(float(weight.mean())) < 4 * sigma / weight.numel() ** 0.5


def test_making_one_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    spec = ModularAddition(p=5)
    spec.network()
    spec.data()
    assert torch.equal(before, torch.get_rng_state())


def test_as_a_subject_it_has_the_three_sites() -> None:
    spec = ModularAddition(p=5)
    subject = spec.subject(spec.network(), spec.data()[0])
    assert list(subject.sites) == ["embed", "blocks.0", "logits"]
    assert isinstance(subject.loss, SquaredError)
    assert [m.site for m in subject.matrices()] == ["embed:weight", "unembed.weight"]


def test_the_hash_is_the_same_in_every_process_and_sees_every_field() -> None:
    spec = ModularAddition()
    assert spec.hash == "bb4926ad288234c668c8daf278da8164f5f94b8847ccffea8e707eb98b7eb700"
    assert ModularAddition.model_validate(spec.model_dump(mode="json")).hash == spec.hash
    changed = {
        "p": 29, "train_share": 0.5, "seed": 1, "width": 8, "init_scale": 1.0, "steps": 5,
        "learning_rate": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.0,
    }  # fmt: skip
    assert set(changed) == set(ModularAddition.model_fields) - {"kind"}
    assert len({spec.hash, *(ModularAddition(**{k: v}).hash for k, v in changed.items())}) == len(changed) + 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"p": 1}, "p:"),
        ({"p": 1009}, "p:"),
        ({"p": 7.5}, "p:"),
        ({"train_share": 0}, "train_share:"),
        ({"train_share": float("nan")}, "train_share:"),
        ({"p": 2, "train_share": 0.01}, "train_share"),
        ({"width": 0}, "width:"),
        ({"steps": 0}, "steps:"),
        ({"learning_rate": -1}, "learning_rate:"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"betas": (0.9,)}, "betas"),
        ({"weight_decay": float("inf")}, "weight_decay:"),
        ({"seed": -1}, "seed:"),
        ({"depth": 3}, "depth:"),
        ({"kind": "modular_multiplication"}, "kind:"),
    ],
)
def test_bad_values_give_one_line_that_names_the_field(values: dict, field: str) -> None:
    with pytest.raises(GnomonError) as caught:
        ModularAddition(**values)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_is_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        ModularAddition().p = 29
