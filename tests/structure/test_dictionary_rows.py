"""Where training rows come from, and the pool: every row once an epoch, the same bits whenever they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import ArrayRows, Rows, SiteRows, Trained, Training, architecture, train
from gnomon.structure.dictionaries.pool import Pool
from gnomon.subjects import ArrayData, Reads, Subject, TokenData, capture, stream_to_files
from gnomon.subjects.sites import Site

N, D = 1000, 3


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, D)
        self.middle = nn.Linear(D, 5)
        self.pooled = nn.AdaptiveAvgPool1d(1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        stream = self.middle(self.embed(input_ids)) * attention_mask[..., None]
        return self.pooled(stream.transpose(1, 2)).squeeze(-1)


@pytest.fixture
def subject() -> Subject:
    torch.manual_seed(0)
    return Subject(_Network().eval(), sites=[Site("embed", "embed"), Site("middle", "middle")])


@pytest.fixture
def texts() -> TokenData:
    draw = np.random.default_rng(0)
    return TokenData([draw.integers(0, 50, size=k) for k in draw.integers(1, 20, size=60)])


def _numbered(n: int = N) -> np.ndarray:
    return np.stack([np.arange(n), np.arange(n) ** 2 % 7, -np.arange(n)], axis=1).astype(np.float64)


def _all(rows: Rows, epoch: int, *cuts: int) -> Tensor:
    ends = [0, *cuts, len(rows)]
    return torch.cat([rows.read(epoch, a, b, Rng(0))[0] for a, b in itertools.pairwise(ends)])


@pytest.mark.parametrize("n", [1000, 1024, 256, 100], ids=str)
@pytest.mark.parametrize("mapped", [False, True], ids=["memory", "file"])
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(n: int, mapped: bool, tmp_path: Path) -> None:
    table = _numbered(n)
    np.save(tmp_path / "rows.npy", table)
    rows = ArrayRows(tmp_path / "rows.npy" if mapped else table)
    epochs = [_all(rows, epoch) for epoch in (0, 1)]
    for found in epochs:
        assert found.dtype == torch.float32
        assert torch.equal(found[found[:, 0].argsort()], torch.from_numpy(table).float())
    if n > 256 or not mapped:
        assert not torch.equal(*epochs)
    # whatever the parts it is read in, and in which order
    assert torch.equal(_all(rows, 0, *sorted({1, n // 3, n // 3 + 1, n // 2, n - 1})), epochs[0])
    assert torch.equal(ArrayRows(table).read(1, 7, 90, Rng(0))[0], ArrayRows(table).read(1, 0, 100, Rng(0))[0][7:90])


def test_inputs_and_targets_stay_together(tmp_path: Path) -> None:
    table = _numbered()
    np.save(tmp_path / "inputs.npy", table)
    np.save(tmp_path / "targets.npy", table[:, :1] + 0.5)
    rows = ArrayRows(tmp_path / "inputs.npy", tmp_path / "targets.npy")
    inputs, targets = rows.read(3, 100, 900, Rng(1))
    assert (rows.inputs, rows.targets) == (3, 1)
    assert torch.equal(targets, inputs[:, :1] + 0.5)


def test_rows_of_a_site_are_its_activations_at_all_real_positions(subject: Subject, texts: TokenData) -> None:
    rows = SiteRows(subject, texts, "embed", "middle")
    assert (len(rows), rows.inputs, rows.targets) == (int(texts.lengths.sum()), D, 5)
    network = subject.module
    inputs, targets = rows.read(0, 0, len(rows), Rng(0))
    with torch.no_grad():
        wanted = network.embed(torch.from_numpy(np.concatenate(texts.sequences)))
        assert torch.allclose(targets, network.middle(inputs), rtol=0, atol=1e-6)
    for column in range(D):  # as a set of rows
        assert torch.equal(inputs[:, column].sort().values, wanted[:, column].sort().values)
    # a part has the rows that the whole has there
    part = rows.read(0, 37, 111, Rng(0))
    assert torch.allclose(part[0], inputs[37:111], rtol=0, atol=1e-6)
    assert torch.equal(part[0], rows.read(0, 37, 111, Rng(0))[0])
    # within an example the order is that of its positions
    first = texts.sequences[int(Rng(0).child("epoch", 0).numpy().permutation(len(texts))[0])]
    with torch.no_grad():
        assert torch.equal(inputs[: len(first)], network.embed(torch.from_numpy(first)))


def test_rows_streamed_to_files_train_like_those_of_the_site(
    subject: Subject, texts: TokenData, tmp_path: Path
) -> None:
    found = stream_to_files(subject, texts, ["embed"], tmp_path)
    of_file, of_site = ArrayRows(found.files["embed"]), SiteRows(subject, texts, "embed")
    assert len(of_file) == len(of_site)
    a, b = (_all(rows, 0) for rows in (of_file, of_site))
    assert torch.allclose(a.sort(dim=0).values, b.sort(dim=0).values, rtol=0, atol=1e-6)


def test_sites_without_positions_give_one_row_an_example() -> None:
    data = ArrayData(torch.randn(9, 4))
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    rows = SiteRows(Subject(network, sites=[Site("hidden", "0")]), data, "hidden")
    assert len(rows) == 9
    wanted = capture(
        Subject(network, sites=[Site("hidden", "0")]), data.batch(range(9)), Reads(sites=frozenset({"hidden"}))
    ).activations["hidden"][:, 0]
    assert torch.allclose(rows.read(0, 0, 9, Rng(0))[0].sort(dim=0).values, wanted.sort(dim=0).values)


def test_a_run_on_a_site_that_stopped_ends_with_the_bits_of_one_that_did_not(
    subject: Subject, texts: TokenData, tmp_path: Path
) -> None:
    def trained(directory: Path | None, stop: Callable[[], bool] | None = None) -> Trained:
        rows = SiteRows(subject, texts, "embed", "middle")
        training = Training(rows=900, batch=30, pool=90, report_every=1)
        return train(rows, architecture("top_k", latents=50, k=2), training, rng=Rng(0), directory=directory, stop=stop)

    for steps in (4, 9, 13):  # within windows of 3 batches, and between epochs of 19
        asked = iter([False] * steps + [True])
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, lambda asked=asked: next(asked))
    whole, found = trained(None), trained(tmp_path)
    assert whole.history == found.history
    for name, value in whole.dictionary.state_dict().items():
        assert torch.equal(value, found.dictionary.state_dict()[name])


@pytest.mark.parametrize("size", [1, 130, 10_000], ids=str)
def test_a_pool_hands_out_every_row_once_an_epoch_but_less_than_a_batch(size: int) -> None:
    pool = Pool(ArrayRows(_numbered()), batch=30, size=size, rng=Rng(0))
    assert pool.batches == 33
    for epoch in (0, 2):
        batches = [pool[epoch * 33 + number][0] for number in range(33)]
        assert all(batch.shape == (30, D) for batch in batches)
        assert len(set(torch.cat(batches)[:, 0].tolist())) == 990
    if size > N:  # which rows are passed over differs from epoch to epoch
        left = [set(range(N)) - {int(row[0]) for n in range(33) for row in pool[e * 33 + n][0]} for e in range(3)]
        assert len({frozenset(one) for one in left}) == 3
    # asked for again, from a pool that was at another place
    again = Pool(ArrayRows(_numbered()), batch=30, size=size, rng=Rng(0))
    for number in (40, 3, 66, 65):
        assert torch.equal(again[number][0], pool[number][0])
    assert not torch.equal(Pool(ArrayRows(_numbered()), batch=30, size=size, rng=Rng(1))[0][0], pool[0][0])


def test_a_window_is_shuffled_whole() -> None:
    """Rows of blocks in a file come in runs; in a batch they are neighbours no more often than by chance."""
    table = np.arange(25_600, dtype=np.float32)[:, None].repeat(2, axis=1)

    class Ordered(ArrayRows):
        def _blocks(self, epoch: int, rng: Rng) -> np.ndarray:
            return np.arange(len(self))

    pool = Pool(Ordered(table), batch=256, size=25_600, rng=Rng(0))
    batch = pool[17][0][:, 0]
    # 255 neighbours, of which chance makes 2/25,600 each
    assert int((batch.diff().abs() == 1).sum()) <= 2
    assert abs(float(batch.mean()) - 12_800) < 4 * 25_600 / np.sqrt(12 * 256)


def test_bad_rows_are_told_in_one_line(subject: Subject, texts: TokenData, tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="9 rows do not fill a batch of 10"):
        Pool(ArrayRows(_numbered(9)), batch=10, size=100, rng=Rng(0))
    table = _numbered()
    table[500, 1] = np.nan
    with pytest.raises(GnomonError, match="inputs hold NaN or infinite"):
        Pool(ArrayRows(table), batch=10, size=2000, rng=Rng(0))[0]
    huge = np.full((10, 2), 3e38)
    Pool(ArrayRows(huge), batch=10, size=10, rng=Rng(0))[0]  # finite, though its sum is not
    with pytest.raises(GnomonError, match="1000 rows of inputs and 999 of targets"):
        ArrayRows(_numbered(), _numbered(999))
    with pytest.raises(GnomonError, match=r"int64 of shape \(4, 2\)"):
        ArrayRows(np.zeros((4, 2), dtype=np.int64))
    with pytest.raises(GnomonError, match="give rows"):
        ArrayRows(np.zeros(4))
    (tmp_path / "no.npy").write_text("nothing")
    with pytest.raises(GnomonError, match=r"no\.npy is no \.npy file"):
        ArrayRows(tmp_path / "no.npy")
    with pytest.raises(UnknownNameError, match="middel"):
        SiteRows(subject, texts, "middel")
