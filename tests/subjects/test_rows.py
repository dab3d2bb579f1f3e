"""The row sample: uniform, the same at every site and for every batching, and mergeable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, chisquare
from tiny_networks import network
from torch import nn

from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Reads, RowSample, Subject, TokenData, accumulate, capture


def token_subject() -> tuple[Subject, TokenData]:
    draw = np.random.default_rng(0)
    sequences = [draw.integers(3, 64, size=n) for n in draw.integers(1, 13, size=40)]
    return Subject(network("llama")), TokenData(sequences, clusters=np.repeat(np.arange(20), 2))


def test_every_position_of_every_example_is_as_likely():
    """Counts over many seeds. Rows are drawn without replacement, which makes the sum n / (n − 1) times chi-square."""
    n, rows, seeds = 60, 12, 400
    data = ArrayData(torch.arange(n, dtype=torch.float32)[:, None])
    subject = Subject(nn.Identity())
    counts = np.zeros(n)
    for seed in range(seeds):
        sample = RowSample("logits", rows)
        counts[accumulate(subject, data, [sample], Rng(seed))[0][sample].keys[:, 0]] += 1
    expected = seeds * rows / n
    statistic = ((counts - expected) ** 2 / (expected * (1 - rows / n))).sum()
    assert chi2.sf(statistic * (n - 1) / n, n - 1) > 1e-3
    # and no row is drawn along with its neighbour more often than chance has it
    assert chisquare(counts.reshape(6, 10).sum(1)).pvalue > 1e-3


def test_long_examples_give_more_rows_in_proportion_to_their_length():
    lengths = np.array([1] * 50 + [9] * 50)
    data = TokenData([np.full(n, 5) for n in lengths])
    subject = Subject(nn.Identity())
    subject.output = lambda batch: batch.kwargs["input_ids"][..., None].float()  # type: ignore[method-assign]
    sample = RowSample("logits", 20)
    long = 0
    for seed in range(200):
        accumulator = sample.empty(subject, data, Rng(seed))
        for batch in data.batches(max_positions=100):
            accumulator.update(captured(subject, batch))
        assert accumulator.seen == 500
        long += int((lengths[accumulator.keys[:, 0]] == 9).sum())
    share, expected = long / (200 * 20), 450 / 500
    assert abs(share - expected) < 4 * (expected * (1 - expected) / 4000) ** 0.5


def captured(subject, batch):
    from gnomon.subjects import Captured

    output = subject.output(batch)
    return Captured(batch, output, {"logits": output})


@pytest.mark.parametrize("positions", ["all", "last"])
def test_the_sample_does_not_depend_on_the_batching(positions):
    subject, data = token_subject()
    sample = RowSample("blocks.0", 25, positions)
    small, large = (accumulate(subject, data, [sample], Rng(1), max_positions=p)[0][sample] for p in (13, 10_000))
    assert np.array_equal(small.keys, large.keys)
    assert small.seen == large.seen == (len(data) if positions == "last" else data.lengths.sum())
    np.testing.assert_allclose(small.values, large.values, rtol=1e-4, atol=1e-6)
    assert np.array_equal(small.clusters, data.clusters[small.keys[:, 0]])
    if positions == "last":
        assert np.array_equal(small.keys[:, 1], data.lengths[small.keys[:, 0]] - 1)


def test_the_same_rows_at_every_site():
    subject, data = token_subject()
    samples = [RowSample(site, 30) for site in ("embed", "blocks.0.mlp", "logits")]
    found, report = accumulate(subject, data, samples, Rng(5))
    assert report.forward_passes == len(data)
    first, *others = (found[s] for s in samples)
    for other in others:
        assert np.array_equal(first.keys, other.keys)


def test_the_rows_are_the_activations():
    subject, data = token_subject()
    sample = RowSample("blocks.1.attention", 30)
    found = accumulate(subject, data, [sample], Rng(5))[0][sample]
    for (example, position), values in zip(found.keys, found.values, strict=True):
        alone = capture(subject, data.batch([example]), Reads(sites=frozenset({sample.site})))
        np.testing.assert_allclose(values, alone.activations[sample.site][0, position], rtol=1e-4, atol=1e-6)


def test_shards_merge_to_the_whole():
    subject, data = token_subject()
    sample = RowSample("blocks.0", 25)
    whole = accumulate(subject, data, [sample], Rng(1))[0][sample]
    shards = [sample.empty(subject, data, Rng(1)) for _ in range(3)]
    for number, batch in enumerate(data.batches(max_positions=30)):
        shards[number % 3].update(capture(subject, batch, sample.reads))
    first, second, third = shards
    second.merge(third)
    first.merge(second)
    assert np.array_equal(first.keys, whole.keys)
    assert first.seen == whole.seen
    np.testing.assert_allclose(first.values, whole.values, rtol=1e-4, atol=1e-6)


def test_fewer_rows_than_asked_for_are_all_of_them():
    subject, data = token_subject()
    sample = RowSample("blocks.0", 10_000)
    found = accumulate(subject, data, [sample], Rng(1))[0][sample]
    every = {(e, p) for e, n in enumerate(data.lengths) for p in range(n)}
    assert {tuple(k) for k in found.keys.tolist()} == every


def test_the_memory_it_states_is_what_it_holds():
    subject, data = token_subject()
    sample = RowSample("blocks.0", 25)
    assert sample.bytes(subject, data) == accumulate(subject, data, [sample], Rng(1))[0][sample].values.nbytes
