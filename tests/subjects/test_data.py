"""Data in memory: batches of every example once, digests, shards and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Masking, TokenData


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 300), st.integers(1, 20))
def test_batches_hold_every_example_once_within_their_limits(lengths, max_positions, max_examples):
    data = TokenData([np.full(n, i + 1) for i, n in enumerate(lengths)])
    seen = []
    for batch in data.batches(max_positions=max_positions, max_examples=max_examples):
        examples = batch.examples.numpy()
        padded = batch.kwargs["input_ids"].shape
        assert len(batch) <= max_examples
        assert len(batch) == 1 or padded[0] * padded[1] <= max_positions
        assert padded[1] == data.lengths[examples].max()
        for row, example in enumerate(examples):
            real = batch.mask[row]
            assert batch.kwargs["input_ids"][row][real].tolist() == data.sequences[example].tolist()
            assert int(real.sum()) == lengths[example]
        seen += examples.tolist()
    assert sorted(seen) == list(range(len(lengths)))


def test_a_sample_is_uniform_and_keeps_the_order():
    data = ArrayData(torch.arange(20.0)[:, None], clusters=np.arange(20) // 2)
    counts = np.zeros(20)
    for seed in range(400):
        drawn = data.sample(5, Rng(seed)).inputs[:, 0].numpy().astype(int)
        assert (np.diff(drawn) > 0).all()
        counts[drawn] += 1
    assert abs(counts - 100).max() < 5 * (400 * 0.25 * 0.75) ** 0.5
    assert data.sample(20, Rng(0)) is data
    part = data.sample(5, Rng(1))
    assert np.array_equal(part.clusters, part.inputs[:, 0].numpy().astype(int) // 2)


def test_digests_tell_contents_apart():
    base = {"inputs": np.eye(3), "targets": np.arange(3), "clusters": np.arange(3)}
    digest = ArrayData(**base).digest
    assert ArrayData(**base).digest == digest
    for change in ({"inputs": 2 * np.eye(3)}, {"targets": None}, {"clusters": np.zeros(3, dtype=int)}):
        assert ArrayData(**{**base, **change}).digest != digest
    sequences = [[1, 2], [3]]
    digest = TokenData(sequences).digest
    others = [TokenData([[1], [2, 3]]), TokenData([[3], [1, 2]]), TokenData(sequences, targets=np.arange(2))]
    others += [TokenData(sequences, masking=Masking(9)), TokenData(sequences, clusters=np.zeros(2, dtype=int))]
    assert len({digest, *(o.digest for o in others)}) == 6
    assert TokenData(sequences).take(np.array([0, 1])).digest == digest


def test_taking_a_part_takes_what_belongs_to_it():
    data = TokenData([[1, 2], [3], [4, 5, 6]], targets=np.array([7, 8, 9]), clusters=np.array([0, 0, 1]))
    part = data.take(np.array([2, 0]))
    assert [s.tolist() for s in part.sequences] == [[4, 5, 6], [1, 2]]
    assert part.targets.tolist() == [9, 7]
    assert part.clusters.tolist() == [1, 0]


def test_the_mask_hides_the_stated_share():
    tokens = np.arange(10, 2010)
    hidden = Masking(token=3, rate=0.15, seed=1).positions(tokens, frozenset({12}))
    assert not hidden[2]
    assert abs(hidden.sum() - 300) < 4 * (2000 * 0.15 * 0.85) ** 0.5
    # a text of special tokens only has nothing to hide, any other at least one
    assert not Masking(3).positions(np.array([12, 12]), frozenset({12})).any()
    assert all(
        Masking(3, 0.01, s).positions(np.array([12, 40]), frozenset({12})).tolist() == [False, True] for s in range(50)
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ArrayData(np.zeros((0, 3))), "the data is empty"),
        (lambda: ArrayData(np.array(3.0)), "the data is empty"),
        (lambda: ArrayData([[np.nan, 1.0]]), "inputs hold NaN or infinite numbers"),
        (lambda: ArrayData(np.ones((2, 3)), np.array([0.0, np.inf])), "targets hold NaN or infinite numbers"),
        (lambda: ArrayData(np.ones((2, 3)), np.arange(3)), "targets have 3 rows, inputs have 2"),
        (lambda: ArrayData(np.ones((2, 3)), clusters=np.arange(3)), "clusters have 3 rows, inputs have 2"),
        (lambda: TokenData([]), "the data is empty"),
        (lambda: TokenData([[1], []]), "example 1 has no tokens"),
        (lambda: TokenData([[1], [2]], targets=np.arange(3)), "targets have 3 rows, there are 2 texts"),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(GnomonError, match=said):
        make()
