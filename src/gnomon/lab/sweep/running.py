"""Running a sweep: what the store has already is not run again, and what is done is kept at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gnomon.lab.store import Store
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.executors import Executor
from gnomon.lab.sweep.point import Point
from gnomon.lab.sweep.results import Results
from gnomon.lab.sweep.work import Job

Progress = Callable[[str, int, int], None]


def run_points(
    points: Sequence[Point],
    *,
    store: Store,
    executor: Executor,
    run: str | None = None,
    progress: Progress | None = None,
) -> Results:
    """The outcomes of ``points``; those that the store lacks (or that failed before) are run by ``executor``.

    Every point is kept in ``store`` as soon as it is done, so that an interrupted sweep goes on where it stopped.

    Parameters
    ----------
    run : the run that the points belong to, see `Store.start_run`.
    progress : called with a stage, the number of points done and their total.
    """
    by_key = {p.key: p for p in points}
    kept = {r.key: r for r in store.points(keys=list(by_key), status="done")}
    if run is not None:
        store.add_points(kept.values(), run=run)
    left = [p for key, p in by_key.items() if key not in kept]
    found: dict[str, PointRecord] = dict(kept)
    if progress is not None:
        progress("points", len(found), len(by_key))
    if left:
        for records in executor.run([Job.of([p]) for p in left]):
            store.add_points(records, run=run)
            found |= {r.key: r for r in records}
            if progress is not None:
                progress("points", len(found), len(by_key))
    return Results(found.values())
