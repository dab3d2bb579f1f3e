"""A sweep runs each point once, keeps what is done, and lives with whatever an experiment does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Point, SweepState, run_points
from gnomon.lab.sweep.executors import Local
from gnomon.lab.sweep.work import Job, work
from nappers import Nap, executions, naps


def test_every_point_is_run_once_and_found_by_itself(pool: Local, store: Store, tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    points = naps(30, notebook, seconds=0.001)
    results = run_points([*points, *points[:5]], store=store, executor=pool)
    assert [results.of(p)["square"] for p in points] == [i**2 for i in range(30)]  # type: ignore[index]
    assert executions(notebook) == Counter(range(30))
    assert {r.key for r in store.points(status="done")} == {p.key for p in points}


def test_what_is_done_is_not_run_again_and_what_failed_is(pool: Local, store: Store, tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    good, bad = naps(4, notebook), naps(2, notebook, trouble="raises")
    run_points(good[:2], store=store, executor=pool)
    run_points([*good, *bad], store=store, executor=pool)
    run = store.start_run("sweep")
    again = run_points([*good, *bad], store=store, executor=pool, run=run)
    assert executions(notebook) == Counter({0: 1 + 2, 1: 1 + 2, 2: 1, 3: 1})
    assert len(again.failed) == 2
    assert {r.key for r in store.points(run=run)} == {p.key for p in [*good, *bad]}


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raises", "ValueError: the nap was disturbed"),
        ("nan", "outcome 'loss' is not a JSON value"),
        ("text", "the experiment returned str, not a dictionary"),
        ("exits", "SystemExit: enough"),
        ("kills", "its worker died under it 3 times, last killed by SIGKILL"),
    ],
)
def test_a_broken_point_fails_alone(pool: Local, store: Store, tmp_path: Path, trouble: str, reason: str) -> None:
    notebook = tmp_path / "notebook"
    broken = Point("nap", Nap(index=99, notebook=str(notebook), trouble=trouble))  # type: ignore[arg-type]
    results = run_points([broken, *naps(8, notebook)], store=store, executor=pool)
    (failed,) = results.failed
    assert failed.key == broken.key
    assert failed.reason.startswith(reason)
    # whatever was handed to the same worker ahead was not run twice, nor charged
    assert executions(notebook) == Counter(range(8)) + Counter({99: 3 if trouble == "kills" else 1})


def test_a_job_that_loses_its_worker_once_is_run_again(pool: Local, store: Store, tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    points = [*naps(1, notebook, trouble="kills_once"), *naps(6, notebook)[1:]]
    results = run_points(points, store=store, executor=pool)
    assert not results.failed
    assert executions(notebook) == Counter([0, 0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("trouble", "others", "broken"), [("raises", 2, 2), pytest.param("kills", 4, 6, marks=pytest.mark.slow)]
)
def test_of_points_that_run_together_only_the_one_to_blame_fails(
    pool: Local, tmp_path: Path, trouble: str, others: int, broken: int
) -> None:
    """Together (three times, where that kills), then each alone (the one that kills three times)."""
    notebook = tmp_path / trouble
    points = naps(3, notebook, "nap_together") + naps(1, notebook, "nap_together", index=9, trouble=trouble)
    records = [r for found in pool.run([Job.of(points)]) for r in found]
    assert {r.key: r.status for r in records} == {p.key: "done" for p in points[:3]} | {points[3].key: "failed"}
    assert executions(notebook) == Counter({0: others, 1: others, 2: others, 9: broken})


def test_points_that_run_together_share_the_time(tmp_path: Path) -> None:
    records = work(Job.of(naps(4, experiment="nap_together", seconds=0.2)))
    assert {r.together for r in records} == {4}
    assert sum(r.seconds for r in records) == pytest.approx(0.2, abs=0.1)


def test_workers_stay_from_one_run_to_the_next_and_have_one_thread(pool: Local, store: Store) -> None:
    first = run_points(naps(8), store=store, executor=pool)
    second = run_points(naps(8, seed=1), store=store, executor=pool)
    workers = [{r.worker for r in store.points() if r.spec["seed"] == seed} for seed in (0, 1)]
    assert len(workers[0] | workers[1]) <= 2
    assert {o["threads"] for o in [*first.all(naps(8)), *second.all(naps(8, seed=1))]} == {"1"}


def test_how_far_a_sweep_is(pool: Local, store: Store) -> None:
    points = [*naps(20, seconds=0.05), *naps(2, trouble="raises")]
    run_points(points[:5], store=store, executor=pool)
    states: list[SweepState] = []
    run_points(points, store=store, executor=pool, watch=states.append)
    assert (states[0].all.kept, states[0].all.left, states[0].seconds_left) == (5, 17, None)
    settled = [s.all.settled for s in states]
    assert settled == sorted(settled)
    last = states[-1]
    assert (last.status, last.all.done, last.all.failed, last.all.left) == ("finished", 15, 2, 0)
    assert {f.reason for f in last.failures} == {"ValueError: the nap was disturbed"}
    halfway = next(s for s in states if s.all.done >= 10)
    # each of those left takes 50 ms, on two workers; those that failed at once pull the mean down
    assert halfway.seconds_left == pytest.approx(halfway.all.left * 0.05 / 2, rel=0.5)


class Slow:
    """An executor that stops in the middle, as Ctrl-C makes it."""

    name, workers = "slow", 1

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        for job in jobs[:3]:
            yield work(job)
        raise KeyboardInterrupt

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def test_an_interrupt_loses_nothing_that_was_done(store: Store) -> None:
    states: list[SweepState] = []
    with pytest.raises(KeyboardInterrupt):
        run_points(naps(9, seconds=0), store=store, executor=Slow(), watch=states.append)
    assert len(store.points(status="done")) == 3
    assert states[-1].status == "interrupted"


def test_what_workers_had_said_before_an_interrupt_is_kept(pool: Local, store: Store, tmp_path: Path) -> None:
    """Jobs are handed out several at once; the interrupt comes when they are answered and none was heard."""
    notebook = tmp_path / "notebook"

    def interrupt(state: SweepState) -> None:
        if 20 <= state.all.done < 200 and state.status == "running":
            time.sleep(0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_points(naps(200, notebook, seconds=0.005), store=store, executor=pool, watch=interrupt)
    assert 20 < executions(notebook).total() < 200
    assert len(store.points(status="done")) == executions(notebook).total()


def test_workers_that_cannot_start_are_one_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # a program that is not there cannot be imported by the workers
    import multiprocessing.spawn

    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    with Local(1) as fresh, pytest.raises(GnomonError, match="4 workers in a row died before their first job"):
        run_points(naps(3), store=store, executor=fresh)


def test_closing_the_iterator_stops_the_jobs_and_the_pool_goes_on(pool: Local) -> None:
    running = pool.run([Job.of([p]) for p in naps(4, seconds=30)])
    assert next(running) == []
    running.close()
    (found,) = [records for records in pool.run([Job.of(naps(1))]) if records]
    assert found[0].status == "done"
