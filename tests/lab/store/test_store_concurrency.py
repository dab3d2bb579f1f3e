"""Eight processes write to one store, on SQLite and on PostgreSQL; some are killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import store_writers
from gnomon.lab.store import Store
from postgresql_server import Server
from store_writers import point, reading

WRITERS, EACH = 8, 12


def start(location: str, first: int, last: int, *, backwards: bool = False) -> subprocess.Popen[str]:
    line = [sys.executable, store_writers.__file__, "overlapping", location, str(first), str(last), str(int(backwards))]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(location: str, n: int) -> None:
    """Measurements and points ``0 .. n-1`` are there once each, as they were written, and belong to the run."""
    with Store.open(location) as store:
        assert store.health()["intact"]
        (run,) = store.runs()
        found = {int(m.site or ""): m for m in store.measurements(run=run.id)}
        assert found == {i: reading(0, i) for i in range(n)}
        assert len(store.measurements()) == n
        points = store.points(run=run.id)
        assert sorted(r.key for r in points) == sorted(str(i) for i in range(n))
        assert len(store.points()) == n
        assert all(r.status == "done" and r.outcome == point(int(r.key)).outcome for r in points)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_eight_writers_of_overlapping_sets_lose_and_double_nothing(location: str) -> None:
    """Each writes its own and its neighbours' rows, in batches, half of them in the opposite order."""
    with Store.open(location) as store:
        store.start_run("sweep")
    step = 4
    line = [sys.executable, store_writers.__file__, "many", location, str(WRITERS), str(step), str(EACH)]
    done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")
    check(location, step * (WRITERS - 1) + EACH)


def test_eight_race_to_make_the_store(location: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(Store.open, [location] * 8))
        list(pool.map(lambda store: store.add(reading(0, 0)), stores))
    for store in stores:
        assert store.measurements() == [reading(0, 0)]
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_writers_leave_nothing_half(server: Server) -> None:
    """What a writer said to be kept is there; a batch is there as a whole or not at all."""
    chance, location = random.Random(1), server.url(server.empty_database())
    with Store.open(location) as store:
        store.start_run("sweep")
    started = [start(location, 0, 100_000, backwards=False), start(location, 6, 100_000)]
    said = [[process.stdout.readline()] for process in started if process.stdout is not None]
    time.sleep(chance.uniform(0.0, 0.3))
    for process, lines in zip(started, said, strict=True):
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines()
    kept = {int(index) for lines in said for line in lines for index in line.split()}
    with Store.open(location) as store:
        assert store.health()["intact"]
        (run,) = store.runs()
        measured = [int(m.site or "") for m in store.measurements(run=run.id)]
        done = [int(r.key) for r in store.points(run=run.id)]
        assert len(measured) == len(set(measured)) == len(store.measurements())
        assert len(done) == len(set(done)) == len(store.points())
        assert kept <= set(done) <= set(measured)
        size = store_writers.BATCH
        for found in (set(measured), set(done)):
            batches = {i // size for i in found}
            assert found == {i for b in batches for i in range(b * size, (b + 1) * size)}
        n = max(done) + 1
    process = start(location, 0, n)
    assert process.communicate(timeout=120)[1] == ""
    with Store.open(location) as store:
        assert {int(r.key) for r in store.points(run=run.id)} == set(range(n)) | set(done)
