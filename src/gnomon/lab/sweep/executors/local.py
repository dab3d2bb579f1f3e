"""The local executor: a pool of spawned processes on this machine, one torch thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing import connection, resource_tracker
from typing import Any, Self

from gnomon.errors import GnomonError
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.executors.cores import THREADS, cores
from gnomon.lab.sweep.executors.executor import HEARTBEAT_SECONDS
from gnomon.lab.sweep.executors.pace import AHEAD_SECONDS, Pace
from gnomon.lab.sweep.executors.retries import Retries
from gnomon.lab.sweep.executors.worker import READY, serve
from gnomon.lab.sweep.work import Job

_SPAWN = multiprocessing.get_context("spawn")
# So many workers in a row that die before their first word: something is wrong with them, not with a job.
_STILLBORN = 4
_PATIENCE_SECONDS = 5.0


class Local:
    """A pool of ``workers`` processes (default: one a core), kept warm from one `run` to the next until it is closed.

    Each worker has a pipe of its own, so that the job it was at is known when it dies: only that one is charged (see
    `Retries`), what was handed to it ahead is not. Workers end with their parent, however that ends.

    A program that uses it outside of a function must be guarded by ``if __name__ == "__main__":``, since workers are
    spawned: each imports the program.
    """

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self._pool: list[_Worker] = []
        self._stillborn = 0

    def __enter__(self) -> Self:
        """See `Executor`."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the workers."""
        self._end(list(self._pool))

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        """See `Executor.run`."""
        queue, retries, pace = deque(jobs), Retries(), Pace(self.workers)
        try:
            while queue or any(worker.jobs for worker in self._pool):
                self._feed(queue, pace)
                heard = connection.wait([worker.connection for worker in self._pool], timeout=HEARTBEAT_SECONDS)
                if not heard:
                    yield []
                for worker in [w for w in self._pool if w.connection in heard]:
                    try:
                        found = worker.answer()
                    except (EOFError, OSError):
                        found = self._bury(worker, queue, retries)
                    pace.note(found)
                    if found:
                        yield found
        except KeyboardInterrupt:
            yield [record for worker in self._pool for record in worker.last_words()]
            raise
        finally:
            self._end([worker for worker in self._pool if worker.jobs])

    def _feed(self, queue: deque[Job], pace: Pace) -> None:
        """Bring the pool to its size, and give work to every worker that is about to run out of it."""
        wanted = min(self.workers, len(queue) + sum(bool(worker.jobs) for worker in self._pool))
        while len(self._pool) < wanted:
            self._pool.append(_Worker())
        for worker in self._pool:
            if queue and worker.ready and (not worker.jobs or pace.seconds(worker.jobs) < AHEAD_SECONDS / 2):
                worker.give(pace.share(queue))

    def _bury(self, worker: _Worker, queue: deque[Job], retries: Retries) -> list[PointRecord]:
        """Take a dead worker out of the pool and its jobs back into the queue; the points that failed by that."""
        self._pool.remove(worker)
        how = worker.end()
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if self._stillborn >= _STILLBORN:
            raise GnomonError(
                f"{_STILLBORN} workers in a row died before their first job, the last {how}",
                mend='use fewer, free some memory, or guard the program with if __name__ == "__main__":',
            )
        if not worker.jobs:
            return []
        at, *ahead = worker.jobs
        queue.extendleft(reversed(ahead))
        again, lost = retries.after_death(at, how)
        queue.extend(again)
        return lost

    def _end(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            self._pool.remove(worker)
            worker.process.terminate()
        for worker in workers:
            worker.end()


class _Worker:
    """A process, the pipe to it, and the jobs that it was given and has not answered, in their order."""

    def __init__(self) -> None:
        self.connection, there = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(there,), daemon=True)
        self.jobs: deque[Job] = deque()
        self.ready = False
        self._amid = False
        try:
            with _shielded(), _one_thread():
                self.process.start()
        except OSError as error:
            reason = error.strerror or error
            raise GnomonError(f"a worker cannot be started: {reason}", mend="use fewer") from error
        finally:
            there.close()

    def give(self, jobs: Sequence[Job]) -> None:
        """Hand over ``jobs``. That the worker is dead is seen when it is listened to."""
        self.jobs.extend(jobs)
        with contextlib.suppress(OSError):
            self.connection.send(jobs)

    def answer(self) -> list[PointRecord]:
        """What it says: the records of its oldest job, or nothing but that it is ready. Raises EOFError, OSError."""
        self._amid = True
        said: Any = self.connection.recv()
        self._amid = False
        if said == READY:
            self.ready = True
            return []
        self.jobs.popleft()
        return list(said)

    def last_words(self) -> list[PointRecord]:
        """What it has said that nobody heard yet; nothing where Ctrl-C came in the middle of listening to it."""
        found: list[PointRecord] = []
        with contextlib.suppress(EOFError, OSError):
            while not self._amid and self.connection.poll():
                found += self.answer()
        return found

    def end(self) -> str:
        """Make sure that the process has ended; how it did."""
        self.connection.close()
        self.process.join(_PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


@contextlib.contextmanager
def _shielded() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C before they can ignore it; this one hears it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # started for the first spawn, it would lift the mask
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside compute with one thread: torch and the libraries of linear algebra read this."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
