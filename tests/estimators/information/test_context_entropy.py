"""The curve against windows fed one by one, its coverage, and where the network leaves n-grams behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.information import ContextEntropy
from gnomon.estimators.information.kneser_ney import held_out_losses
from gnomon.estimators.information.known import MarkovChain
from gnomon.estimators.information.spans import spans
from gnomon.estimators.information.targets import measured_targets
from gnomon.estimators.information.windows import Texts, draw_windows
from gnomon.lab.measuring import measure
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    Data,
    MaskedToken,
    Masking,
    NextToken,
    Subject,
    TokenData,
    load,
    load_data,
)

BEGIN, TOKENS = 1, 24


def read(subject: Subject, data: Data, *, seed: int = 0, **options: Any) -> dict[str, Measurement]:
    found = ContextEntropy(**options).measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))
    return {m.quantity: m for m in found}


@pytest.fixture(scope="module")
def llama() -> Subject:
    """A random language model in which every token of context matters a little."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=TOKENS, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64,
        )  # fmt: skip
        model = transformers.LlamaForCausalLM(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return Subject(model.eval(), loss=NextToken(), context=64)


def _texts(count: int, seed: int, shortest: int = 14, longest: int = 26) -> TokenData:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(shortest, longest, size=count)
    return TokenData([[BEGIN, *generator.integers(2, TOKENS, size=n)] for n in lengths])


def _one_by_one(subject: Subject, data: TokenData, longest: int, *, begin: bool = True) -> NDArray[np.float64]:
    """Loss of each token of the texts given 0, 1, … ``longest`` others; NaN where it is none of the targets."""
    losses = []
    with torch.no_grad():
        for sequence in data.sequences:
            text = sequence[1:]
            rows = np.full((len(text), longest + 1), np.nan)
            for u in range(longest, len(text)):
                for m in range(0 if begin else 1, longest + 1):
                    shown = torch.tensor([[BEGIN] * begin + [*text[u - m : u]]])
                    logits = subject.module(input_ids=shown).logits[0, -1]
                    rows[u, m] = float(-torch.log_softmax(logits.double(), -1)[int(text[u])])
            losses.append(rows)
    return np.concatenate(losses)


def test_equals_windows_fed_one_by_one(llama: Subject) -> None:
    data, longest = _texts(12, 1), 8
    exact = _one_by_one(llama, data, longest)
    texts = Texts.of(data)
    windows = draw_windows(texts, longest, 10**6, Rng(0))
    targets = measured_targets(llama, texts, windows, longest, Budget(), Rng(0))
    np.testing.assert_allclose(targets.losses, exact[targets.token, targets.context], atol=2e-5)
    everything = np.isfinite(exact[:, 0]).sum()
    assert np.bincount(targets.context)[[0, 1, 2]].tolist() == [everything] * 3
    np.testing.assert_array_equal(targets.groups, np.repeat(np.arange(12), texts.lengths)[targets.token])


def test_the_curve_is_unbiased(llama: Subject) -> None:
    """Over many draws it is, on average, that of all targets with all contexts."""
    data, longest = _texts(12, 1), 8
    drawn: dict[int | None, list[NDArray[np.float64]]] = {None: [], BEGIN: []}
    for seed in range(60):
        m = read(llama, data, seed=seed, positions=600)["conditional_entropy"]
        drawn[m.diagnostics["begin_token"]].append(np.asarray(m.value))
    way = max(drawn, key=lambda begin: len(drawn[begin]))
    exact = _one_by_one(llama, data, longest, begin=way is not None)[:, 0 if way else 1 :]
    averaged = np.nanmean(exact[np.isfinite(exact[:, -1])], axis=0)
    found = spans(0 if way else 1, longest)
    expected = np.array([averaged[low - found[0][0] : high + 1 - found[0][0]].mean() for low, high in found])
    spread = np.std(drawn[way], axis=0, ddof=1) / np.sqrt(len(drawn[way]))
    assert (np.abs(np.mean(drawn[way], axis=0) - expected) < 4 * spread).all()


class _AfterBegin(nn.Module):
    """Says that the next token is the last one again, but goes wrong with, or without, a begin token."""

    def __init__(self, *, wants: bool) -> None:
        super().__init__()
        self.wants = wants
        self.table = nn.Embedding(TOKENS, TOKENS, _weight=3 * torch.eye(TOKENS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        del attention_mask
        begun = (input_ids[:, :1] == BEGIN)[:, :, None]
        out: torch.Tensor = torch.where(begun == self.wants, self.table(input_ids), 0.0)
        return out


@pytest.mark.parametrize("wants", [True, False])
def test_windows_are_shown_as_the_network_wants_them(wants: bool) -> None:
    data = TokenData([[BEGIN, *([2 + i % 20] * 20)] for i in range(30)])
    m = read(Subject(_AfterBegin(wants=wants), loss=NextToken()), data)["conditional_entropy"]
    assert m.diagnostics["begin_token"] == (BEGIN if wants else None)
    assert m.diagnostics["from"][0] == (0 if wants else 1)
    expected = np.log(1 + (TOKENS - 1) * np.exp(-3.0))
    np.testing.assert_allclose(np.asarray(m.value)[1 if wants else 0 :], expected, rtol=1e-5)


def test_ngrams_are_scored_on_the_same_targets(llama: Subject) -> None:
    data = _texts(30, 2)
    m = read(llama, data)["ngram_cross_entropy"]
    texts = Texts.of(data)
    folds = np.repeat(np.arange(30) % 10, texts.lengths)  # other folds: the same up to chance
    losses = held_out_losses(texts.tokens, texts.positions, folds, TOKENS, 5)[:, texts.positions >= 8]
    np.testing.assert_allclose(m.value, losses.mean(axis=1), rtol=0.02)
    assert m.diagnostics["context"] == [0, 1, 2, 3, 4, 5]
    assert m.diagnostics["tokens_counted"] == len(texts.tokens)


def test_copies_of_texts_in_one_cluster_do_not_narrow_the_interval() -> None:
    chain = MarkovChain.drawn(Rng(0), order=1, tokens=4)
    truth, covered, widths = chain.entropy(1), [], []
    for seed in range(60):
        sampled = np.repeat(chain.sample(Rng(seed), 25, 24), 4, axis=0)
        data = TokenData(list(sampled), clusters=np.repeat(np.arange(25), 4))
        m = read(chain.subject(), data, seed=seed, ngram=1)["conditional_entropy"]
        covered.append(m.uncertainty.covered(np.asarray(m.value), np.full(np.shape(m.value), truth)))
        plain = read(chain.subject(), TokenData(list(sampled)), seed=seed, ngram=1)["conditional_entropy"]
        widths.append(np.mean(np.asarray(plain.uncertainty.half_width) / np.asarray(m.uncertainty.half_width)))
    assert np.mean(covered) > 0.91
    assert np.mean(widths) < 0.85  # what independence, wrongly supposed, would state


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_network_passes_ngrams_at_the_order_of_its_chain(order: int) -> None:
    tokens = {1: 40, 2: 14, 3: 6}[order]
    for seed in range(8):
        chain = MarkovChain.drawn(Rng(seed), order=order, tokens=tokens)
        data = TokenData(list(chain.sample(Rng(seed), 120, 40)))
        m = read(chain.subject(), data, seed=seed)["beyond_ngrams_context"]
        assert m.status == "ok"
        assert m.uncertainty.contains(float(order), float(order))
        assert m.value == order


def test_a_better_ngram_is_not_passed() -> None:
    """A network that knows one token back, on a chain of order two with text enough to count."""
    chain = MarkovChain.drawn(Rng(3), order=2, tokens=4)
    knows_less = MarkovChain(chain.conditionals[1])
    m = read(knows_less.subject(), TokenData(list(chain.sample(Rng(0), 150, 40))))["beyond_ngrams_context"]
    assert m.status == "insufficient"
    assert "not surely better than every n-gram" in m.reason
    assert m.diagnostics["best_ngram"] == 3


def test_the_networks_own_context_is_kept(llama: Subject) -> None:
    data = _texts(30, 3, shortest=60, longest=63)
    limited = Subject(llama.module, loss=NextToken(), context=12)
    assert max(read(limited, data)["conditional_entropy"].diagnostics["to"]) == 8
    assert max(read(llama, data)["conditional_entropy"].diagnostics["to"]) == 32
    assert max(read(llama, data, longest=16)["conditional_entropy"].diagnostics["to"]) == 16


@pytest.mark.parametrize(
    ("data", "says"),
    [(_texts(9, 0), "9 independent texts"), (_texts(40, 0, 1, 3), "two tokens or more before")],
)
def test_too_little_is_refused(llama: Subject, data: Data, says: str) -> None:
    for m in read(llama, data).values():
        assert m.status == "insufficient"
        assert says in m.reason


def test_texts_that_are_all_alike_are_read(llama: Subject) -> None:
    """Copies are cut into windows at places of their own, so that every context is read."""
    text = _texts(1, 5, 20, 21).sequences[0]
    found = read(llama, TokenData([text] * 30))["conditional_entropy"]
    assert found.status == "ok"
    assert np.isfinite(found.value).all()


def test_a_text_that_holds_nothing_but_its_begin_token_is_passed_over(llama: Subject) -> None:
    texts = [*_texts(30, 6).sequences, [BEGIN]]
    with_empty = read(llama, TokenData(texts))["conditional_entropy"]
    assert with_empty.status == "ok"
    assert with_empty.diagnostics["texts_too_short"] == 1


def test_spans_that_were_drawn_in_few_texts_are_refused(llama: Subject) -> None:
    for m in read(llama, _texts(30, 7), positions=60).values():
        assert m.status == "insufficient"
        assert "independent texts only were shown" in m.reason
        assert m.reason.endswith("it takes more positions")


def test_memory_bounds_what_is_counted(llama: Subject) -> None:
    data, budget = _texts(400, 4), Budget(bytes=2**20)
    found = ContextEntropy().measure(llama, data, sites=(), budget=budget, rng=Rng(0))
    counted = found[1].diagnostics["tokens_counted"]
    assert 0.5 * 2**20 / 300 < counted < 2**20 / 300 < sum(len(s) for s in data.sequences)


@pytest.mark.parametrize(
    ("subject", "data", "says"),
    [
        (
            Subject(nn.Embedding(9, 9), loss=MaskedToken()),
            TokenData([[2, 3, 4]] * 20, masking=Masking(1)),
            "masked_token",
        ),
        (
            Subject(nn.Linear(4, 3), loss=CrossEntropy()),
            ArrayData(np.zeros((20, 4)), np.arange(20) % 3),
            "cross_entropy",
        ),
        (Subject(nn.Linear(4, 3)), ArrayData(np.zeros((20, 4))), "has no loss"),
    ],
    ids=["masked", "classifier", "encoder"],
)
def test_other_networks_are_refused_in_words(subject: Subject, data: Data, says: str) -> None:
    session = measure(subject, ["context_entropy", "in_context_learning"], data=data)
    assert session.measurements
    for m in session.measurements:
        assert m.status == "insufficient"
        assert says in m.reason


@pytest.mark.parametrize("options", [{"longest": 1}, {"positions": 0}, {"ngram": 0}])
def test_senseless_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(GnomonError, match="no curve from"):
        ContextEntropy(**options)


@pytest.mark.slow
def test_a_real_model_learns_from_far_more_than_ngrams_see(shared_data: Path) -> None:
    subject = load(shared_data / "stories260K")
    data = load_data(shared_data / "stories_sampled.txt", subject, limit=300)
    found = read(subject, data)
    curve = np.asarray(found["conditional_entropy"].value)
    assert _falls(curve, 0.15)
    beyond = found["beyond_ngrams_context"]
    assert beyond.status == "ok"
    assert beyond.value is not None
    assert 2 <= float(beyond.value) <= 6
    ngrams = np.asarray(found["ngram_cross_entropy"].value)
    assert 2.0 < ngrams.min() < 2.5
    assert curve[-1] < 1.7 < ngrams.min()


@pytest.mark.slow
def test_readings_of_disjoint_texts_scatter_as_their_errors_say(shared_data: Path) -> None:
    """Twelve sets of stories: spread over sets against the stated errors, averaged over each curve."""
    subject = load(shared_data / "stories260K")
    data = load_data(shared_data / "stories_sampled.txt", subject, limit=1200)
    sets = [data.take(np.arange(i, 1200, 12)) for i in range(12)]
    found = [read(subject, part, seed=i, positions=2**14) for i, part in enumerate(sets)]
    for quantity in ("conditional_entropy", "ngram_cross_entropy"):
        readings = [one[quantity] for one in found]
        spread = np.var([np.asarray(m.value) for m in readings], axis=0, ddof=1)
        stated = np.mean([(np.asarray(m.uncertainty.half_width) / 1.98) ** 2 for m in readings], axis=0)
        assert 0.7 < np.sqrt((spread / stated).mean()) < 1.35


def _falls(curve: Sequence[float] | NDArray[np.float64], slack: float) -> bool:
    return bool((np.diff(curve) < slack).all())
