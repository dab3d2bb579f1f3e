"""Activation irreps: planted functions of operands and composition, brute force over all inputs, and refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.groups import ActivationIrreps
from gnomon.estimators.groups.known import composition_subject, mixed, pairs_of
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Site, Subject, TokenData
from gnomon.subjects.symmetry import Cyclic, Dihedral, Group, OneHot, Symmetric, Symmetry, TokenAt

OPERANDS = ("operand 1", "operand 2", "composition")


def read(subject: Subject, data: Data, sites: tuple[str, ...] = (), **options: Any) -> dict[Any, Measurement]:
    instrument = ActivationIrreps(**options)
    found = instrument.measure(subject, data, sites=sites or instrument.sites(subject), budget=Budget(), rng=Rng(0))
    return {(m.site, m.labels["elements"], m.quantity.removeprefix("activation_")): m for m in found}


@pytest.mark.parametrize("group", [Cyclic(9), Dihedral(4), Symmetric(3)], ids=lambda g: g.name)
def test_planted_parts_are_told_apart(group: Group) -> None:
    subject, data, power = mixed(group, Rng(5))
    found = read(subject, data)
    for part, elements in enumerate(OPERANDS):
        share = found["logits", elements, "element_share"]
        assert share.value == pytest.approx(power[part].sum() / power.sum(), abs=1e-12)
        assert share.uncertainty.kind == "exact"
        spectrum = found["logits", elements, "irrep_power"]
        np.testing.assert_allclose(np.asarray(spectrum.value), power[part] / power[part].sum(), atol=1e-12)
    assert sum(found["logits", e, "element_share"].value or 0 for e in OPERANDS) == pytest.approx(1)


class Tokens(nn.Module):
    """Any network at all that reads three tokens, the last of them "="."""

    def __init__(self, p: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(p + 1, 6)
        self.hidden = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
        self.head = nn.Linear(8, p)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores, ``(batch, 3, p)``."""
        scores: Tensor = self.head(self.hidden(self.embed(tokens).cumsum(dim=1).sin()))
        return scores


def tokens_subject(p: int) -> tuple[Subject, ArrayData]:
    elements = tuple(range(p))
    symmetry = Symmetry(group=Cyclic(p), operands=(TokenAt(0, elements), TokenAt(1, elements)))
    pairs = np.array([[a, b, p] for a, b in itertools.product(range(p), repeat=2)])
    data = ArrayData(pairs[np.random.default_rng(0).permutation(p * p)[: p * p // 3]])
    sites = (Site("embed", "embed"), Site("hidden", "hidden"), Site("logits", ""))
    return Subject(Tokens(p), data=data, sites=sites, symmetry=symmetry), data


def test_every_number_is_that_of_brute_force_over_all_inputs() -> None:
    """From the network itself, one pair at a time; the data holds only a third of the pairs."""
    p = 7
    subject, data = tokens_subject(p)
    found = read(subject, data, ("hidden",))
    network = subject.module
    assert isinstance(network, Tokens)
    table = np.empty((p, p, 8))
    with torch.no_grad():
        for a, b in itertools.product(range(p), repeat=2):
            stream = network.embed(torch.tensor([[a, b, p]])).cumsum(dim=1).sin()
            table[a, b] = network.hidden(stream)[0, -1].double().numpy()
    centred = table - table.mean(axis=(0, 1))
    diagonal = np.stack([[centred[a, (c - a) % p] for a in range(p)] for c in range(p)]).mean(axis=1)
    by_hand = {"operand 1": centred.mean(axis=1), "operand 2": centred.mean(axis=0), "composition": diagonal}
    for elements, function in by_hand.items():
        share = np.square(function).sum(axis=1).mean() / np.square(centred).sum(axis=2).mean()
        assert found["hidden", elements, "element_share"].value == pytest.approx(share, rel=1e-5)
        spectrum = np.square(np.abs(np.fft.fft(function, axis=0)))[1 : p // 2 + 1]
        power = spectrum.sum(axis=1) / spectrum.sum()
        np.testing.assert_allclose(np.asarray(found["hidden", elements, "irrep_power"].value), power, rtol=1e-4)
        units = spectrum.max(axis=0).sum() / spectrum.sum()
        assert found["hidden", elements, "unit_irrep_share"].value == pytest.approx(units, rel=1e-4)
        leading = found["hidden", elements, "leading_irrep_share"]
        assert leading.value == pytest.approx(power.max(), rel=1e-4)
        assert leading.uncertainty.systematic_source == "rounding of the forward pass"


def test_which_examples_the_data_holds_does_not_matter() -> None:
    subject, data = tokens_subject(7)
    one, other = read(subject, data.take(np.arange(5))), read(subject, data.take(np.arange(6, 16)))
    for key, m in one.items():
        assert m.status == other[key].status
        if m.status == "ok":
            np.testing.assert_array_equal(np.asarray(m.value), np.asarray(other[key].value))


def test_a_site_that_has_not_seen_an_operand_does_not_depend_on_it() -> None:
    subject = composition_subject(Symmetric(3), {"(2, 1)": 1.0})
    found = read(subject, pairs_of(Symmetric(3), 20, Rng(0)))
    assert found["first", "operand 1", "element_share"].value == pytest.approx(1)
    assert found["first", "operand 2", "element_share"].value == pytest.approx(0, abs=1e-12)
    refused = found["first", "operand 2", "irrep_power"]
    assert refused.status == "insufficient"
    assert refused.reason == "the activation does not depend on operand 2 alone, beyond rounding"
    assert found["logits", "composition", "element_share"].value == pytest.approx(1)
    np.testing.assert_allclose(np.asarray(found["logits", "composition", "irrep_power"].value), [1, 0], atol=1e-12)


def test_a_site_that_is_the_same_for_all_inputs_is_refused() -> None:
    """The embedding of "=", the last token, sees neither operand."""
    subject, data = tokens_subject(5)
    for m in read(subject, data, ("embed",)).values():
        assert (m.status, m.reason) == ("insufficient", "the activation is the same for all inputs")


def test_rounding_of_single_precision_is_no_reading() -> None:
    """A part that cancels but for float32 rounding, a ten-millionth of the rest, is refused and not read as noise."""

    class Cancelling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.table = nn.Parameter(torch.randn(11, 11, 16))

        def forward(self, x: Tensor) -> Tensor:
            table = self.table - self.table.mean(dim=1, keepdim=True)
            a, b = x.reshape(len(x), 2, -1).argmax(dim=2).T
            return table[a, b]

    symmetry = Symmetry(group=Cyclic(11), operands=(OneHot(0, 11), OneHot(11, 11)))
    subject = Subject(Cancelling(), sites=(Site("logits", ""),), symmetry=symmetry)
    found = read(subject, pairs_of(Cyclic(11), 20, Rng(0)))
    assert 0 < (found["logits", "operand 1", "element_share"].value or 0) < 1e-10
    assert found["logits", "operand 1", "irrep_power"].status == "insufficient"
    assert found["logits", "operand 2", "irrep_power"].status == "ok"


def test_one_operand_has_no_composition_and_three_have_one() -> None:
    group = Cyclic(4)

    class Sum(nn.Module):
        def __init__(self, k: int) -> None:
            super().__init__()
            self.k = k

        def forward(self, x: Tensor) -> Tensor:
            total = x.reshape(len(x), self.k, -1).argmax(dim=2).sum(dim=1) % 4
            return torch.eye(4)[total]

    for k, labels in ((1, ["operand 1"]), (3, ["operand 1", "operand 2", "operand 3", "composition"])):
        symmetry = Symmetry(group=group, operands=tuple(OneHot(4 * i, 4) for i in range(k)))
        subject = Subject(Sum(k), sites=(Site("logits", ""),), symmetry=symmetry)
        chosen = np.random.default_rng(0).integers(4, size=(10, k))
        found = read(subject, ArrayData(np.eye(4, dtype=np.float32)[chosen].reshape(10, -1)))
        assert list(dict.fromkeys(elements for _, elements, _ in found)) == labels
        assert found["logits", labels[-1], "element_share"].value == pytest.approx(1)
        cost = ActivationIrreps().cost(subject, ArrayData(np.zeros((10, 4 * k))), ("logits",), Budget())
        assert cost.forward_passes == 4**k


def test_a_network_that_diverged_fails_in_a_line() -> None:
    subject, data, _ = mixed(Cyclic(5), Rng(0))
    with torch.no_grad():
        next(subject.module.parameters()).fill_(torch.nan)
    with pytest.raises(GnomonError, match="site 'logits' is NaN or infinite; check the weights"):
        read(subject, data)


def test_inputs_that_differ_elsewhere_are_refused() -> None:
    subject, _ = tokens_subject(5)
    other = ArrayData(np.array([[0, 1, 5], [2, 3, 4]]))
    for m in read(subject, other, ("hidden",)).values():
        assert (
            m.reason
            == "the examples differ beyond their operands, so there is no one input for each choice of elements"
        )
    single = ArrayData(np.array([[0, 1, 5]]))
    for m in read(subject, single, ("hidden",)).values():
        assert m.reason.startswith("a single example")
    with pytest.raises(GnomonError, match="token at position 0 is no element"):
        read(subject, ArrayData(np.array([[5, 1, 5], [2, 3, 5]])), ("hidden",))


def test_texts_serve_as_templates() -> None:
    class Lookup(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(30, 4)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            out: Tensor = self.embed(input_ids).cumsum(dim=1)
            return out

    days = (20, 3, 9, 11, 27, 5, 14)
    symmetry = Symmetry(group=Cyclic(7), operands=(TokenAt(1, days),))
    data = TokenData([[1, day, 2] for day in days])
    subject = Subject(Lookup(), data=data, sites=(Site("logits", ""),), symmetry=symmetry)
    m = read(subject, data)["logits", "operand 1", "irrep_power"]
    rows = subject.module.get_parameter("embed.weight").detach().double().numpy()[list(days)]
    spectrum = np.square(np.abs(np.fft.fft(rows, axis=0))).sum(axis=1)[1:4]
    np.testing.assert_allclose(np.asarray(m.value), spectrum / spectrum.sum(), rtol=1e-4)


def test_where_it_does_not_apply_it_says_so() -> None:
    instrument = ActivationIrreps()
    data = ArrayData(np.ones((4, 2)))
    plain = Subject(nn.Linear(2, 2))
    assert instrument.inapplicable(plain, data) == "Linear declares no symmetry"
    with pytest.raises(GnomonError, match="declares no symmetry"):
        instrument.measure(plain, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    only_weights = Subject(nn.Linear(2, 2), symmetry=Symmetry(group=Cyclic(2)))
    assert "declares no operands" in instrument.inapplicable(only_weights, data)
    large = Symmetry(group=Cyclic(300), operands=(OneHot(0, 300), OneHot(300, 300)))
    assert "90,000 inputs, more than the 65,536" in ActivationIrreps(symmetry=large).inapplicable(plain, data)
    assert ActivationIrreps(symmetry=large, inputs=90_000).inapplicable(plain, data) == ""


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_language_models_are_read_where_their_tokens_are_elements(architecture: str) -> None:
    """Five tokens of a Hugging Face model at two positions of a text, against the model run text by text."""
    import transformers

    settings = {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2}
    config: Any
    if architecture == "gpt2":
        config = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=16, **settings)
    else:
        config = transformers.LlamaConfig(
            hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, **settings
        )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    tokens = (30, 7, 19, 3, 28)
    symmetry = Symmetry(group=Cyclic(5), operands=(TokenAt(1, tokens), TokenAt(2, tokens)))
    pairs = list(itertools.product(tokens, repeat=2))
    data = TokenData([[1, a, b, 4] for a, b in pairs])
    subject = Subject(model, data=data, symmetry=symmetry)
    found = read(subject, data, ("logits", "embed"))
    with torch.no_grad():
        texts = torch.tensor([[1, a, b, 4] for a, b in pairs])
        scores = model(input_ids=texts).logits[:, -1].double().reshape(5, 5, -1).numpy()
    scores -= scores.mean(axis=(0, 1))
    function = scores.mean(axis=1)
    share = np.square(function).sum() / 5 / (np.square(scores).sum() / 25)
    assert found["logits", "operand 1", "element_share"].value == pytest.approx(share, rel=1e-3)
    spectrum = np.square(np.abs(np.fft.fft(function, axis=0))).sum(axis=1)[1:3]
    power = np.asarray(found["logits", "operand 1", "irrep_power"].value)
    np.testing.assert_allclose(power, spectrum / spectrum.sum(), rtol=1e-3)
    assert found["embed", "operand 1", "irrep_power"].status == "insufficient"
