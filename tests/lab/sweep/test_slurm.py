"""The Slurm executor, on submitit's own executor for one machine, and against commands that stand for Slurm's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import slurm_driver
from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import run_points
from gnomon.lab.sweep.executors.retries import ATTEMPTS
from gnomon.lab.sweep.executors.slurm import Slurm
from nappers import executions, naps
from slurm_driver import jobs

pytest.importorskip("submitit")


@pytest.fixture
def notebook(tmp_path: Path) -> str:
    return str(tmp_path / "notebook")


def slurm(store: Store, folder: Path, **options: object) -> Slurm:
    return Slurm(store, 2, folder=folder, cluster="local", **options)  # type: ignore[arg-type]


def collected(executor: Slurm, given: list[slurm_driver.Job]) -> list[PointRecord]:
    with contextlib.closing(executor.run(given)) as running:
        return [record for records in running for record in records]


def test_a_sweep_is_run_and_its_points_are_in_the_store(store: Store, tmp_path: Path, notebook: str) -> None:
    points = naps(6, notebook, seconds=0.0)
    with slurm(store, tmp_path / "slurm", cpus=2, pack=3) as executor:
        results = run_points(points, store=store, executor=executor)
        assert [results.of(p) for p in points] == [{"square": i**2, "threads": "2"} for i in range(6)]
        again = run_points(points, store=store, executor=executor)
    assert again.of(points[5]) == results.of(points[5])
    assert executions(notebook) == Counter(range(6))
    assert len(store.points(status="done")) == 6
    assert [p for p in (tmp_path / "slurm" / "outbox").rglob("*") if p.is_file()] == []


def test_tasks_killed_under_their_jobs(store: Store, tmp_path: Path, notebook: str) -> None:
    """Of two tasks of two jobs, each loses one to ``kill -9``: one the first time only, the other every time."""
    fine = jobs(notebook, 4, seconds=0.0)
    once, always = jobs(notebook, 4, trouble="kills_once"), jobs(notebook, 4, trouble="kills")
    with slurm(store, tmp_path / "slurm", pack=2) as executor:
        found = {r.key: r for r in collected(executor, [once[0], fine[1], always[2], fine[3]])}
    assert sorted(found) == [f"nap {i}" for i in range(4)]
    assert [found[f"nap {i}"].status for i in range(4)] == ["done", "done", "failed", "done"]
    assert f"died under it {ATTEMPTS} times" in found["nap 2"].reason
    # nothing is charged to the jobs that waited behind the one that killed the task
    assert executions(notebook) == Counter({0: 2, 1: 1, 2: ATTEMPTS, 3: 1})
    assert sorted(r.key for r in store.points(status="done")) == ["nap 0", "nap 1", "nap 3"]


def test_a_driver_killed_in_the_middle_is_followed_by_another(tmp_path: Path, notebook: str) -> None:
    place, folder, n = str(tmp_path / "store"), tmp_path / "slurm", 16
    command = [sys.executable, slurm_driver.__file__, place, str(folder), notebook, str(n)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline().startswith("nap ")
    driver.kill()
    driver.communicate()
    with Store.open(place) as store:
        before = len(store.points(status="done"))
        assert before < n
        # its tasks go on, and leave what they find in the outbox
        wait = time.monotonic() + 60
        while not list((folder / "outbox").glob("*.points")) and time.monotonic() < wait:
            time.sleep(0.05)
        with slurm(store, folder, pack=4) as executor:
            merged = {r.key for r in store.points(status="done")}
            assert len(merged) > before
            left = [job for job in jobs(notebook, n, seconds=0.2) if job.keys[0] not in merged]
            found = collected(executor, left)
        assert sorted(r.key for r in found) == sorted(job.keys[0] for job in left)
        rows = store.points()
        assert sorted(r.key for r in rows) == sorted(f"nap {i}" for i in range(n))
        assert {r.status for r in rows} == {"done"}
    # what was merged was not run again
    ran = executions(notebook)
    assert all(ran[int(key.split()[1])] == 1 for key in merged)


def test_leaving_early_ends_the_tasks(store: Store, tmp_path: Path, notebook: str) -> None:
    with (
        slurm(store, tmp_path / "slurm", pack=1) as executor,
        contextlib.closing(executor.run(jobs(notebook, 6, seconds=30.0))) as running,
    ):
        wait = time.monotonic() + 60
        while not executions(notebook) and time.monotonic() < wait:
            assert next(running) == []
    # the tasks take 30 s, so that those which end within 15 s of being left were ended
    wait = time.monotonic() + 15
    while (left := _commands_with(tmp_path / "slurm")) and time.monotonic() < wait:
        time.sleep(0.1)
    assert not left
    assert 1 <= len(executions(notebook)) <= 2


def _commands_with(folder: Path) -> list[str]:
    """The command lines of processes that name ``folder``."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            commands.append(path.read_text())
    return [command for command in commands if str(folder) in command]


def test_a_damaged_file_is_said_and_its_point_run_again(
    store: Store, tmp_path: Path, notebook: str, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = tmp_path / "slurm" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / f"{'0' * 64}-{'1' * 64}.points").write_text("half")
    with slurm(store, tmp_path / "slurm"):
        pass
    assert "was set aside, and its points are run again" in caplog.text
    assert len(list((outbox / "set-aside").iterdir())) == 1


FAKE = """#!/bin/sh
echo "$@" >> {log}/{name}
case {name} in
  sbatch) cp "$(eval echo \\${{$#}})" {log}/script; echo "Submitted batch job 42";;
  sacct) echo "JobID|State|NodeList"; for i in 0 1 2; do echo "42_$i|PENDING|"; done;;
esac
"""


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands that take tasks and never run them; a folder with what they were told."""
    log, commands = tmp_path / "log", tmp_path / "bin"
    log.mkdir()
    commands.mkdir()
    for name in ("sbatch", "sacct", "scancel", "srun"):
        (commands / name).write_text(FAKE.format(log=log, name=name))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return log


def test_what_slurm_is_asked_for(store: Store, tmp_path: Path, fake_slurm: Path) -> None:
    options = {"partition": "gpu", "minutes": 90, "cpus": 4, "memory_gb": 8}
    with (
        Slurm(store, 2, folder=tmp_path / "slurm", pack=4, **options) as executor,  # type: ignore[arg-type]
        contextlib.closing(executor.run(jobs("", 12))) as running,
    ):
        assert [next(running), next(running)] == [[], []]
    asked = dict(
        line.removeprefix("#SBATCH --").split("=", 1)
        for line in (fake_slurm / "script").read_text().splitlines()
        if line.startswith("#SBATCH --") and "=" in line
    )
    assert (asked["array"], asked["partition"], asked["time"]) == ("0-2%2", "gpu", "90")
    assert (asked["cpus-per-task"], asked["mem"], asked["job-name"]) == ("4", "8GB", "gnomon")
    assert (fake_slurm / "scancel").read_text().split() == ["42"]


def test_no_slurm_and_no_submitit(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for missing, said in (
        (False, "slurm took no tasks: .*srun"),
        (True, r"needs submitit; pip install 'gnomon\[cluster\]'"),
    ):
        if missing:
            monkeypatch.setitem(sys.modules, "submitit", None)
        with Slurm(store, folder=tmp_path / "slurm") as executor, pytest.raises(GnomonError, match=said) as caught:
            next(executor.run(jobs("", 1)))
        assert "\n" not in str(caught.value)
        monkeypatch.setitem(sys.modules, "submitit", None)
