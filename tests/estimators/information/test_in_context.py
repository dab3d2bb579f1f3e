"""Loss by position and the in-context learning score, against single losses and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.information import InContextLearning, known
from gnomon.estimators.information.token_losses import LossAccumulator, TokenLosses
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, NextToken, Subject, TokenData, accumulate, capture


def read(subject: Subject, data: Data, **options: Any) -> tuple[Measurement, Measurement]:
    score, curve = InContextLearning(**options).measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    return score, curve


def _network(seed: int = 0, tokens: int = 12) -> Subject:
    """A recurrent network: every token of the past matters."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(tokens, 10)
            self.cell = nn.GRU(10, 10, batch_first=True)
            self.head = nn.Linear(10, tokens)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            del attention_mask
            out: torch.Tensor = self.head(self.cell(self.embed(input_ids))[0])
            return out

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Recurrent()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(3)
    return Subject(network.eval(), loss=NextToken())


def _texts(lengths: list[int], seed: int = 0, **more: Any) -> TokenData:
    generator = np.random.default_rng(seed)
    return TokenData([generator.integers(12, size=n) for n in lengths], **more)


def _single_losses(subject: Subject, data: TokenData) -> list[NDArray[np.float64]]:
    """By text: the loss of the token after 1, 2, … others, each text on its own."""
    found = []
    with torch.no_grad():
        for text in data.sequences:
            ids = torch.from_numpy(text)[None]
            logs = torch.log_softmax(subject.module(input_ids=ids)[0].double(), -1)
            found.append(-logs[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy())
    return found


def test_equals_losses_taken_one_by_one() -> None:
    subject, lengths = _network(), [45, 61, 52, 20, 48, 77, 41, 60, 55, 43, 46, 90, 44]
    data = _texts(lengths)
    losses = _single_losses(subject, data)
    score, curve = read(subject, data, early=5, late=40)
    late = np.array([one[36:40].mean() for one in losses if len(one) >= 40])  # positions 37 to 40
    early = np.array([one[4] for one in losses if len(one) >= 40])  # position 5
    assert score.value == pytest.approx((late - early).mean(), abs=1e-6)
    assert score.uncertainty.error == pytest.approx((late - early).std(ddof=1) / np.sqrt(len(late)), rel=1e-5)
    assert score.diagnostics["texts"] == 12
    assert score.diagnostics["texts_too_short"] == 1
    assert score.diagnostics["early_loss"] == pytest.approx(early.mean(), abs=1e-6)
    long = [one for one in losses if len(one) >= 40]
    for value, low, high in zip(
        np.asarray(curve.value), curve.diagnostics["from"], curve.diagnostics["to"], strict=True
    ):
        assert value == pytest.approx(np.mean([one[low - 1 : high] for one in long]), abs=1e-6)
    assert curve.diagnostics["to"][-1] == 40


def test_positions_follow_the_texts() -> None:
    subject = _network()
    score, _ = read(subject, _texts([61] * 4 + [81] * 12))
    assert (score.diagnostics["late"], score.diagnostics["early"]) == (80, 8)
    score, _ = read(subject, _texts([700] * 12))
    assert (score.diagnostics["late"], score.diagnostics["early"]) == (500, 50)


def test_a_network_that_learns_the_coin_scores_what_laplaces_rule_gains() -> None:
    scores, covered = [], 0
    for seed in range(60):
        subject, data, truth = known.coin_score(Rng(seed))
        score, _ = read(subject, data)
        scores.append(float(score.value or 0.0) - float(np.asarray(truth)))
        covered += score.uncertainty.contains(float(score.value or 0.0), truth)
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(60)
    assert covered >= 52


def test_laplaces_rule_by_enumeration() -> None:
    """The closed form against the average over all sequences of tosses and a fine grid of biases."""
    tosses, bias = 4, (np.arange(4000) + 0.5) / 4000
    total = 0.0
    for sequence in np.ndindex(*(2,) * (tosses + 1)):
        heads = sum(sequence[:-1])
        p = (heads + 1) / (tosses + 2)
        chance = np.mean(bias ** sum(sequence) * (1 - bias) ** (tosses + 1 - sum(sequence)))
        total -= chance * np.log(p if sequence[-1] else 1 - p)
    assert known.coin_entropy(tosses) == pytest.approx(total, abs=1e-6)


def test_entropies_of_a_chain_by_enumeration() -> None:
    """Against the joint distribution of runs of tokens, from powers of the chain's transition matrix."""
    chain = known.MarkovChain.drawn(Rng(4), order=2, tokens=3)
    step = np.zeros((9, 9))
    for a, b, c in np.ndindex(3, 3, 3):
        step[3 * a + b, 3 * b + c] = chain.transitions[a, b, c]
    pairs = np.linalg.matrix_power(step, 200)[0].reshape(3, 3)
    triples = pairs[:, :, None] * chain.transitions

    def entropy(p: NDArray[np.float64]) -> float:
        return float(-(p * np.log(p)).sum())

    single = pairs.sum(axis=0)
    expected = [entropy(single), entropy(pairs) - entropy(single), entropy(triples) - entropy(pairs)]
    np.testing.assert_allclose(chain.entropies, expected, atol=1e-10)
    sampled = chain.sample(Rng(0), 4000, 6)
    seen = np.bincount((9 * sampled[:, 3] + 3 * sampled[:, 4] + sampled[:, 5]), minlength=27) / 4000
    np.testing.assert_allclose(seen, triples.reshape(-1), atol=5 * np.sqrt(0.25 / 4000))


def test_texts_of_one_cluster_count_once() -> None:
    subject = _network()
    data = _texts([40] * 30)
    copied = data.take(np.repeat(np.arange(30), 3))
    one, _ = read(subject, data, late=39)
    three, _ = read(subject, copied, late=39)
    assert three.value == pytest.approx(one.value, abs=1e-6)
    assert three.uncertainty.error == pytest.approx(one.uncertainty.error, rel=1e-5)


def test_too_little_is_refused() -> None:
    for data, says in ((_texts([40] * 9), "9 independent texts"), (_texts([40] * 9 + [8] * 9), "fewer than 10 pred")):
        for m in read(_network(), data):
            assert m.status == "insufficient"
            assert says in m.reason


def test_positions_that_are_asked_for_are_read_or_refused_for_what_they_are() -> None:
    for m in read(_network(), _texts([20] * 30), late=5):
        assert m.status == "ok", m.reason
        assert m.diagnostics["late"] == 5
    for m in read(_network(), _texts([20] * 30), early=50):
        assert m.status == "insufficient"
        assert m.reason == "three quarters of the texts reach position 19, not past the early one, 50"


def test_a_token_of_probability_zero_fails_in_words() -> None:
    class Never(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score = nn.Parameter(torch.zeros(12))

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            del attention_mask
            forbidden = torch.where(torch.arange(12) == 3, -torch.inf, self.score)
            return forbidden.expand(*input_ids.shape, 12)

    for m in read(Subject(Never(), loss=NextToken()), _texts([40] * 20)):
        assert m.status == "failed"
        assert "probability 0" in m.reason


@pytest.mark.parametrize("options", [{"early": 0}, {"early": 9, "late": 9}, {"late": 1}])
def test_senseless_positions_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(GnomonError, match="cannot be compared"):
        InContextLearning(**options)


def test_shards_merge_to_the_same_losses() -> None:
    subject, data = _network(), _texts([9, 4, 12, 7, 5], seed=3)
    statistic = TokenLosses()
    whole = accumulate(subject, data, [statistic], Rng(0))[0][statistic]
    assert isinstance(whole, LossAccumulator)
    parts = [statistic.empty(subject, data, Rng(0)) for _ in range(2)]
    for part, examples in zip(parts, ([0, 3], [1, 2, 4]), strict=True):
        part.update(capture(subject, data.batch(examples), statistic.reads))
    parts[0].merge(parts[1])
    np.testing.assert_allclose(parts[0].losses, whole.losses, rtol=1e-5)
    assert np.isnan(whole.losses[whole.positions == 0]).all()
    expected = np.concatenate(_single_losses(subject, data))
    np.testing.assert_allclose(whole.losses[whole.positions > 0], expected, rtol=1e-5)
    assert whole.classes == 12
