"""Activations on disk: the right numbers in the right rows, whole or not at all."""

from __future__ import annotations

import errno
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import CNN, network

from gnomon.errors import GnomonError
from gnomon.subjects import ArrayData, Reads, Subject, TokenData, capture, stream_to_files
from gnomon.subjects.stream import _Pending

SITES = ("embed", "blocks.1.mlp", "logits")


def texts(n: int = 30) -> TokenData:
    draw = np.random.default_rng(0)
    return TokenData([draw.integers(3, 64, size=k) for k in draw.integers(1, 20, size=n)])


@pytest.fixture
def subject() -> Subject:
    return Subject(network("opt"))


def test_rows_are_the_activations_in_order(subject, tmp_path):
    data = texts()
    found = stream_to_files(subject, data, SITES, tmp_path / "a" / "b")
    total = int(data.lengths.sum())
    for site in SITES:
        values, rows = found.activations(site), found.positions(site)
        assert values.shape == (total, subject.widths[site])
        assert values.dtype == np.float32
        assert isinstance(values, np.memmap)
        assert [tuple(r) for r in rows[:4]] == [(0, p) for p in range(4)]
        assert np.array_equal(np.bincount(rows[:, 0]), data.lengths)
        for example in (0, 7, 29):
            alone = capture(subject, data.batch([example]), Reads(sites=frozenset({site}))).activations[site][0]
            np.testing.assert_allclose(values[rows[:, 0] == example], alone, rtol=1e-4, atol=1e-6)
    names = sorted(p.name for p in (tmp_path / "a" / "b").iterdir())
    assert names == ["_rows.0.npy", "blocks.1.mlp.npy", "embed.npy", "logits.npy"]


def test_the_files_do_not_depend_on_the_batching(subject, tmp_path):
    data = texts()
    a, b = (stream_to_files(subject, data, SITES, tmp_path / n, max_bytes=m) for n, m in (("a", 10**8), ("b", 10**6)))
    for site in SITES:
        np.testing.assert_allclose(a.activations(site), b.activations(site), rtol=1e-4, atol=1e-6)
        assert np.array_equal(a.positions(site), b.positions(site))


def test_sites_with_different_positions_have_their_own_index(tmp_path):
    data = ArrayData(torch.randn(5, 3, 8, 8))
    found = stream_to_files(Subject(CNN().eval(), data=data), data, ["conv1", "act", "head"], tmp_path)
    assert found.activations("conv1").shape == (5 * 64, 4)
    assert found.activations("head").shape == (5, 3)
    assert found.rows["conv1"] == found.rows["act"] != found.rows["head"]


def everything(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*"))


def test_a_disk_too_small_is_one_line_before_the_work_and_leaves_nothing(subject, tmp_path):
    """A real limit on the size of files, as of a full disk: the system refuses to make them larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(GnomonError, match=r"cannot write activations to .*: File too large; free space"):
            stream_to_files(subject, texts(), SITES, tmp_path / "a" / "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything(tmp_path) == []


def test_a_disk_that_fills_up_in_the_middle(subject, tmp_path, monkeypatch):
    (tmp_path / "kept.txt").write_text("mine")
    puts = []

    def put(self, content, offset):
        puts.append(offset)
        if len(puts) == 20:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_Pending, "put", put)
    with pytest.raises(GnomonError, match="No space left on device; free space, or give another directory"):
        stream_to_files(subject, texts(), SITES, tmp_path)
    assert everything(tmp_path) == ["kept.txt"]


def test_an_interruption_leaves_nothing(subject, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_to_files(subject, texts(), SITES, tmp_path / "a", progress=stop)
    assert everything(tmp_path) == []


def test_what_is_there_already_is_not_overwritten(subject, tmp_path):
    stream_to_files(subject, texts(), SITES, tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(GnomonError, match=r"embed.npy exists already; give another directory or remove it"):
        stream_to_files(subject, texts(), SITES, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_an_unknown_site_makes_no_file(subject, tmp_path):
    with pytest.raises(GnomonError, match=r"unknown site 'blocks\.9'"):
        stream_to_files(subject, texts(), ["blocks.9"], tmp_path / "a")
    assert everything(tmp_path) == []


def test_a_directory_that_cannot_be_made(subject, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GnomonError, match="cannot write activations"):
        stream_to_files(subject, texts(), SITES, tmp_path / "file" / "a")


def test_more_than_memory_is_streamed_within_the_limit(subject, tmp_path):
    """Far more than the limit goes to disk."""
    data = TokenData([np.full(20, 5) for _ in range(600)])
    limit = 300_000
    found = stream_to_files(subject, data, ["embed", "logits"], tmp_path, max_bytes=limit)
    written = sum(p.stat().st_size for p in found.files.values())
    assert written > 12 * limit
    shutil.rmtree(tmp_path)
