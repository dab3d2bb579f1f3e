"""The transformer of one block: its formula, its places, its file, and that it groks for the right reason."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon import Budget
from gnomon.errors import GnomonError
from gnomon.estimators import estimator
from gnomon.organisms import ModularAddition, ModularTransformer, Organism, Recipe, train
from gnomon.randomness import Rng
from gnomon.subjects import Parametric
from gnomon.subjects.capture import capture
from gnomon.subjects.statistic import Reads

SMALL = ModularTransformer(p=7, d_model=12, heads=3, d_mlp=20, train_share=0.5, steps=8)
# of the first seeds the one that groks earliest, at step 651; the others are for the slow test
EARLY = {"seed": 1, "steps": 750}


def _by_hand(network: torch.nn.Sequential, tokens: list[int]) -> np.ndarray:
    """Logits for one example, head by head, in float64."""
    w = {name: value.double().numpy() for name, value in network.state_dict().items()}
    stream = np.stack([w["embed.tokens.weight"][t] + w["embed.positions.weight"][i] for i, t in enumerate(tokens)])
    heads, d = network.block.attention.heads, stream.shape[1]
    size = d // heads
    read = []
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        query = w["block.attention.query.weight"][rows] @ stream[-1]
        scores = np.array([query @ (w["block.attention.key.weight"][rows] @ x) for x in stream]) / np.sqrt(size)
        weights = np.exp(scores) / np.exp(scores).sum()
        read.append(
            sum(a * (w["block.attention.value.weight"][rows] @ x) for a, x in zip(weights, stream, strict=True))
        )
    last = stream[-1] + w["block.attention.output.weight"] @ np.concatenate(read)
    last = last + w["block.mlp.down.weight"] @ np.maximum(w["block.mlp.up.weight"] @ last, 0)
    return w["unembed.weight"] @ last


def test_the_network_is_the_stated_formula() -> None:
    network, data = SMALL.network(), SMALL.data()[0]
    expected = np.stack([_by_hand(network, tokens) for tokens in data.inputs.tolist()])
    np.testing.assert_allclose(network(data.inputs).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_first_loss_is_the_cross_entropy_at_the_answer() -> None:
    data = SMALL.data()[0]
    logits = np.stack([_by_hand(SMALL.network(), tokens) for tokens in data.inputs.tolist()])
    chosen = logits[np.arange(len(data)), data.targets.numpy()]
    expected = (np.log(np.exp(logits).sum(axis=1)) - chosen).mean()
    assert train(SMALL).history.train_loss[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("spec", [SMALL, ModularAddition(p=7, width=9)], ids=lambda s: s.kind)
def test_what_is_minimised_is_the_mean_of_the_subjects_loss(spec: Recipe) -> None:
    network, data = spec.network(), spec.data()[0]
    subject, batch = spec.subject(network, data), data.batch(range(len(data)))
    output = network(data.inputs).detach()
    mean = subject.loss.values(subject.loss.predictions(output, batch)).mean()
    assert float(spec.objective(output, data.targets)) == pytest.approx(float(mean), rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(p=st.integers(3, 13), share=st.floats(0.2, 0.8), seed=st.integers(0, 1000))
def test_the_splits_are_all_pairs_once_with_their_sums_and_an_equals_sign(p: int, share: float, seed: int) -> None:
    spec = ModularTransformer(p=p, train_share=share, seed=seed)
    train_data, test_data = spec.data()
    assert np.array_equal(spec.pairs(train_data), spec.train_pairs())
    rows = torch.cat([train_data.inputs, test_data.inputs]).tolist()
    assert sorted(rows) == [[a, b, p] for a in range(p) for b in range(p)]
    answers = torch.cat([train_data.targets, test_data.targets]).tolist()
    assert answers == [(a + b) % p for a, b, _ in rows]


def test_the_matrices_have_the_stated_spread() -> None:
    spec = ModularTransformer(p=101, d_model=64, d_mlp=300, init_scale=0.5)
    network = spec.network()
    for name, weight in network.state_dict().items():
        inputs = 64 if name.startswith("embed") else weight.shape[1]
        sigma = 0.5 / np.sqrt(inputs)
        assert abs(float(weight.std()) - sigma) < 4 * sigma / (2 * weight.numel()) ** 0.5, name
        assert abs(float(weight.mean())) < 4 * sigma / weight.numel() ** 0.5, name


def test_the_places_hold_what_their_names_say() -> None:
    subject = SMALL.subject(SMALL.network(), SMALL.data()[0])
    assert list(subject.sites) == ["embed", "blocks.0.attention", "blocks.0.mlp", "blocks.0", "logits"]
    assert {matrix.site for matrix in subject.matrices()} == {
        "embed:tokens.weight",
        "embed:positions.weight",
        *(f"blocks.0.attention:{part}.weight" for part in ("query", "key", "value", "output")),
        "blocks.0.mlp:up.weight",
        "blocks.0.mlp:down.weight",
        "unembed.weight",
    }
    batch = subject.data.batch(range(5))
    seen = capture(subject, batch, Reads(sites=frozenset(subject.sites))).activations
    assert seen["embed"].shape == (5, 3, 12)
    stream = seen["embed"][:, -1:] + seen["blocks.0.attention"] + seen["blocks.0.mlp"]
    torch.testing.assert_close(stream, seen["blocks.0"])
    torch.testing.assert_close(seen["blocks.0"] @ subject.module.unembed.weight.T, seen["logits"])


def test_replicas_can_be_batched() -> None:
    data = SMALL.data()[0]
    networks = [SMALL.model_copy(update={"seed": seed}).network() for seed in range(3)]
    parametric = Parametric(SMALL.subject(networks[0], data))
    batch = data.batch(range(len(data)))

    def loss(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        return parametric.losses(parameters, batch).mean()

    stacked, _ = torch.func.stack_module_state(networks)
    with parametric.computing():
        batched = torch.func.vmap(torch.func.grad(loss))({n: w.detach() for n, w in stacked.items()})
    for i, network in enumerate(networks):
        SMALL.objective(network(data.inputs), data.targets).backward()
        for name, weight in network.named_parameters():
            torch.testing.assert_close(batched[name][i], weight.grad, rtol=1e-4, atol=1e-6)


def test_the_same_recipe_gives_the_same_weights_to_the_bit_and_the_world_is_untouched() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = train(SMALL)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert one.subject().weights_hash() == train(SMALL).subject().weights_hash()
    other = train(SMALL.model_copy(update={"seed": 1}))
    assert one.subject().weights_hash() != other.subject().weights_hash()


def test_its_file_is_bit_exact_and_knows_which_recipe_it_was(tmp_path: Path) -> None:
    organism = train(SMALL)
    loaded = Organism.load(organism.save(tmp_path / "organism.safetensors"))
    assert loaded.spec == SMALL
    assert isinstance(loaded.spec, ModularTransformer)
    assert loaded.subject().weights_hash() == organism.subject().weights_hash()
    assert (loaded.train.digest, loaded.test.digest) == (organism.train.digest, organism.test.digest)
    assert np.array_equal(loaded.history.train_loss, organism.history.train_loss)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"p": 1}, "p:"),
        ({"heads": 5}, "5 heads do not divide d_model 48"),
        ({"heads": 0}, "heads:"),
        ({"d_mlp": -3}, "d_mlp:"),
        ({"width": 64}, "width:"),
        ({"train_share": 1.0}, "train_share:"),
        ({"kind": "modular_addition"}, "kind:"),
    ],
)
def test_bad_values_give_one_line_that_names_the_field(values: dict, field: str) -> None:
    with pytest.raises(GnomonError) as caught:
        ModularTransformer(**values)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def _frequencies(organism: Organism) -> dict[str, float]:
    """Share of the five leading frequencies of the embedding, how many hold 70 %, and their p-value."""
    found = estimator("irrep_spectrum")().measure(
        organism.subject(), None, sites=["embed"], budget=Budget(), rng=Rng(0)
    )
    return {m.quantity: m.value for m in found if m.quantity != "irrep_power"}


def test_it_groks_in_a_handful_of_frequencies() -> None:
    organism = train(ModularTransformer(**EARLY))
    fits, generalises = organism.history.first_step("train"), organism.history.first_step("test")
    assert fits <= 100
    assert generalises > 5 * fits
    found = _frequencies(organism)
    assert found["irreps_for_70_percent"] <= 5
    assert found["leading_irrep_share"] > 0.85
    assert found["leading_irrep_p_value"] <= 0.002


@pytest.mark.slow  # `gnomon run grokking` has this control, over seeds
def test_without_weight_decay_it_does_not_grok() -> None:
    organism = train(ModularTransformer(weight_decay=0.0, **EARLY))
    assert organism.history.train_accuracy[-1] == 1.0
    assert organism.history.test_accuracy.max() < 0.5
    found = _frequencies(organism)
    assert found["irreps_for_70_percent"] > 10
    assert found["leading_irrep_share"] < 0.5


@pytest.mark.slow
def test_the_defaults_grok_from_almost_every_seed() -> None:
    organisms = [train(ModularTransformer(seed=seed)) for seed in range(6)]
    assert sum(o.history.test_accuracy[-200:].mean() > 0.95 for o in organisms) >= 5
    assert sum(_frequencies(o)["irreps_for_70_percent"] <= 5 for o in organisms) >= 5


@pytest.mark.slow
def test_with_too_few_pairs_it_does_not_grok() -> None:
    history = train(ModularTransformer(train_share=0.15)).history
    assert history.train_accuracy[-1] == 1.0
    assert history.test_accuracy.max() < 0.2
