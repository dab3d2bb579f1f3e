"""The page of a running sweep: written again every second or two, and read by a browser that reloads it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from gnomon.lab.sweep import SweepState, Tally
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.numbers import plain, seconds

REFRESH_SECONDS = 2


class WatchPage:
    """A page that shows how far a command is which runs one sweep after another.

    A context manager: on leaving it the page says that the command is finished, or that it was interrupted. Each
    version is written under a temporary name and renamed, at most one every `REFRESH_SECONDS` while sweeps run. The
    page needs no network and no script; the browser reloads it by itself until it is finished.

    Parameters
    ----------
    path : of the page; its folder is made.
    title : what is run.
    stages : names of the sweeps, in order; each is shown from the start.
    result : file beside the page that the command leaves in the end, linked once it is finished.

    Raises GnomonError when the page cannot be written.
    """

    def __init__(self, path: Path, title: str, stages: Sequence[str], result: str | None = None) -> None:
        self.path = path
        self._title = title
        self._states: dict[str, SweepState | None] = dict.fromkeys(stages)
        self._result = result
        self._started = time.perf_counter()
        self._written = -float("inf")

    def __enter__(self) -> Self:
        """Write the page for the first time."""
        with writing_to(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write("running")
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Write it for the last time."""
        self._write("finished" if kind is None else "interrupted")

    def show(self, stage: str, state: SweepState) -> None:
        """The sweep of ``stage`` is at ``state``."""
        self._states[stage] = state
        if time.perf_counter() - self._written >= REFRESH_SECONDS:
            self._write("running")

    def _write(self, status: str) -> None:
        states = [s for s in self._states.values() if s is not None]
        whole = _sum([s.all for s in states])
        current = next((s for s in reversed(states) if s.status == "running"), None)
        html = rendered(
            "watching.html.j2",
            charts=False,
            title=self._title,
            status=status,
            refresh=REFRESH_SECONDS if status == "running" else None,
            result=self._result if status == "finished" else None,
            whole=whole,
            facts=_facts(whole, states, current, time.perf_counter() - self._started),
            rows=list(_rows(self._states)),
            several=len(self._states) > 1,
            failures=[_failure(r) for s in reversed(states) for r in s.failures],
            written=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        )
        with writing_to(self.path.parent):
            write_file(self.path, html.encode())
        self._written = time.perf_counter()


def _sum(tallies: Sequence[Tally]) -> Tally:
    return Tally(**{name: sum(getattr(t, name) for t in tallies) for name in ("total", "kept", "done", "failed")})


def _facts(
    whole: Tally, states: Sequence[SweepState], current: SweepState | None, passed: float
) -> list[tuple[str, str]]:
    """What the page shows large."""
    swept = sum(s.seconds for s in states)
    ran = whole.done + whole.failed
    left = None if current is None else current.seconds_left
    facts = [
        ("done now", f"{whole.done:,}"),
        ("in the store before", f"{whole.kept:,}"),
        ("failed", f"{whole.failed:,}"),
        ("left", f"{whole.left:,}"),
        ("points a second", plain(ran / swept) if ran and swept > 0 else "–"),
        ("time passed", seconds(passed)),
    ]
    if current is not None:
        facts += [("time left, about", "–" if left is None else seconds(left)), ("workers", f"{current.workers}")]
    return facts


def _rows(states: dict[str, SweepState | None]) -> Iterator[dict[str, Any]]:
    """A row for each experiment of each stage; one for a stage that has not begun."""
    for stage, state in states.items():
        if state is None:
            yield {"stage": stage, "experiment": "–", "tally": None, "status": "waiting", "seconds": "–"}
            continue
        for name, tally in state.experiments.items():
            mean = "–" if tally.seconds is None else seconds(tally.seconds)
            yield {"stage": stage, "experiment": name, "tally": tally, "status": state.status, "seconds": mean}


def _failure(record: Any) -> dict[str, str]:
    spec = json.dumps(record.spec, separators=(", ", ": "), ensure_ascii=False)
    return {"experiment": record.experiment, "spec": spec, "reason": record.reason, "when": record.created}
