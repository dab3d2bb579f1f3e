"""The shared sums against a plain double-precision loop, in any batching."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.estimators.loss import prediction_sums
from gnomon.estimators.loss.prediction_sums import PredictionAccumulator, PredictionSums
from gnomon.randomness import Rng
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    Data,
    NextToken,
    SquaredError,
    Subject,
    TokenData,
    accumulate,
    capture,
)

COLUMNS = ("counts", "losses", "correct", "entropies", "in_bin", "overconfidence")


class Bigram(nn.Module):
    def __init__(self, vocabulary: int, seed: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, vocabulary)
        nn.init.normal_(self.table.weight, std=2.0, generator=torch.Generator().manual_seed(seed))

    def forward(self, input_ids, attention_mask=None):
        return self.table(input_ids)


def sums_of(subject: Subject, data: Data, **limits: int) -> PredictionAccumulator:
    statistic = PredictionSums()
    found, _ = accumulate(subject, data, [statistic], Rng(0), **limits)
    sums = found[statistic]
    assert isinstance(sums, PredictionAccumulator)
    return sums


def sequences(n: int, vocabulary: int, seed: int = 0) -> TokenData:
    generator = np.random.default_rng(seed)
    texts = [generator.integers(vocabulary, size=generator.integers(1, 30)) for _ in range(n)]
    return TokenData(texts, clusters=np.arange(n) // 3)


def by_hand(logits: np.ndarray, targets: np.ndarray, bins: int = 15) -> dict[str, np.ndarray]:
    """Sums over the rows of one example, in float64."""
    out = {"counts": 0.0, "losses": 0.0, "correct": 0.0, "entropies": 0.0}
    in_bin, over = np.zeros(bins), np.zeros(bins)
    for row, target in zip(logits.astype(np.float64), targets, strict=True):
        p = np.exp(row - row.max())
        p /= p.sum()
        hit = float(p.argmax() == target)
        out["counts"] += 1
        out["losses"] -= np.log(p[target])
        out["correct"] += hit
        out["entropies"] -= (p * np.log(p)).sum()
        b = min(int(p.max() * bins), bins - 1)
        in_bin[b] += 1
        over[b] += p.max() - hit
    return {**{k: np.array(v) for k, v in out.items()}, "in_bin": in_bin, "overconfidence": over}


@pytest.mark.parametrize("vocabulary", [11, 3])
def test_tokens_agree_with_a_loop(vocabulary: int) -> None:
    module, data = Bigram(vocabulary, 1), sequences(40, vocabulary)
    sums = sums_of(Subject(module, loss=NextToken()), data)
    for i, tokens in enumerate(data.sequences):
        logits = module.table.weight[torch.from_numpy(tokens[:-1])].detach().numpy()
        for name, expected in by_hand(logits, tokens[1:]).items():
            np.testing.assert_allclose(getattr(sums, name)[i], expected, rtol=2e-6, atol=2e-6)


def test_rows_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    data = ArrayData(generator.normal(size=(50, 7)), generator.integers(7, size=50))
    subject = Subject(nn.Identity(), loss=CrossEntropy())
    whole = sums_of(subject, data)
    monkeypatch.setattr(prediction_sums, "_CHUNK_NUMBERS", 16)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(sums_of(subject, data), name), getattr(whole, name))


def test_independent_of_batching_and_of_sharding() -> None:
    subject, data = Subject(Bigram(9, 2), loss=NextToken()), sequences(30, 9)
    whole, small = sums_of(subject, data), sums_of(subject, data, max_positions=32)
    statistic = PredictionSums()
    merged, other = (statistic.empty(subject, data, Rng(0)) for _ in range(2))
    for shard, indices in ((merged, np.arange(0, 30, 2)), (other, np.arange(1, 30, 2))):
        with subject.evaluating():
            shard.update(capture(subject, data.batch(indices), statistic.reads))
    merged.merge(other)
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(small, name), getattr(whole, name), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-6, atol=1e-6)


def test_large_and_infinite_scores_are_handled() -> None:
    logits = torch.tensor([[1e4, 1e4 - 1.0, -torch.inf], [0.0, -1e5, -1e30]])
    data = ArrayData(torch.zeros(2, 1), torch.tensor([1, 0]))

    class Fixed(nn.Module):
        def forward(self, x):
            return logits

    sums = sums_of(Subject(Fixed(), loss=CrossEntropy()), data)
    p = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(sums.losses, [-np.log(1 - p), 0.0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(sums.entropies, [-(p * np.log(p) + (1 - p) * np.log(1 - p)), 0.0], rtol=1e-6, atol=1e-7)


def test_squared_error_fills_loss_and_hits() -> None:
    subject = Subject(nn.Identity(), loss=SquaredError())
    outputs = torch.tensor([[0.9, 0.1], [0.2, 0.6], [0.7, 0.3]])
    classes = sums_of(subject, ArrayData(outputs, torch.tensor([0, 0, 0])))
    assert classes.of_classes
    np.testing.assert_array_equal(classes.correct, [1, 0, 1])
    np.testing.assert_allclose(classes.losses, [0.01, 0.5, 0.09], rtol=1e-5)
    assert not sums_of(subject, ArrayData(outputs, outputs)).of_classes


def test_clusters_without_predictions_do_not_count() -> None:
    data = TokenData([[1], [1, 2, 3], [2], [3, 1]], clusters=np.array([5, 5, 7, 9]))
    sums = sums_of(Subject(Bigram(4, 0), loss=NextToken()), data)
    np.testing.assert_array_equal(sums.by_cluster(sums.counts), [2, 1])
    assert not sums.single
