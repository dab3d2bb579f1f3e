"""Features are read on every kind of network, at every site, and leave it as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, MixtralConfig, MixtralForCausalLM, ViTConfig
from transformers import ViTForImageClassification as Vit

from gnomon.estimators import Budget
from gnomon.estimators.features import AverageGradientOuterProduct, LocalRelevantDimension
from gnomon.randomness import Rng
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    Data,
    MaskedToken,
    Masking,
    NextToken,
    SquaredError,
    Subject,
    TokenData,
)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


def tokens(n: int, vocabulary: int, **options) -> TokenData:
    generator = np.random.default_rng(0)
    return TokenData([generator.integers(3, vocabulary, size=generator.integers(4, 12)) for _ in range(n)], **options)


def bert() -> tuple[Subject, Data]:
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
    )
    return Subject(BertForMaskedLM(config), loss=MaskedToken()), tokens(70, 40, masking=Masking(token=1))


def mixtral() -> tuple[Subject, Data]:
    config = MixtralConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=24,
        num_local_experts=3,
    )
    return Subject(MixtralForCausalLM(config), loss=NextToken()), tokens(70, 40)


def vit() -> tuple[Subject, Data]:
    config = ViTConfig(
        image_size=8,
        patch_size=4,
        num_channels=1,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        num_labels=3,
    )
    data = ArrayData(torch.randn(70, 1, 8, 8), torch.zeros(70, dtype=torch.long))
    return Subject(Vit(config), loss=CrossEntropy()), data


def convolutional() -> tuple[Subject, Data]:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    data = ArrayData(torch.randn(70, 1, 8, 8), torch.zeros(70, dtype=torch.long))
    return Subject(module, loss=CrossEntropy(), data=data), data


def regression() -> tuple[Subject, Data]:
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 20))
    data = ArrayData(torch.randn(70, 5), torch.randn(70, 20))
    return Subject(module, loss=SquaredError(), data=data), data


def recurrent() -> tuple[Subject, Data]:
    data = ArrayData(torch.randn(70, 6, 3), torch.zeros(70, dtype=torch.long))
    return Subject(Recurrent(), loss=CrossEntropy(), data=data), data


@pytest.mark.parametrize("make", [bert, mixtral, vit, convolutional, regression, recurrent])
def test_reads_something_at_every_site(make) -> None:
    torch.manual_seed(0)
    subject, data = make()
    before = subject.weights_hash()
    for estimator in (AverageGradientOuterProduct(), LocalRelevantDimension()):
        assert estimator.inapplicable(subject, data) == ""
        places = estimator.sites(subject)
        found = estimator.measure(subject, data, sites=places, budget=Budget(), rng=Rng(0))
        assert {m.site for m in found} == set(places)
        assert not [m.reason for m in found if m.status == "failed"]
        at_sites = {m.site for m in found if m.status == "ok" and m.quantity != "nfa_correlation"}
        assert at_sites, [m.reason for m in found]
        for m in found:
            if m.status == "ok" and m.quantity in ("agop_effective_dimension", "local_relevant_dimension"):
                assert np.all(np.asarray(m.value) >= 1)
    assert subject.weights_hash() == before
    assert all(p.grad is None and p.requires_grad for p in subject.module.parameters())


def test_default_places_are_the_stream_and_the_layers() -> None:
    torch.manual_seed(0)
    subject, _ = bert()
    places = AverageGradientOuterProduct().sites(subject)
    assert {"embed", "blocks.0", "blocks.1"} <= set(places)
    assert not {p for p in places if p.endswith((".attention", ".mlp"))}
    assert "logits" not in places
    assert LocalRelevantDimension().sites(subject) == tuple(p for p in places if p in subject.sites)
