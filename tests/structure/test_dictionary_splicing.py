"""Loss recovered: against networks edited by hand, on tokens, images and transcoders; coverage; refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import drawn, hand_made
from torch import nn

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation import SiteSource, evaluate
from gnomon.structure.dictionaries.evaluation.splicing import SplicedLosses
from gnomon.subjects import ArrayData, CrossEntropy, NextToken, Site, Subject, TokenData

_WORDS, _WIDTH = 12, 6


class _Reader(nn.Module):
    """Embeds tokens, mixes each with the mean of those before, and scores the next."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(_WORDS, _WIDTH)
        self.mix = nn.Linear(_WIDTH, _WIDTH)
        self.act = nn.ReLU()
        self.score = nn.Linear(_WIDTH, _WORDS)
        with torch.no_grad():
            self.score.weight *= 4

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.embed(input_ids)
        x = x + x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
        return self.score(self.act(self.mix(x)))


@pytest.fixture(scope="module")
def subject() -> Subject:
    with torch.random.fork_rng():
        module = _Reader()
    sites = [Site("embed", "embed"), Site("mix", "mix"), Site("act", "act")]
    return Subject(module, loss=NextToken(), sites=sites)


@pytest.fixture(scope="module")
def data(subject: Subject) -> TokenData:
    """Texts in which the network's own most likely token follows, so that its activations matter."""
    generator = np.random.default_rng(0)
    texts = []
    for _ in range(40):
        tokens = [int(generator.integers(_WORDS))]
        for _ in range(int(generator.integers(3, 12))):
            scores = subject.module(torch.tensor([tokens]), torch.ones(1, len(tokens)))[0, -1]
            tokens.append(int(scores.argmax()) if generator.random() < 0.8 else int(generator.integers(_WORDS)))
        texts.append(tokens)
    return TokenData(texts, clusters=np.arange(40) // 2)


def _measured(dictionary, source, quantity):
    found = [m for m in evaluate(dictionary, source, rng=Rng(0)) if m.quantity == quantity]
    return {m.labels.get("reference"): m for m in found}


def _sums_by_hand(subject, data, edit):
    """Sum of the loss over predictions, by text, with ``edit`` on the output of ``mix``."""
    hook = subject.module.mix.register_forward_hook(lambda _module, _args, out: edit(out))
    sums = []
    try:
        for tokens in data.sequences:
            ids = torch.from_numpy(tokens)[None]
            with torch.no_grad():
                scores = subject.module(ids, torch.ones_like(ids))[0, :-1]
            sums.append(float(nn.functional.cross_entropy(scores, ids[0, 1:], reduction="sum")))
    finally:
        hook.remove()
    return np.array(sums)


def test_the_losses_are_those_of_a_network_edited_by_hand(subject, data):
    dictionary = drawn(16, _WIDTH, active=5)
    dictionary.encoder_bias.data.fill_(0.0)
    source = SiteSource(subject, data, "mix")
    rows = torch.cat([block.inputs for block in source.blocks()])
    assert len(rows) == data.lengths.sum()  # padding is left out
    mean = rows.mean(dim=0)

    def spliced(out):
        return dictionary(out.reshape(-1, _WIDTH)).reshape(out.shape)

    clean, made, zero, middle = (
        _sums_by_hand(subject, data, edit)
        for edit in (lambda out: out, spliced, torch.zeros_like, lambda out: mean.expand_as(out))
    )
    predictions = (data.lengths - 1).sum()
    increase = _measured(dictionary, source, "dictionary_loss_increase")[None]
    assert increase.value == pytest.approx((made - clean).sum() / predictions, rel=1e-4)
    assert increase.site == "mix"
    assert increase.diagnostics["clusters"] == 20
    recovered = _measured(dictionary, source, "dictionary_loss_recovered")
    for name, ablated in (("zero", zero), ("mean", middle)):
        truth = (ablated - made).sum() / (ablated - clean).sum()
        assert recovered[name].value == pytest.approx(truth, rel=1e-4), name
        # leaving out one cluster at a time, by hand
        pairs = np.arange(40) // 2
        without = [(ablated - made)[pairs != c].sum() / (ablated - clean)[pairs != c].sum() for c in range(20)]
        error = np.sqrt(19 / 20 * np.square(without - np.mean(without)).sum())
        assert recovered[name].uncertainty.high - recovered[name].value == pytest.approx(2.0930240544 * error, rel=1e-3)


def test_a_perfect_dictionary_recovers_everything_and_the_mean_nothing(subject, data):
    both = torch.cat([torch.eye(_WIDTH), -torch.eye(_WIDTH)])
    source = SiteSource(subject, data, "mix")
    perfect = hand_made(both, torch.zeros(2 * _WIDTH), both, 2 * _WIDTH)
    assert _measured(perfect, source, "dictionary_loss_increase")[None].value == pytest.approx(0, abs=1e-6)
    for one in _measured(perfect, source, "dictionary_loss_recovered").values():
        assert one.value == pytest.approx(1, abs=1e-5)
    silent = hand_made(both, torch.full((2 * _WIDTH,), -1e6), both, 2 * _WIDTH)
    silent.target_mean.copy_(torch.cat([block.inputs for block in source.blocks()]).mean(dim=0))
    found = _measured(silent, source, "dictionary_loss_recovered")
    assert found["mean"].value == pytest.approx(0, abs=1e-5)
    assert found["zero"].value != pytest.approx(0, abs=1e-2)


def test_a_transcoder_takes_the_place_of_a_layer(subject, data):
    """A ReLU layer is a transcoder: encoder and bias are the identity's, the target is what comes out of it."""
    exact = hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), torch.eye(_WIDTH), _WIDTH)
    found = _measured(exact, SiteSource(subject, data, "mix", "act"), "dictionary_loss_increase")[None]
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.site == "act"
    with pytest.raises(GnomonError, match="is reached after"):
        evaluate(exact, SiteSource(subject, data, "act", "mix"), rng=Rng(0))


def test_channels_come_first_in_images():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
    data = ArrayData(torch.randn(30, 1, 5, 5), torch.arange(30) % 3)
    subject = Subject(module, loss=CrossEntropy(), sites=[Site("convolved", "0", feature_axis=1)], data=data)
    both = torch.cat([torch.eye(4), -torch.eye(4)])
    found = _measured(hand_made(both, torch.zeros(8), both, 8), SiteSource(subject, data, "convolved"), _INCREASE)
    assert found[None].value == pytest.approx(0, abs=1e-6)


_INCREASE = "dictionary_loss_increase"


def test_the_network_is_left_as_it_was(subject, data):
    before = subject.weights_hash()
    evaluate(drawn(16, _WIDTH, active=5), SiteSource(subject, data, "mix"), rng=Rng(0))
    assert subject.weights_hash() == before
    assert not subject.module.mix._forward_hooks
    assert subject.module.training


def test_nothing_to_recover_is_said(subject):
    """Random next tokens: no activation helps, so that an ablation loses nothing for certain."""
    generator = np.random.default_rng(0)
    noise = TokenData([generator.integers(0, _WORDS, size=6) for _ in range(30)])
    found = _measured(drawn(16, _WIDTH, active=5), SiteSource(subject, noise, "mix"), "dictionary_loss_recovered")
    assert {m.status for m in found.values()} == {"insufficient"}
    assert all("nothing to recover" in m.reason for m in found.values())


def test_the_ratio_is_covered():
    """Clusters of unequal size; the truth is 1 − 0.3 / 1.5."""
    hits = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        counts = generator.integers(1, 30, size=40).astype(np.float64)
        clean = counts * (2 + 0.3 * generator.standard_normal(40))
        spliced = clean + counts * (0.3 + 0.2 * generator.standard_normal(40))
        ablated = clean + counts * (1.5 + 0.5 * generator.standard_normal(40))
        losses = SplicedLosses(counts, clean, spliced, {"zero": ablated})
        one = losses.measurements(site="x", level=0.95)[1]
        hits += one.uncertainty.contains(one.value, 0.8)
    # 200 intervals at 95 %: fewer than 180 or all of them cover once in a thousand
    assert 180 <= hits < 200


def test_a_dictionary_of_another_width_is_refused(subject, data):
    wide = hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), torch.ones(_WIDTH, 3) / 3**0.5, 2)
    with pytest.raises(GnomonError, match="reconstructs vectors of width 3, the targets have width 6"):
        evaluate(wide, SiteSource(subject, data, "mix"), rng=Rng(0))
