"""Stores that older gnomons made: ``version_N.sql`` is the dump of one that version N of the schema wrote.

That of version 2 is the one of version 1, migrated, with a point.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from gnomon.lab.store import PointRecord, Store
from gnomon.lab.store.arrays import ArrayFiles, encode
from gnomon.lab.store.sqlite import SQLite
from gnomon.lab.store.witness import Witnessed
from gnomon.measurement import Measurement
from store_writers import reading

POINT = PointRecord(key="k", experiment="trial", spec={}, status="done", outcome={"loss": 0.5})
ENTRY = Witnessed(number=1, hash="0" * 64, time="2026-01-01T00:00:00.000000Z", kept=True)


@pytest.fixture(params=["1", "2"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def old(tmp_path: Path, version: int) -> Path:
    """The store, as it lay on the disk: two measurements (the first with array files), a certificate and a run."""
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(Path(__file__).with_name(f"version_{version}.sql").read_text())
    connection.close()
    one = reading(0, 0)
    kept = dict(encode(np.asarray(a)) for a in (one.value, one.uncertainty.low, one.uncertainty.high))
    ArrayFiles(tmp_path / "arrays").write(kept)
    return tmp_path


def check(store: Store) -> None:
    kept: list[Measurement] = [reading(0, 0), reading(0, 1, 4)]
    (run,) = store.runs()
    assert store.measurements() == kept
    assert store.measurements(run=run.id) == kept
    assert (run.kind, run.subject, run.finished) == ("measure", "net", True)
    assert [(c.estimator, c.mean) for c in store.certificates()] == [("ruler", 1.01)]


def test_an_older_version_is_migrated_and_keeps_everything(old: Path) -> None:
    for _ in range(2):
        with Store.open(old) as store:
            check(store)
            store.add_points([POINT], run=store.runs()[0].id)
            assert store.points(run=store.runs()[0].id) == [POINT]
            store.witness([ENTRY])
            assert store.witnessed() == [ENTRY]
            health = store.health()
    assert (health["intact"], health["points"], health["measurements"]) == (True, 1, 2)
    connection = sqlite3.connect(old / "store.sqlite")
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(3,)]
    connection.close()


def test_an_older_version_that_may_only_be_read_is_read(old: Path, version: int) -> None:
    with Store(SQLite(old / "store.sqlite", read_only=True)) as store:
        check(store)
        assert store.points() == ([] if version == 1 else [POINT])
        assert store.witnessed() == []
        assert store.health()["intact"]


def test_two_that_migrate_at_once(old: Path) -> None:
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store.open(old))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    for store in stores:
        check(store)
        store.close()
