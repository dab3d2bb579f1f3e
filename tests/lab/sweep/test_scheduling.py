"""Which points go into one call, that it is the faster way, and that nothing is lost by it."""

import math
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.store import Store
from gnomon.lab.sweep import Point, PointRecord, experiment, run_points
from gnomon.lab.sweep.scheduling import LARGEST_BATCH, jobs_of
from gnomon.lab.sweep.work import Job, work

SECONDS = 0.004


class Trial(Spec):
    """Sleeps for as many units as it has steps."""

    seed: int = 0
    size: int = 1
    steps: int = 20


def _short(spec: Trial) -> Trial:
    return spec.model_copy(update={"steps": 1})


def _outcome(spec: Trial) -> dict[str, Any]:
    return {"value": spec.seed * spec.size}


def _together(cost: float):
    def together(specs: Sequence[Trial]) -> list[Any]:
        assert len({spec.size for spec in specs}) == 1
        time.sleep(cost * SECONDS * specs[0].steps * len(specs))
        return [GnomonError("diverged") if spec.seed == 13 else _outcome(spec) for spec in specs]

    return together


def _alone(spec: Trial) -> dict[str, Any]:
    time.sleep(SECONDS * spec.steps)
    if spec.seed == 13:
        raise GnomonError("diverged")
    return _outcome(spec)


def _size(spec: Trial) -> int:
    return spec.size


@experiment("scheduling: batched is faster", together=_together(0.2), alike=_size, shortened=_short)
def batched_is_faster(spec: Trial) -> dict[str, Any]:
    return _alone(spec)


@experiment("scheduling: pooled is faster", together=_together(5.0), alike=_size, shortened=_short)
def pooled_is_faster(spec: Trial) -> dict[str, Any]:
    return _alone(spec)


@experiment("scheduling: says so itself", together=_together(5.0))
def says_so_itself(spec: Trial) -> dict[str, Any]:
    return _alone(spec)


@experiment("scheduling: one by one")
def one_by_one(spec: Trial) -> dict[str, Any]:
    return _alone(spec)


def _broken(spec: Trial) -> Trial:
    raise ValueError("no shorter")


@experiment("scheduling: cannot be probed", together=_together(0.1), shortened=_broken)
def cannot_be_probed(spec: Trial) -> dict[str, Any]:
    return _alone(spec)


class Here:
    """An executor in this process, which remembers the jobs it was given."""

    name = "here"

    def __init__(self, workers: int = 2, dies_after: float = math.inf) -> None:
        self.workers = workers
        self.jobs: list[Job] = []
        self._dies_after = dies_after

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        for job in jobs:
            if len(self.jobs) >= self._dies_after:
                raise KeyboardInterrupt
            self.jobs.append(job)
            yield work(job)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def _points(name: str, seeds: int, *sizes: int, **fields: int) -> list[Point]:
    return [Point(name, Trial(seed=seed, size=size, **fields)) for seed in range(seeds) for size in sizes or (1,)]


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(1, 90), min_size=1, max_size=4), singles=st.integers(0, 5), workers=st.integers(1, 9)
)
def test_every_point_is_in_one_job_with_its_like_and_workers_get_equal_shares(
    groups: list[int], singles: int, workers: int
) -> None:
    points = [
        Point("scheduling: batched is faster", Trial(seed=seed, size=size))
        for size, count in enumerate(groups)
        for seed in range(count)
    ] + _points("scheduling: one by one", singles)
    jobs = jobs_of(points, workers)
    assert sorted(key for job in jobs for key in job.keys) == sorted(p.key for p in points)
    for job in jobs:
        assert len({spec["size"] for spec in job.specs}) == 1
        assert len(job.keys) <= (LARGEST_BATCH if job.experiment == "scheduling: batched is faster" else 1)
    for size, count in enumerate(groups):
        batches = [len(j.keys) for j in jobs if j.experiment != "scheduling: one by one" and j.specs[0]["size"] == size]
        assert max(batches) - min(batches) <= 1
        # more batches than workers go in whole rounds, so that nobody waits for the last
        assert len(batches) <= workers or len(batches) % workers == 0 or len(batches) == count
    batchable = sum(n for n in groups if n > 1)
    assert max(len(job.keys) for job in jobs) <= max(1, math.ceil(batchable / workers))


def test_jobs_are_in_the_order_of_the_points_and_apart_means_one_each() -> None:
    points = _points("scheduling: batched is faster", 7, 1, 2)
    jobs = jobs_of(points, 1)
    assert [[s["seed"] for s in job.specs] for job in jobs] == [list(range(7))] * 2
    assert [job.keys for job in jobs_of(points, 1, apart=True)] == [(p.key,) for p in points]
    assert jobs_of([], 3) == []


@pytest.mark.parametrize(
    ("name", "batched"),
    [
        ("scheduling: batched is faster", True),
        ("scheduling: pooled is faster", False),
        ("scheduling: says so itself", True),
        ("scheduling: cannot be probed", False),
    ],
)
def test_the_faster_way_is_taken_and_the_records_say_which(name: str, batched: bool, tmp_path: Path) -> None:
    points, executor = _points(name, 15, steps=3), Here()
    with Store.open(tmp_path) as store:
        results = run_points(points, store=store, executor=executor)
        records = store.points(keys=[p.key for p in points])
    assert {r.together for r in records} == ({7, 8} if batched else {1})
    assert [results.of(p) for p in points] == [None if p.spec.seed == 13 else _outcome(p.spec) for p in points]
    assert [r.reason for r in results.failed] == ["diverged"]
    assert [len(job.keys) for job in executor.jobs] == ([7, 8] if batched else [7, 8, *[1] * 13])


def test_a_process_probes_each_kind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def short(spec: Trial) -> Trial:
        asked.append(spec.size)
        return _short(spec)

    @experiment("scheduling: counted", together=_together(0.1), alike=_size, shortened=short)
    def counted(spec: Trial) -> dict[str, Any]:
        return _alone(spec)

    for job in jobs_of(_points("scheduling: counted", 4, 1, 2, steps=2), 2):
        work(job)
        work(job)
    assert sorted(asked) == [1] * 4 + [2] * 4


def test_a_sweep_that_was_killed_loses_only_the_batch_that_was_running(tmp_path: Path) -> None:
    points = [p for p in _points("scheduling: batched is faster", 81, steps=1) if p.spec.seed != 13]
    first, second = Here(dies_after=2), Here()
    with Store.open(tmp_path) as store:
        with pytest.raises(KeyboardInterrupt):
            run_points(points, store=store, executor=first)
        run_points(points, store=store, executor=second)
        assert len(store.points(keys=[p.key for p in points], status="done")) == 80
    done = {key for job in first.jobs for key in job.keys}
    again = {key for job in second.jobs for key in job.keys}
    assert len(done) == 40
    assert again == {p.key for p in points if p.key not in done}
