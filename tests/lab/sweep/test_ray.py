"""The Ray executor: on a cluster of its own, or on one that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.sweep import run_points
from gnomon.lab.sweep.executors import Ray
from nappers import executions, naps
from sweep_driver import below

_MIXED = """
import sys
from nappers import Nap, executions, naps
from gnomon.lab.store import Store
from gnomon.lab.sweep import Point, run_points
from gnomon.lab.sweep.executors import Ray

folder = sys.argv[1]
book = folder + "/notebook"
good = naps(40, book, seconds=0.01)
bad = naps(1, book, index=98, trouble="raises") + naps(1, book, index=99, trouble="kills")
with Store.open(folder + "/store") as store, Ray(2) as ray:
    results = run_points(good + bad, store=store, executor=ray)
    assert ray.workers == 2
assert [o["square"] for o in map(results.of, good)] == [i * i for i in range(40)]
assert {o["threads"] for o in map(results.of, good)} == {"1"}
print(sorted(r.reason for r in results.failed))
ran = executions(book)
assert ran[98] == 1 and set(ran) == {*range(40), 98, 99}
# first perhaps with others in one task, then alone as often as a job may try
assert 3 <= ran[99] <= 4
assert sum(ran[i] - 1 for i in range(40)) <= 20
"""


def test_on_a_cluster_of_its_own_nothing_is_printed_and_nothing_stays(tmp_path: Path) -> None:
    # in a process of its own: Ray changes signal handlers, threads and logging of the process it is in
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _MIXED, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    reasons = ["ValueError: the nap was disturbed", "its worker died under it 3 times, last WorkerCrashedError"]
    assert (out, errors) == (f"{reasons}\n", "")
    assert not below(process.pid)


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", place)
        with (
            Store.open(tmp_path / "store") as store,
            Ray(1) as ray,
            pytest.raises(GnomonError, match=f"no Ray cluster answers at {place}"),
        ):
            run_points(naps(1), store=store, executor=ray)


def test_a_cluster_of_this_machine_that_died_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray leaves the address of a cluster in a file, which stays when the cluster is killed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(place)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        with (
            Store.open(tmp_path / "store") as store,
            Ray(1, "auto") as ray,
            pytest.raises(GnomonError, match=f"no Ray cluster answers at {place}"),
        ):
            run_points(naps(1), store=store, executor=ray)


def test_without_ray_the_mend_is_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with Store.open(tmp_path / "store") as store, Ray(1) as ray, pytest.raises(GnomonError, match=r"gnomon\[cluster\]"):
        run_points(naps(1), store=store, executor=ray)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a cluster that runs on its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    line += ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=134217728"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    head = subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert head.stdout is not None
    assert any("Ray runtime started" in line for line in head.stdout)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        head.communicate(timeout=90)


@pytest.mark.slow
def test_a_cluster_that_runs_is_used_and_left_alone(cluster: str, tmp_path: Path) -> None:
    program = (
        "import sys; from sweep_driver import main; main('ray', sys.argv[1] + '/store', sys.argv[1] + '/notebook',"
        " sys.argv[2], '0.01')"
    )
    for n in (10, 20):  # the second finds it as the first did
        ran = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), str(n)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "RAY_ADDRESS": cluster},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert executions(tmp_path / "notebook") == Counter(range(20))
