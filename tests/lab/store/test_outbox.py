from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.store.outbox import Outbox


def point(key: str, status: str = "done", **fields: object) -> PointRecord:
    return PointRecord(key=key, experiment="trial", spec={"seed": 0}, status=status, **fields)  # type: ignore[arg-type]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_what_was_left_is_in_the_store_once_and_the_outbox_empty(outbox: Outbox, store: Store) -> None:
    left = [point("a", outcome={"loss": 0.1, "curve": [0.5] * 300}), point("b", "failed", reason="r")]
    outbox.put(left)
    outbox.put([point("c")])
    found = outbox.ingest(store)
    assert sorted(found.records, key=lambda r: r.key) == [*left, point("c")]
    assert sorted(store.points(), key=lambda r: r.key) == [*left, point("c")]
    assert [p for p in outbox.folder.rglob("*") if p.is_file()] == []
    again = outbox.ingest(store)
    assert (again.records, again.set_aside) == ([], [])


def test_the_same_twice_is_one_file_and_a_second_answer_is_another(outbox: Outbox, store: Store) -> None:
    assert outbox.put([point("a", outcome={"x": 1})]) == outbox.put([point("a", outcome={"x": 1})])
    outbox.put([point("a", outcome={"x": 2})])
    assert len(list(outbox.folder.iterdir())) == 2
    outbox.ingest(store)
    assert len(store.points()) == 1


def test_a_reader_that_dies_between_keeping_and_clearing_loses_and_doubles_nothing(
    outbox: Outbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.put([point("a")])
    outbox.put([point("b")])

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            outbox.ingest(store)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_points", die)
        with pytest.raises(KeyboardInterrupt):
            outbox.ingest(store)
    assert len(list(outbox.folder.iterdir())) == 2
    outbox.ingest(store)
    assert sorted(r.key for r in store.points()) == ["a", "b"]
    assert list(outbox.folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "renamed", "foreign"])
def test_damaged_files_are_set_aside_and_said_and_the_others_are_merged(
    outbox: Outbox, store: Store, damage: str
) -> None:
    bad, _ = outbox.put([point("a", outcome={"x": [0.5] * 50})]), outbox.put([point("b")])
    content = bad.read_bytes()
    if damage == "cut":
        bad.write_bytes(content[:-20])
    elif damage == "empty":
        bad.write_bytes(b"")
    elif damage == "flipped":
        bad.write_bytes(content.replace(b"0.5", b"0.7", 1))
    elif damage == "renamed":
        bad = bad.rename(bad.with_name("mine.points"))
    else:
        import hashlib

        bad.unlink()
        bad = bad.with_name(f"{'0' * 64}-{hashlib.sha256(b'[1]').hexdigest()}.points")
        bad.write_bytes(b"[1]")
    kept = bad.read_bytes()
    found = outbox.ingest(store)
    assert [r.key for r in found.records] == [r.key for r in store.points()] == ["b"]
    assert [p.name for p in found.set_aside] == [bad.name]
    assert found.set_aside == outbox.set_aside()
    assert found.set_aside[0].read_bytes() == kept
    assert outbox.ingest(store).set_aside == []
    assert len(outbox.set_aside()) == 1


def test_a_file_that_is_being_written_is_left_alone(outbox: Outbox, store: Store) -> None:
    outbox.put([point("a")])
    half = outbox.folder / ".writing-1-ff.points"
    half.write_bytes(b"half")
    assert [r.key for r in outbox.ingest(store).records] == ["a"]
    assert half.exists()


def test_a_store_that_cannot_be_written_leaves_the_files(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put([point("a")])
    with Store.open(tmp_path / "other") as store:
        store._database.read_only = True
        with pytest.raises(GnomonError, match="cannot be written"):
            outbox.ingest(store)
    assert len(list(outbox.folder.glob("*.points"))) == 1


WRITE = """
import os, signal, sys
from gnomon.lab.store import PointRecord
from gnomon.lab.store.outbox import Outbox
outbox = Outbox(sys.argv[1])
for index in range(20):
    if index == 10 and sys.argv[2] == "die":
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    outbox.put([PointRecord(key=str(index), experiment="trial", spec={}, status="done")])
"""

READ = """
import sys, time
from gnomon.lab.store import Store
from gnomon.lab.store.outbox import Outbox
with Store.open(sys.argv[2]) as store:
    until = time.monotonic() + 60
    while len(store.points()) < 20 and time.monotonic() < until:
        Outbox(sys.argv[1]).ingest(store)
        time.sleep(0.02)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_two_readers_beside_writers_of_which_one_is_killed(outbox: Outbox, tmp_path: Path) -> None:
    """The writers leave overlapping points; the first dies in the middle of its eleventh file."""
    run, location = [sys.executable, "-c"], str(tmp_path / "store")
    killed = subprocess.run([*run, WRITE, str(outbox.folder), "die"])
    assert killed.returncode == -9
    started = [subprocess.Popen([*run, READ, str(outbox.folder), location]) for _ in range(2)]
    started += [subprocess.Popen([*run, WRITE, str(outbox.folder), "live"])]
    assert [process.wait(90) for process in started] == [0, 0, 0]
    with Store.open(location) as store:
        outbox.ingest(store)
        assert sorted(int(r.key) for r in store.points()) == list(range(20))
    left = [path.name for path in outbox.folder.iterdir()]
    assert [name.startswith(".writing-") for name in left] == [True]  # of the one that was killed
    assert os.listdir(outbox.folder) == left
