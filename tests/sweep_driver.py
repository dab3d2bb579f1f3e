"""A program that runs naps to their end, for the tests that kill it meanwhile; and what those tests see of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gnomon.lab.store import Store
from gnomon.lab.sweep import point, run_points
from gnomon.lab.sweep.executors import Local, Ray
from nappers import naps


def main(executor: str, store: str, notebook: str, n: str, seconds: str) -> None:
    """Run ``n`` naps with two workers."""
    # someone may edit the sources between one start and the next, which is another matter
    point.code_version = lambda: "one"
    with Store.open(store) as kept, (Ray if executor == "ray" else Local)(2) as where:
        run_points(naps(int(n), notebook, seconds=float(seconds)), store=kept, executor=where)


def start(executor: str, store: Path, notebook: Path, n: int, seconds: float) -> subprocess.Popen[str]:
    """The program, started."""
    line = [sys.executable, __file__, executor, str(store), str(notebook), str(n), str(seconds)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def below(pid: int) -> list[int]:
    """Processes that descend from ``pid`` and are alive."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found, seeds = [], {pid}
    while seeds:
        seeds = {child for child, parent in parents.items() if parent in seeds}
        found += sorted(seeds)
    return found


def workers(pid: int) -> list[int]:
    """Those of them that run jobs."""
    return [p for p in below(pid) if any(name in _command(p) for name in ("spawn_main", "ray::_work", "ray::IDLE"))]


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(true: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait until ``true``; AssertionError when it does not come to that."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
