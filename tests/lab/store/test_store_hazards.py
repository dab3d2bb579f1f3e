"""Kills, neighbours, full disks and damaged files: one line of error, and nothing that was stored is lost."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import store_writers
from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.store.schema import SCHEMA_VERSION
from gnomon.measurement import Measurement
from store_writers import reading
from tiny_disks import mounted

WRITER = [sys.executable, store_writers.__file__]
WITH_TESTS = {**os.environ, "PYTHONPATH": str(Path(store_writers.__file__).parent)}


def check_whole(location: Path, written: set[tuple[int, int]]) -> int:
    """Everything in ``written`` is there, every row and array is intact; returns the number of rows."""
    with Store.open(location) as store:
        assert store.health()["integrity"] == "ok"
        found = store.measurements()
    assert len({m.identity for m in found}) == len(found)
    for m in found:
        assert m.provenance is not None
        assert m.provenance.seed is not None
        assert m == reading(int(m.provenance.subject.removeprefix("writer ")), m.provenance.seed)
    kept = {(int(m.provenance.subject.removeprefix("writer ")), m.provenance.seed) for m in found if m.provenance}
    assert written <= kept
    return len(kept)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kill_9_loses_at_most_the_unfinished_row(tmp_path: Path) -> None:
    chance = random.Random(0)
    written: set[tuple[int, int]] = set()
    first = 0
    for _ in range(5):
        process = subprocess.Popen(
            [*WRITER, str(tmp_path), "0", str(first), str(first + 100_000)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        time.sleep(chance.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        done = [int(line) for line in lines]
        written |= {(0, index) for index in done}
        rows = check_whole(tmp_path, written)
        assert rows - len(written) <= 1  # the row that was finished, but not yet reported
        written |= {(0, index) for index in range(rows)}
        first = rows
    assert first >= 5 * 4


KILL = """
import os, signal, sys
from sqlalchemy import Engine, event
from gnomon.lab.store import Store
from gnomon.lab.store.schema import SCHEMA_VERSION
from store_writers import reading

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with Store.open(sys.argv[1]) as store:
    store.add(reading(0, 0))
    if sys.argv[2] == "commit":
        event.listen(Engine, "commit", die)
    else:
        flush, left = os.fsync, [int(sys.argv[2])]
        def flush_and_count(handle):
            left[0] -= 1
            die() if left[0] == 0 else flush(handle)
        os.fsync = flush_and_count
    store.add(reading(0, 1))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("moment", ["1", "2", "4", "commit"])
def test_kill_9_at_a_chosen_moment(tmp_path: Path, moment: str) -> None:
    """At the flush of an array or of a directory, and with the row written but not committed."""
    done = subprocess.run([sys.executable, "-c", KILL, str(tmp_path), moment], env=WITH_TESTS)
    assert done.returncode == -signal.SIGKILL
    assert check_whole(tmp_path, {(0, 0)}) == 1
    assert len(list(tmp_path.rglob(".writing-*"))) == (moment in "14")
    with Store.open(tmp_path) as store:
        store.add(reading(0, 1))
    check_whole(tmp_path, {(0, 0), (0, 1)})


def test_four_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    each = 25
    # all four race to make the store; the last two write the same measurements
    processes = [
        subprocess.Popen([*WRITER, str(tmp_path / "store"), str(w), "0", str(each)], stderr=subprocess.PIPE, text=True)
        for w in (0, 1, 2, 2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    assert check_whole(tmp_path / "store", {(w, i) for w in (0, 1, 2) for i in range(each)}) == 3 * each


def test_a_locked_store_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.lab.store.sqlite.BUSY_SECONDS", 0.01)
    with Store.open(tmp_path) as store:
        store.add(reading(0, 0))
        other = sqlite3.connect(Path(store.place) / "store.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.close()  # so that the short wait above is used
        with pytest.raises(GnomonError, match="kept locked by another process; end that and run again"):
            store.add(reading(0, 1))
        assert len(store.measurements()) == 1  # readers do not wait
        monkeypatch.setattr("gnomon.lab.store.database.time.sleep", lambda seconds: other.execute("ROLLBACK"))
        store.add(reading(0, 1))
        other.close()
    check_whole(tmp_path, {(0, 0), (0, 1)})


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


@pytest.mark.parametrize("size", [2000, 10])
def test_a_full_disk(tiny_disk: Path, size: int) -> None:
    readings = (reading(0, index, size) for index in range(5000))
    stored: list[Measurement] = []

    def fill(store: Store) -> None:
        for one in readings:
            store.add(one)
            stored.append(one)

    with Store.open(tiny_disk) as store:
        with pytest.raises(GnomonError, match="no space is left on the disk") as caught:
            fill(store)
        assert "\n" not in str(caught.value)
        assert len(stored) > 5
        assert store.measurements() == stored
        assert not list(tiny_disk.rglob(".writing-*"))
    with Store.open(tiny_disk, create=False) as store:
        assert store.measurements() == stored
        assert store.health()["integrity"] == "ok"
        subprocess.run(["mount", "-o", "remount,size=2m", str(tiny_disk)], check=True)
        more = next(readings)
        store.add(more)
        assert store.measurements() == [*stored, more]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_within_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store.open(tmp_path) as store:
        store.add(reading(0, 0))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            if call == "replace":
                patch.setattr(Path, call, full)
            with pytest.raises(GnomonError, match="no space is left on the disk"):
                store.add([reading(0, 1), reading(0, 2)])
        assert store.measurements() == [reading(0, 0)]
        assert not list(tmp_path.rglob(".writing-*"))
        store.add([reading(0, 1), reading(0, 2)])
    check_whole(tmp_path, {(0, i) for i in range(3)})


READ_ONLY = """
import os, sys, tempfile
from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.store.schema import SCHEMA_VERSION
from store_writers import reading
with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    store.add(reading(0, 0))  # loads all modules, which another user may not be able to
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Store.open(sys.argv[1])
except GnomonError as error:
    print(error)
try:
    with Store.open(sys.argv[1], create=False) as store:
        print(store.measurements() == [reading(0, 0)], store.health()["writable"])
        store.add(reading(0, 1))
except GnomonError as error:
    print(error)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """An empty directory that other users may reach, as pytest's own may not be."""
    location = Path(tempfile.mkdtemp(prefix="gnomon-read-only-"))
    yield location
    location.chmod(0o755)
    shutil.rmtree(location)


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.skipif(sys.platform == "win32", reason="directories have no modes")
def test_a_directory_that_may_only_be_read(reachable: Path, present: bool) -> None:
    if present:
        with Store.open(reachable) as store:
            store.add(reading(0, 0))
    reachable.chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(reachable)]
    done = subprocess.run(command, capture_output=True, text=True, env=WITH_TESTS)
    assert done.stderr == ""
    refusal = f"store {reachable} cannot be written; choose another with --store or $GNOMON_STORE"
    reads = (
        ["True False", refusal]
        if present
        else [f"there is no store at {reachable}; measure something first, or give --store"]
    )
    assert done.stdout.splitlines() == [refusal, *reads]


class TestDamage:
    def test_a_path_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("hello")
        with pytest.raises(GnomonError, match="is a file; give a directory"):
            Store.open(tmp_path / "file")
        with pytest.raises(GnomonError, match="file"):
            Store.open(tmp_path / "file" / "below")

    def test_a_database_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "store.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 100)
        with pytest.raises(GnomonError, match="is corrupt: not a database; move it away") as caught:
            Store.open(tmp_path)
        assert "\n" not in str(caught.value)
        assert (tmp_path / "store.sqlite").read_bytes().startswith(b"not a database")

    def test_a_database_with_overwritten_pages(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            store.add([reading(0, i) for i in range(40)])
        database = tmp_path / "store.sqlite"
        content = bytearray(database.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        database.write_bytes(content)
        with pytest.raises(GnomonError, match="is corrupt") as caught, Store.open(tmp_path) as store:
            store.measurements()
        assert "\n" not in str(caught.value)

    def test_damage_shows_in_the_health(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            store.add([reading(0, i) for i in range(40)])
        database = tmp_path / "store.sqlite"
        with sqlite3.connect(database) as connection:
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'measurements_site'").fetchone()[
                0
            ]
        connection.close()
        content = bytearray(database.read_bytes())
        content[(page - 1) * 4096 + 2048 : page * 4096] = bytes(2048)
        database.write_bytes(content)
        with Store.open(tmp_path) as store:
            health = store.health()
        assert not health["intact"]
        assert health["integrity"] != "ok"

    def test_a_cut_database(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            store.add([reading(0, i) for i in range(40)])
        database = tmp_path / "store.sqlite"
        os.truncate(database, database.stat().st_size // 2)
        with pytest.raises(GnomonError, match="is corrupt"), Store.open(tmp_path) as store:
            store.measurements()

    def test_another_programs_database(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "store.sqlite") as connection:
            connection.execute("CREATE TABLE recipes (name)")
        connection.close()
        with pytest.raises(GnomonError, match="is a database, but no gnomon store"):
            Store.open(tmp_path)

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            store.add(reading(0, 0))
        with sqlite3.connect(tmp_path / "store.sqlite") as connection:
            connection.execute("UPDATE schema_version SET version = version + 1")
        connection.close()
        newer = f"has schema version {SCHEMA_VERSION + 1}, this gnomon reads {SCHEMA_VERSION}; upgrade gnomon"
        with pytest.raises(GnomonError, match=newer):
            Store.open(tmp_path)

    def test_a_row_that_cannot_be_read(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            identity = store.add(reading(0, 0))[0]
            with sqlite3.connect(Path(store.place) / "store.sqlite") as connection:
                connection.execute("UPDATE measurements SET document = '{\"value\": 1}'")
            connection.close()
            with pytest.raises(GnomonError, match=f"row {identity} of the store cannot be read"):
                store.measurements()

    def test_arrays_that_are_missing_or_changed(self, tmp_path: Path) -> None:
        with Store.open(tmp_path) as store:
            store.add([reading(0, 0), reading(0, 1)])
            first = sorted((tmp_path / "arrays").rglob("*.npy"))[0]
            content = first.read_bytes()
            first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(GnomonError, match=rf"array {first} is corrupt; delete it"):
                store.measurements()
            first.unlink()
            with pytest.raises(GnomonError, match=rf"array {first} is missing"):
                store.measurements()
            store.add([reading(0, 0), reading(0, 1)])  # the same again mends it
            assert store.measurements() == [reading(0, 0), reading(0, 1)]
            first.write_bytes(b"")
            store.add([reading(0, 0), reading(0, 1)])
            assert store.measurements() == [reading(0, 0), reading(0, 1)]
