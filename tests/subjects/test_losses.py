"""Losses against the ones that transformers and torch compute themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_networks import MLP, network
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    MaskedToken,
    Masking,
    NextToken,
    Reads,
    SquaredError,
    Subject,
    TokenData,
    capture,
)


def values(subject, data):
    found = capture(subject, data.batch(range(len(data))), Reads(predictions=True)).predictions
    return subject.loss.values(found), found


def sequences() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(3, 64, size=n) for n in (9, 5, 2, 12)]


def test_the_next_token():
    data = TokenData(sequences())
    subject = Subject(network("llama"), loss=NextToken())
    losses, found = values(subject, data)
    assert len(losses) == sum(len(s) - 1 for s in data.sequences)
    for example, sequence in enumerate(data.sequences):
        ids = torch.tensor(sequence)[None]
        with torch.no_grad():
            plain = network("llama")(input_ids=ids, labels=ids).loss
        torch.testing.assert_close(losses[found.rows == example].mean(), plain, rtol=1e-5, atol=1e-6)
        assert found.positions[found.rows == example].tolist() == list(range(len(sequence) - 1))
        assert found.targets[found.rows == example].tolist() == sequence[1:].tolist()


def test_a_text_of_one_token_predicts_nothing():
    data = TokenData([[5], [6, 7]])
    losses, found = values(Subject(network("llama"), loss=NextToken()), data)
    assert found.rows.tolist() == [1]
    assert len(losses) == 1


def test_hidden_tokens():
    data = TokenData(sequences(), masking=Masking(token=3, rate=0.3), special=frozenset({0, 1, 2, 3}))
    losses, found = values(Subject(network("bert"), loss=MaskedToken()), data)
    batch = data.batch(range(4))
    with torch.no_grad():
        plain = network("bert")(**batch.kwargs, labels=batch.targets).loss
    torch.testing.assert_close(losses.mean(), plain)
    assert torch.equal(batch.targets[found.rows, found.positions], found.targets)


def test_classes():
    data = TokenData(sequences(), targets=np.array([0, 2, 1, 1]))
    losses, _ = values(Subject(network("bert_classifier"), loss=CrossEntropy()), data)
    batch = data.batch(range(4))
    with torch.no_grad():
        plain = network("bert_classifier")(**batch.kwargs, labels=batch.targets).loss
    torch.testing.assert_close(losses.mean(), plain)


def test_squared_errors_of_values_and_of_one_hot_classes():
    inputs, targets = torch.randn(6, 5), torch.randn(6, 3)
    module = MLP()
    losses, _ = values(Subject(module, loss=SquaredError()), ArrayData(inputs, targets))
    with torch.no_grad():
        output = module(inputs)
    torch.testing.assert_close(losses.mean(), F.mse_loss(output, targets))
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    losses, _ = values(Subject(module, loss=SquaredError()), ArrayData(inputs, classes))
    torch.testing.assert_close(losses.mean(), F.mse_loss(output, torch.eye(3)[classes]))


@pytest.mark.parametrize(
    ("loss", "data", "said"),
    [
        (NextToken(), ArrayData(torch.zeros(2, 5)), "the next-token loss needs token ids"),
        (MaskedToken(), ArrayData(torch.zeros(2, 5)), "the masked-token loss needs hidden tokens"),
        (CrossEntropy(), ArrayData(torch.zeros(2, 5)), "the cross_entropy loss needs targets"),
        (CrossEntropy(), ArrayData(torch.zeros(2, 5), torch.zeros(2)), r"cross entropy needs .* integer targets"),
        (SquaredError(), ArrayData(torch.zeros(2, 5), torch.zeros(2, 4)), r"targets \(2, 4\) do not match|invalid"),
    ],
)
def test_data_that_the_loss_cannot_use(loss, data, said):
    subject = Subject(MLP(), loss=loss)
    with pytest.raises(GnomonError, match=said):
        values(subject, data)
