"""Workers and commands are killed in the middle of a sweep: every point still ends done, once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from gnomon.lab.store import Store
from nappers import executions, naps
from sweep_driver import alive, below, start, wait_for, workers

_POINTS, _SECONDS = 200, 0.02


def _done(place: Path) -> Counter[int]:
    """How many rows say that each index is done."""
    with Store.open(place) as store:
        return Counter(r.spec["index"] for r in store.points(status="done"))


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_sweep_killed_twice_is_resumed_and_complete(executor: str, tmp_path: Path) -> None:
    place, notebook = tmp_path / "store", tmp_path / "notebook"
    begun: Counter[int] = Counter()
    for share in (0.3, 0.7):
        driver = start(executor, place, notebook, _POINTS, _SECONDS)
        wait_for(lambda n=share * _POINTS: len(executions(notebook)) >= n)  # type: ignore[misc]
        started = workers(driver.pid)
        driver.kill()
        driver.communicate()
        # none outlives it, and so nothing is run behind the back of the next one (agents of Ray stay for a minute)
        wait_for(lambda pids=started: not any(map(alive, pids)), 20.0)  # type: ignore[misc]
        begun, done = executions(notebook), _done(place)
        assert set(done.values()) == {1}
        # what was done a second before is in the store (both workers at full speed would do so many in it)
        assert len(begun) - len(done) <= 2 * 1.0 / _SECONDS
    before = _done(place)
    driver = start(executor, place, notebook, _POINTS, _SECONDS)
    assert driver.wait(120) == 0, driver.communicate()[1]
    assert driver.communicate() == ("", "")
    assert _done(place) == Counter(range(_POINTS))
    # what was in the store was not run again, and what was not was run once more
    ran = executions(notebook) - begun
    assert ran == Counter(i for i in range(_POINTS) if i not in before)


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_workers_killed_under_their_jobs(executor: str, tmp_path: Path) -> None:
    place, notebook = tmp_path / "store", tmp_path / "notebook"
    driver = start(executor, place, notebook, 100, 0.04)
    kills = 3
    for kill in range(kills):
        wait_for(lambda n=25 * (kill + 1): len(executions(notebook)) >= n)  # type: ignore[misc]
        os.kill(workers(driver.pid)[-1], signal.SIGKILL)
    assert driver.wait(120) == 0, driver.communicate()[1]
    assert driver.communicate() == ("", "")
    assert _done(place) == Counter(range(100))
    again = sum(executions(notebook).values()) - 100
    # a local worker dies with the one job it was at; a task of Ray holds several short ones, and is run again whole
    assert again <= (kills if executor == "local" else kills * 4)


def test_workers_end_with_their_command_in_the_middle_of_a_job(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    driver = start("local", tmp_path / "store", notebook, 2, 60.0)
    wait_for(lambda: len(executions(notebook)) == 2)
    started = below(driver.pid)
    assert len(workers(driver.pid)) == 2
    driver.kill()
    driver.communicate()
    end = time.monotonic() + 10
    while any(map(alive, started)):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_equal_points_have_one_key() -> None:
    assert [p.key for p in naps(3)] == [p.key for p in naps(3)]
    assert len({p.key for p in [*naps(3), *naps(3, seed=1)]}) == 6
