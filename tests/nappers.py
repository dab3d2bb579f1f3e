"""Experiments that take a known time or break in a known way, for the tests of sweeps; each notes that it ran."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gnomon.lab.spec import Spec
from gnomon.lab.store import Outcome
from gnomon.lab.sweep import Point, experiment

Trouble = Literal["", "raises", "nan", "text", "exits", "kills", "kills_once", "prints"]


class Nap(Spec):
    """Sleep for ``seconds``. ``notebook`` is a file to which each execution adds a line with ``index``."""

    index: int = 0
    seconds: float = 0.02
    notebook: str = ""
    trouble: Trouble = ""
    seed: int = 0


@experiment("nap")
def nap(spec: Nap) -> Outcome:
    """The square of the index, after a nap."""
    _note(spec)
    if spec.trouble == "raises":
        raise ValueError("the nap was\n  disturbed")
    if spec.trouble == "nan":
        return {"loss": math.nan}
    if spec.trouble == "text":
        return "not a dictionary"  # type: ignore[return-value]
    if spec.trouble == "exits":
        sys.exit("enough")
    if spec.trouble == "kills" or (spec.trouble == "kills_once" and executions(spec.notebook)[spec.index] == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if spec.trouble == "prints":
        print("talking in its sleep", flush=True)
    time.sleep(spec.seconds)
    return {"square": spec.index**2, "threads": os.environ.get("OMP_NUM_THREADS", "")}


def together(specs: Sequence[Nap]) -> list[Outcome]:
    """One nap for all, unless one of them is in trouble."""
    for spec in specs:
        _note(spec)
    if any(spec.trouble == "kills" for spec in specs):
        os.kill(os.getpid(), signal.SIGKILL)
    if any(spec.trouble for spec in specs):
        raise ValueError("one of them does not fit")
    time.sleep(max(spec.seconds for spec in specs))
    return [{"square": spec.index**2} for spec in specs]


@experiment("nap_together", together=together)
def nap_together(spec: Nap) -> Outcome:
    """A nap that may be taken with others."""
    return nap(spec)


def naps(n: int, notebook: Path | str = "", experiment: str = "nap", **fields: object) -> list[Point]:
    """``n`` points that differ in their index."""
    return [Point(experiment, Nap(**{"index": i, "notebook": str(notebook), **fields})) for i in range(n)]


def executions(notebook: Path | str) -> Counter[int]:
    """How often each index was begun."""
    path = Path(notebook)
    return Counter(map(int, path.read_text().split())) if path.exists() else Counter()


def _note(spec: Nap) -> None:
    if spec.notebook:
        with open(spec.notebook, "a") as file:
            file.write(f"{spec.index}\n")
