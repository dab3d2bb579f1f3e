"""Running a sweep: what the store has already is not run again, and what is done is kept at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from gnomon.lab.store import Store
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.executors import Executor
from gnomon.lab.sweep.point import Point
from gnomon.lab.sweep.results import Results
from gnomon.lab.sweep.scheduling import jobs_of
from gnomon.lab.sweep.state import Account, SweepState

Watch = Callable[[SweepState], None]

# Points that are done go to the store in groups, since a commit waits for the disk; none waits longer than this and
# a heartbeat of the executor.
_COMMIT_SECONDS = 0.25


def run_points(
    points: Sequence[Point],
    *,
    store: Store,
    executor: Executor,
    run: str | None = None,
    watch: Watch | None = None,
) -> Results:
    """The outcomes of ``points``; those that the store lacks (or that failed before) are run by ``executor``.

    A point is in ``store`` within half a second of being done, so that a sweep that was interrupted or killed goes on
    where it stopped when it is run again. Points that are equal are run once.

    Parameters
    ----------
    run : the run that the points belong to, see `Store.start_run`.
    watch : called with the state of the sweep, a few times a second; at last with status ``finished``, or
        ``interrupted`` when an exception (Ctrl-C too) ends it.

    Raises GnomonError when the store cannot be written, or the executor cannot run anything.
    """
    by_key = {p.key: p for p in points}
    kept = {r.key: r for r in store.points(keys=list(by_key), status="done")}
    if run is not None and kept:
        store.add_points(kept.values(), run=run)
    left = [p for key, p in by_key.items() if key not in kept]
    found: dict[str, PointRecord] = dict(kept)
    account = Account(list(by_key.values()), kept.values())
    say: Watch = watch or (lambda _state: None)
    say(account.state(executor.workers))
    try:
        with contextlib.closing(_Shelf(store, run)) as shelf:
            # what a worker hands back as faster alone (see `work`) is left for the second round
            for apart in (False, True):
                if not left:
                    break
                jobs = jobs_of(left, executor.workers, apart=apart)
                with contextlib.closing(executor.run(jobs)) as running:
                    try:
                        for records in running:
                            shelf.put(records)
                            account.add(records)
                            found |= {r.key: r for r in records}
                            say(account.state(executor.workers))
                    except KeyboardInterrupt as interrupt:
                        shelf.put(last := running.throw(interrupt))
                        account.add(last)
                        raise
                left = [p for p in left if p.key not in found]
    except BaseException:
        say(account.state(executor.workers, "interrupted"))
        raise
    say(account.state(executor.workers, "finished"))
    return Results(found.values())


class _Shelf:
    """Records on their way to the store."""

    def __init__(self, store: Store, run: str | None) -> None:
        self._store = store
        self._run = run
        self._waiting: list[PointRecord] = []
        self._emptied = 0.0

    def put(self, records: Sequence[PointRecord]) -> None:
        """Keep ``records`` (there may be none) with those that came shortly before."""
        self._waiting += records
        if time.monotonic() - self._emptied >= _COMMIT_SECONDS:
            self.close()

    def close(self) -> None:
        """Keep what waits."""
        if self._waiting:
            self._store.add_points(self._waiting, run=self._run)
            self._waiting.clear()
            self._emptied = time.monotonic()
