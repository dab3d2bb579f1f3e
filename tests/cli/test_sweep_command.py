"""`gnomon sweep`: a file, a table or a document, and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gnomon.cli.main import run
from gnomon.lab.store import Store
from nappers import executions
from sweep_driver import alive, below, wait_for

_TESTS = Path(__file__).parents[1]


def _file(folder: Path, text: str) -> str:
    path = folder / "sweep.toml"
    path.write_text(text)
    return str(path)


def test_a_sweep_and_its_second_time(tmp_path: Path, own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "notebook"
    text = f'experiment = "nap"\nseeds = 3\n[spec]\nnotebook = "{book}"\n[grid]\nseconds = [0.0, 0.01]\n'
    line = ["sweep", _file(tmp_path, text), "--workers", "1", "--json", "--set", "index=4"]
    assert run([*line, "--out", str(tmp_path / "out")]) == 0
    first = json.loads(capsys.readouterr().out)
    counts = {name: first[name] for name in ("experiment", "points", "done", "failed", "skipped")}
    assert counts == {"experiment": "nap", "points": 6, "done": 6, "failed": 0, "skipped": 0}
    assert [(r["spec"]["seconds"], r["spec"]["seed"]) for r in first["rows"]] == [
        (seconds, seed) for seconds in (0.0, 0.01) for seed in range(3)
    ]
    assert {r["outcome"]["square"] for r in first["rows"]} == {16}
    with Store.open(own_store) as store:
        (kept,) = store.runs(kind="sweep")
        assert (kept.id, kept.finished) == (first["run"], True)
        assert len(store.points(run=kept.id)) == 6
    assert "Finished at" in (tmp_path / "out" / "sweep.html").read_text()

    assert run(line) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 6
    assert executions(book) == Counter({4: 6})


def test_failures_are_counted_and_equal_points_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'experiment = "nap"\n[spec]\nseconds = 0\n[grid]\nindex = [1, 2, 2]\ntrouble = ["", "raises"]\n'
    assert run(["sweep", _file(tmp_path, text), "--workers", "1"]) == 3
    said = capsys.readouterr()
    assert "2 of 4 points done, 0 of them before; 2 failed" in said.out
    assert said.err.splitlines() == [
        "2 of 6 points equal another and are run once",
        "failed 2 times: ValueError: the nap was disturbed",
    ]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ('experiment = "na"', [], "unknown experiment 'na'"),
        ('experiment = "nap"\n[grid]\nindex = []', [], "sweep.toml: grid.index is empty"),
        ('experiment = "nap"\n[spec]\nindx = 1', [], "did you mean 'index'?"),
        ('experiment = "nap"', ["--set", "index=one"], "bad Nap: index: Input should be a valid integer"),
        ('experiment = "nap"', ["--set", "index"], "cannot read the setting 'index'"),
        ("[spec]", [], "sweep.toml: bad Sweep: experiment: Field required"),
        ("experiment", [], "is not TOML"),
    ],
)
def test_bad_input_is_one_line(
    text: str, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", _file(tmp_path, text), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("gnomon: ")
    assert said in line


def test_ctrl_c_ends_everything_and_keeps_what_is_done(tmp_path: Path, own_store: Path) -> None:
    book = tmp_path / "notebook"
    text = f'experiment = "nap"\nseeds = 400\n[spec]\nseconds = 0.05\nnotebook = "{book}"\n'
    program = "import sys, nappers; from gnomon.cli.main import main\nif __name__ == '__main__': main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "sweep", _file(tmp_path, text), "--workers", "2", "--out", str(tmp_path)],
        cwd=_TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # where the tests themselves run in the background, a shell has told them to ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: executions(book).total() >= 60)
    started = below(process.pid)
    # a terminal sends it to the workers too
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert errors.splitlines() == ["gnomon: interrupted; what was finished is in the store"]
    wait_for(lambda: not any(map(alive, started)), 5.0)  # the resource tracker outlives its parent by a moment
    with Store.open(own_store) as store:
        done = len(store.points(status="done"))
    # what each worker was at is lost, and what it had said that nobody had heard yet: never more than half a second
    assert 0 <= executions(book).total() - done <= 2 * 0.5 / 0.05
    assert "Interrupted at" in (tmp_path / "sweep.html").read_text()
