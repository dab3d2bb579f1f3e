"""Direct effects on logits, and first-order effects on the loss, against what the network itself does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import drawn
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.ablation import Place, ablate
from gnomon.structure.dictionaries.attribution import Attribution
from gnomon.structure.dictionaries.logit_effect import logit_effect
from gnomon.subjects import NextToken, Subject, TokenData, accumulate, capture, visiting
from gnomon.subjects.statistic import Reads

_WIDTH, _WORDS = 16, 30


@pytest.fixture(scope="module")
def subject() -> Subject:
    config = LlamaConfig(
        vocab_size=_WORDS,
        hidden_size=_WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Subject(LlamaForCausalLM(config).eval(), loss=NextToken(), name="tiny")


@pytest.fixture(scope="module")
def data() -> TokenData:
    generator = np.random.default_rng(0)
    return TokenData([generator.integers(3, _WORDS, size=n) for n in generator.integers(4, 20, size=40)])


def test_the_logit_effect_is_the_derivative_of_the_output(subject: Subject, data: TokenData) -> None:
    """Adding ε d after the last block, averaged over all positions of all texts that it was averaged over."""
    dictionary = drawn(20, _WIDTH, 4)
    dictionary.target_scale.fill_(3.0)
    found = logit_effect(subject, data, dictionary, rng=Rng(0)).of(torch.tensor([2, 11]))
    step = 1e-3
    for row, latent in enumerate((2, 11)):
        shift = step * 3.0 * dictionary.decoder[latent].detach()
        slopes = []
        for sign in (1, -1):
            with visiting(subject, {"blocks.1": lambda x, sign=sign, shift=shift: x + sign * shift}):
                captured = capture(subject, data.batch(range(len(data))), Reads(sites=frozenset({"logits"})))
            slopes.append(captured.activations["logits"][captured.mask(captured.output.shape[1])])
        each = (slopes[0] - slopes[1]) / (2 * step)
        each = each - each.mean(dim=1, keepdim=True)
        error = each.std(dim=0) / np.sqrt(64)  # 64 of about 480 positions were drawn
        assert ((found[row] - each.mean(dim=0)).abs() < 5 * error + 1e-2).all()
        assert float((found[row] * each.mean(dim=0)).sum()) > 0.98 * float(found[row].norm() * each.mean(dim=0).norm())


def test_networks_without_an_unembedding_are_refused(subject: Subject, data: TokenData) -> None:
    plain = Subject(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))
    with pytest.raises(GnomonError, match="has no unembedding"):
        logit_effect(plain, data, drawn(8, 4, 2), rng=Rng(0))
    with pytest.raises(GnomonError, match="latents have width 8, the unembedding 16"):
        logit_effect(subject, data, drawn(8, 8, 2), rng=Rng(0))


@pytest.mark.parametrize(("site", "target"), [("blocks.0", "blocks.0"), ("embed", "blocks.0.mlp")])
def test_first_order_effects_are_those_of_small_ablations(
    subject: Subject, data: TokenData, site: str, target: str
) -> None:
    dictionary = drawn(12, _WIDTH, 12)
    dictionary.encoder_bias.data.zero_()
    dictionary.target_scale.fill_(1e-3)  # so small a part of the activation that first order suffices
    assert subject.loss is not None
    spec = Attribution(dictionary, site, target, subject.loss)
    accumulated, _ = accumulate(subject, data, [spec], Rng(0), max_positions=100)
    effect = accumulated[spec].effect
    subject.module.double()
    try:
        found = ablate(subject, data, Place(dictionary, site, target), {str(j): [j] for j in range(12)})
    finally:
        subject.module.float()
    exact = np.array([(found.ablated[str(j)].loss - found.untouched.loss).sum() for j in range(12)])
    with torch.no_grad():
        states = capture(subject, data.batch(range(len(data))), Reads(sites=frozenset({site})))
        codes = dictionary.encode(states.activations[site][states.mask(states.activations[site].shape[1])])
    active = (codes.dense() > 0).sum(dim=0).numpy()
    fired = active > 0
    assert fired.sum() > 5
    assert effect[fired] * active[fired] == pytest.approx(exact[fired], rel=0.01, abs=0.005 * np.abs(exact).max())
    assert np.isnan(effect[~fired]).all()
