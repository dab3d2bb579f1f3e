"""A store that an older gnomon made: ``version_1.sql`` is the dump of one that version 1 of the schema wrote."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from gnomon.lab.store import PointRecord, Store
from gnomon.lab.store.arrays import ArrayFiles, encode
from gnomon.lab.store.sqlite import SQLite
from gnomon.measurement import Measurement
from store_writers import reading

POINT = PointRecord(key="k", experiment="trial", spec={}, status="done", outcome={"loss": 0.5})


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The store, as it lay on the disk: two measurements (the first with array files), a certificate and a run."""
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(Path(__file__).with_name("version_1.sql").read_text())
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


def test_version_1_is_migrated_and_keeps_everything(old: Path) -> None:
    for _ in range(2):
        with Store.open(old) as store:
            check(store)
            store.add_points([POINT], run=store.runs()[0].id)
            assert store.points(run=store.runs()[0].id) == [POINT]
            health = store.health()
    assert (health["intact"], health["points"], health["measurements"]) == (True, 1, 2)
    connection = sqlite3.connect(old / "store.sqlite")
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(2,)]
    connection.close()


def test_version_1_that_may_only_be_read_is_read(old: Path) -> None:
    with Store(SQLite(old / "store.sqlite", read_only=True)) as store:
        check(store)
        assert store.points() == []
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
