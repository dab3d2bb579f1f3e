"""The file: many writers, writers that are killed, full disks."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ledger_writers
from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.laws.ledger import ledger as module
from gnomon.laws.ledger import locking
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.entry import NOTHING
from gnomon.laws.ledger.ledger import Ledger, ledger_path
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.registering import register
from tiny_disks import mounted
from toy_challenge import by_hand

WRITER = [sys.executable, ledger_writers.__file__]
WITH_TESTS = {**os.environ, "PYTHONPATH": str(Path(ledger_writers.__file__).parent)}


def names(ledger: Ledger) -> list[str]:
    return [r.registered.prediction.name for r in Book.read(ledger.entries()).records.values()]


def test_entries_follow_from_each_other(ledger: Ledger) -> None:
    assert ledger.entries() == ()
    first = register(ledger, [by_hand("a", x=1), by_hand("b", x=2)])
    second = register(ledger, [by_hand("c", x=3)])
    entries = ledger.entries()
    assert entries == first.entries + second.entries
    assert [e.number for e in entries] == [1, 2, 3]
    assert [e.previous for e in entries] == [NOTHING, entries[0].hash, entries[1].hash]
    assert [e.time for e in entries] == sorted(e.time for e in entries)
    assert first.mended == ""
    assert b"".join(e.line() for e in entries) == ledger.path.read_bytes()
    found = ledger.verify()
    assert (found.fault, found.head, found.witnessed) == (None, entries[-1].hash, 3)


def test_an_entry_of_another_gnomon_is_one_line(ledger: Ledger) -> None:
    ledger.append(lambda entries: [("prediction", {"name": "of tomorrow"})])
    assert ledger.verify().fault is None
    with pytest.raises(GnomonError, match=r"entry 1 of the ledger cannot be read: it lacks '.*'; use the gnomon that"):
        Book.read(ledger.entries())


def test_nothing_is_appended_when_the_decision_raises(ledger: Ledger) -> None:
    with pytest.raises(GnomonError, match="cannot read unit 'florin'"):
        register(ledger, [by_hand("a", x=1), _in_unit("florin")])
    assert ledger.entries() == ()
    assert ledger.store.witnessed() == []


def _in_unit(unit: str) -> Prediction:
    one = by_hand("b", x=2)
    return replace(one, target=replace(one.target, unit=unit))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_eight_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        done = subprocess.run(
            [*WRITER, "many", str(tmp_path), "8", "5"], capture_output=True, text=True, env=WITH_TESTS
        )
        assert (done.returncode, done.stderr) == (0, "")
        told = dict(line.split() for line in done.stdout.splitlines())
        ledger = Ledger(tmp_path / "ledger.jsonl", store)
        assert {str(i): name for i, name in enumerate(names(ledger), start=1)} == told
        assert set(told.values()) == {f"{w}.{i}" for w in range(8) for i in range(5)}
        assert (ledger.verify().fault, ledger.verify().witnessed) == (None, 40)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("share", ["0.5", "1"])
def test_kill_9_in_the_middle_of_a_line(tmp_path: Path, share: str) -> None:
    """What was finished stays; the torn rest is told, and set aside by the next writer. A whole line was finished."""
    done = subprocess.run([*WRITER, "torn", str(tmp_path), share], capture_output=True, text=True, env=WITH_TESTS)
    assert done.returncode == -signal.SIGKILL
    with Store.open(tmp_path) as store:
        ledger = Ledger(tmp_path / "ledger.jsonl", store)
        torn = ledger.path.read_bytes().split(b"\n")[-1]
        assert names(ledger) == ["0.0", "torn"][: 2 if share == "1" else 1]
        fault = ledger.verify().fault
        appended = register(ledger, [by_hand("next", index="next")])
        assert names(ledger)[-1] == "next"
        assert ledger.verify().fault is None
        if share == "0.5":
            assert fault is not None
            assert fault.line == 2
            assert "cut off" in fault.reason
            assert f"the {len(torn)} bytes of its unfinished line are in {ledger.path}.torn" in appended.mended
            assert Path(f"{ledger.path}.torn").read_bytes() == torn + b"\n"
        else:
            assert fault is None
            assert appended.mended == ""


def test_a_last_line_without_its_end_gets_it_back(ledger: Ledger) -> None:
    register(ledger, [by_hand("a", x=1)])
    os.truncate(ledger.path, ledger.path.stat().st_size - 1)
    assert names(ledger) == ["a"]
    fault = ledger.verify().fault
    assert fault is not None
    assert "cut off" in fault.reason
    assert "had lost its end" in register(ledger, [by_hand("b", x=2)]).mended
    assert names(ledger) == ["a", "b"]
    assert ledger.verify().fault is None


def test_a_file_that_is_no_ledger_is_left_as_it_is(ledger: Ledger) -> None:
    ledger.path.write_bytes(b'{"fits": []}')
    assert ledger.verify().fault is not None
    with pytest.raises(GnomonError, match="line 1: it is not an entry of a ledger"):
        register(ledger, [by_hand("a", x=1)])
    assert ledger.path.read_bytes() == b'{"fits": []}'
    assert [p.name for p in ledger.path.parent.glob("*.torn")] == []


def test_zeros_where_the_power_failed_are_set_aside(ledger: Ledger) -> None:
    register(ledger, [by_hand("a", x=1)])
    with ledger.path.open("ab") as file:
        file.write(b'{"body":{"basel' + bytes(50))
    assert "the 65 bytes of its unfinished line" in register(ledger, [by_hand("b", x=2)]).mended
    assert names(ledger) == ["a", "b"]


def test_a_finished_line_that_is_cut_is_refused_not_mended(ledger: Ledger) -> None:
    register(ledger, [by_hand("a", x=1)])
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[:-100])
    with pytest.raises(GnomonError, match=r"line 1: the store witnessed entries up to 1 at .*the end .* was removed"):
        register(ledger, [by_hand("b", x=2)])
    assert ledger.path.read_bytes() == content[:-100]
    assert len(ledger.store.witnessed()) == 1


def test_a_ledger_that_was_deleted_is_missed(ledger: Ledger) -> None:
    register(ledger, [by_hand("a", x=1), by_hand("b", x=2)])
    ledger.path.unlink()
    with pytest.raises(GnomonError, match="witnessed entries up to 2"):
        register(ledger, [by_hand("c", x=3)])
    fault = ledger.verify().fault
    assert fault is not None
    assert fault.line == 1


def test_a_damaged_ledger_is_not_appended_to(ledger: Ledger) -> None:
    register(ledger, [by_hand("a", x=1), by_hand("b", x=2)])
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content.replace(b'"name":"a"', b'"name":"A"'))
    with pytest.raises(
        GnomonError, match=r"line 1: its hash is not that of its content: .*; put back a copy"
    ) as caught:
        register(ledger, [by_hand("c", x=3)])
    assert "\n" not in str(caught.value)


def test_a_clock_that_was_set_back_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    register(ledger, [by_hand("a", x=1)])
    monkeypatch.setattr(module, "moment", lambda time: "2020-01-01T00:00:00.000000Z")
    with pytest.raises(GnomonError, match=r"the clock shows 2020.*; set the clock"):
        register(ledger, [by_hand("b", x=2)])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kilobytes."""
    with mounted(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk(tiny_disk: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        ledger = Ledger(tiny_disk / "ledger.jsonl", store)
        done: list[str] = []

        def fill() -> None:
            for count in range(1000):
                register(ledger, [by_hand(str(count), x=count)])
                done.append(str(count))

        with pytest.raises(GnomonError, match=r"no space is left on the disk of ledger .*; free some") as caught:
            fill()
        assert "\n" not in str(caught.value)
        assert len(done) > 5
        assert names(ledger) == done
        assert ledger.verify().fault is None
        subprocess.run(["mount", "-o", "remount,size=128k", str(tiny_disk)], check=True)
        register(ledger, [by_hand("more", x="more")])
        assert names(ledger)[-1] == "more"
        assert ledger.verify().fault is None


def test_a_disk_that_fills_up_while_a_line_is_flushed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    register(ledger, [by_hand("a", x=1)])
    before = ledger.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(GnomonError, match="no space is left"):
            register(ledger, [by_hand("b", x=2)])
    assert ledger.path.read_bytes() == before
    register(ledger, [by_hand("b", x=2)])
    assert ledger.verify().fault is None


def test_a_lock_that_is_never_given_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    register(ledger, [by_hand("a", x=1)])
    monkeypatch.setattr(locking, "WAIT_SECONDS", 0.05)
    with ledger.path.open("ab", buffering=0) as other, locking.locked(other, "other"):
        with pytest.raises(GnomonError, match="is kept locked by another process; end that"):
            register(ledger, [by_hand("b", x=2)])
        with pytest.raises(GnomonError, match="is kept locked"):
            ledger.entries()
    assert names(ledger) == ["a"]


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNOMON_LEDGER", raising=False)
    with Store.open(tmp_path / "store") as store:
        assert ledger_path(None, store) == tmp_path / "store" / "ledger.jsonl"
        monkeypatch.setenv("GNOMON_LEDGER", "elsewhere.jsonl")
        assert ledger_path(None, store) == Path("elsewhere.jsonl")
        assert ledger_path("given.jsonl", store) == Path("given.jsonl")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_path_that_is_a_folder_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with Store.open(tmp_path) as store:
        for name in ("folder", "pipe"):
            ledger = Ledger(tmp_path / name, store)
            with pytest.raises(GnomonError, match=rf"ledger .*{name} is no file; give another with --ledger"):
                register(ledger, [by_hand("a", x=1)])
            with pytest.raises(GnomonError, match="is no file"):
                ledger.verify()
