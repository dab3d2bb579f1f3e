"""A pass over data: memory within its limit, bad numbers refused, every example once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_architectures import FirstOutput
from tiny_networks import MLP, network
from torch import nn

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects import (
    Accumulator,
    ArrayData,
    NextToken,
    Reads,
    RowSample,
    Statistic,
    Subject,
    TokenData,
    accumulate,
    capture,
)
from gnomon.subjects.accumulate import positions_within
from gnomon.subjects.memory import PeakMemory


class Seen(Statistic):
    """Every batch that was passed."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    @property
    def reads(self) -> Reads:
        return self._reads

    def empty(self, subject, data, rng):
        return _Batches()


class _Batches(Accumulator):
    def __init__(self) -> None:
        self.batches = []

    def update(self, captured) -> None:
        self.batches.append(captured.batch)

    def merge(self, other) -> None:
        self.batches += other.batches


def texts(n: int = 60) -> TokenData:
    draw = np.random.default_rng(0)
    return TokenData([draw.integers(3, 64, size=k) for k in draw.integers(4, 33, size=n)])


ASKED = {
    "activations": Reads(sites=frozenset({"blocks.0", "logits"})),
    "predictions": Reads(predictions=True),
    "gradients": Reads(gradients=(FirstOutput(),), gradient_sites=frozenset({"embed", "blocks.1"})),
}


@pytest.mark.parametrize("name", ["llama", "gpt2", "mamba"])
@pytest.mark.parametrize("asked", ASKED)
def test_no_batch_takes_more_memory_than_the_limit(name, asked):
    subject, data, reads = Subject(network(name), loss=NextToken()), texts(), ASKED[asked]
    known = (*subject.module.parameters(), *subject.module.buffers())

    def peak(batch) -> int:
        memory = PeakMemory(known)
        with memory:
            capture(subject, batch, reads)
        return memory.peak

    alone = peak(data.batch([int(np.argmax(data.lengths))]))
    limit = 5 * alone
    positions = positions_within(subject, data, reads, limit)
    peaks = [peak(batch) for batch in data.batches(max_positions=positions)]
    assert max(peaks) <= limit
    assert max(peaks) > limit / 4  # and the limit is made use of
    assert len(peaks) > 1


def test_the_pass_keeps_to_the_limit():
    subject, data = Subject(network("llama")), texts()
    reads = ASKED["activations"]
    one = positions_within(subject, data, reads, 2**30)
    assert one > 10_000
    statistic = Seen(reads)
    small = accumulate(subject, data, [statistic], Rng(0), max_bytes=400_000)[0][statistic]
    large = accumulate(subject, data, [statistic], Rng(0))[0][statistic]
    assert len(small.batches) > len(large.batches)


def test_one_example_over_the_limit_is_refused_before_the_pass():
    subject, data = Subject(network("llama")), texts()
    with pytest.raises(GnomonError, match=r"one example of 32 positions needs .* MiB, the limit is 0\.0191 MiB; raise"):
        accumulate(subject, data, [RowSample("blocks.0")], Rng(0), max_bytes=20_000)


def test_the_count_of_memory_is_that_of_known_tensors():
    x = torch.zeros(1000)
    with PeakMemory([x]) as memory:
        y = x + 1
        y.add_(1)  # in place
        z = y.view(10, 100)  # a view
        del y, z
        x.exp().sum()
    assert memory.peak == 4004  # the exponentials, and their sum


def test_every_example_is_passed_once_and_progress_reaches_the_end():
    subject, data = Subject(network("llama")), texts()
    statistic, progress = Seen(ASKED["activations"]), []
    found, report = accumulate(
        subject, data, [statistic], Rng(0), max_positions=100, progress=lambda *at: progress.append(at)
    )
    examples = torch.cat([b.examples for b in found[statistic].batches])
    assert sorted(examples.tolist()) == list(range(60))
    assert report.examples == 60
    assert report.positions == data.lengths.sum()
    assert report.backward_passes == 0
    assert progress[-1] == (60, 60)


def test_an_activation_that_is_not_finite():
    class Logarithm(MLP):
        def forward(self, x):
            return self.second(torch.log(self.first(x)))

    torch.manual_seed(0)
    data = ArrayData(torch.randn(30, 5))
    subject = Subject(Logarithm(), data=data)
    with pytest.raises(GnomonError, match=r"site 'logits' is NaN or infinite \(examples 0 and on\)"):
        accumulate(subject, data, [RowSample("logits")], Rng(0))
    accumulate(subject, data, [RowSample("first")], Rng(0))  # what was asked for is finite


def test_what_padding_holds_does_not_matter():
    class Padded(nn.Module):
        def forward(self, input_ids, attention_mask):
            return torch.where(attention_mask.bool(), input_ids.float(), torch.nan)[..., None]

    data = TokenData([[1, 2, 3], [4]])
    sample = RowSample("logits")
    found = accumulate(Subject(Padded()), data, [sample], Rng(0))[0][sample]
    assert sorted(found.values[:, 0]) == [1, 2, 3, 4]


def test_an_unknown_site_in_a_statistic():
    data = ArrayData(torch.randn(30, 5))
    with pytest.raises(GnomonError, match=r"unknown site 'blocks\.7'"):
        accumulate(Subject(MLP(), data=data), data, [RowSample("blocks.7")], Rng(0))
