"""The Slurm executor: jobs as tasks of array jobs, which leave what they find in files."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.store.durable import write_durably
from gnomon.lab.store.outbox import Outbox
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.executors.cores import THREADS
from gnomon.lab.sweep.executors.executor import HEARTBEAT_SECONDS
from gnomon.lab.sweep.executors.retries import Retries
from gnomon.lab.sweep.work import Job, work

_LOG = logging.getLogger("gnomon.slurm")

_WORKERS = 100
# Slurm's default MaxArraySize is 1001
_TASKS_AT_ONCE = 1000
# Tasks a worker, so that none has to wait long for the slowest.
_SHARE = 4
# How often the outbox and the tasks are looked at, and how long a file may take to show on another host (NFS keeps
# what it knows of a directory for up to 30 s): a controller and a file server want to be asked less than a process.
_LOOK_SECONDS = {"slurm": 2.0, "local": HEARTBEAT_SECONDS}
_SETTLE_SECONDS = {"slurm": 30.0, "local": 0.0}
_END_SECONDS = 10.0


class Slurm:
    """Tasks on a Slurm cluster through submitit; needs ``gnomon[cluster]``, and ``folder`` on a disk that all see.

    Each task runs a few jobs, one after the other, and leaves the points of each as a file in the outbox ``folder /
    outbox`` (see `Outbox`): tasks never open the store, so that neither hundreds of them nor a disk without locks can
    hurt it. The program that started them, the driver, brings the files into ``store``. When the driver is killed, its
    tasks go on; whoever uses the folder next takes in what they left, before it asks the store what is still to be
    done. One folder belongs to one store.

    submitit pickles what it submits: that is `run_task` and two paths, nothing else. Jobs travel as JSON.

    Parameters
    ----------
    store : where points are brought.
    workers : how many tasks run at once.
    folder : of jobs, outbox and submitit's logs.
    cluster : ``slurm``; ``local`` runs tasks as processes of this machine instead, to try it out.
    partition : where to run; Slurm's default otherwise, or ``$SBATCH_PARTITION``.
    minutes : time limit of a task.
    cpus : cores of a task, and threads of torch in it.
    memory_gb : memory of a task; Slurm's default otherwise.
    pack : jobs in a task; by default so many that each worker gets about four tasks. At most 1000 tasks are made.

    Raises GnomonError when submitit is not installed, there is no Slurm, or it refuses the tasks.
    """

    name = "slurm"

    def __init__(
        self,
        store: Store,
        workers: int | None = None,
        *,
        folder: str | Path = ".gnomon-slurm",
        cluster: Literal["slurm", "local"] = "slurm",
        partition: str | None = None,
        minutes: int = 60,
        cpus: int = 1,
        memory_gb: float | None = None,
        pack: int | None = None,
    ) -> None:
        self.workers = workers or _WORKERS
        self.folder = Path(folder).absolute()
        self.outbox = Outbox(self.folder / "outbox")
        self._store = store
        self._cluster = cluster
        self._options: dict[str, Any] = {"timeout_min": minutes, "cpus_per_task": cpus}
        if memory_gb is not None:
            self._options["mem_gb"] = memory_gb
        if partition is not None:
            self._options["slurm_partition"] = partition
        self._cpus = cpus
        self._pack = pack
        self._submitit: Any = None

    def __enter__(self) -> Self:
        """Take in what tasks of an earlier driver left."""
        self._ingest()
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing outlives `run`."""

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        """See `Executor.run`. What it yields is in the store already."""
        sweep = _Sweep(jobs, self._pack or math.ceil(len(jobs) / (_SHARE * self.workers)))
        looked = -math.inf
        try:
            while sweep.pending:
                self._submit(sweep)
                if time.monotonic() - looked >= _LOOK_SECONDS[self._cluster]:
                    yield self._look(sweep)
                    looked = time.monotonic()
                else:
                    yield []
                    time.sleep(HEARTBEAT_SECONDS)
        finally:
            self._cancel(sweep.tasks)

    def _look(self, sweep: _Sweep) -> list[PointRecord]:
        """The records that came since the last look, and those of jobs that killed all their workers."""
        ended = [task for task in sweep.tasks if task.handle.done()]
        # in this order: what a task left before it ended is seen
        found = sweep.answer(self._ingest())
        for task in ended:
            task.jobs = deque(job for job in task.jobs if job.keys in sweep.pending)
            task.ended = task.ended or time.monotonic()
            if task.jobs and time.monotonic() - task.ended >= _SETTLE_SECONDS[self._cluster]:
                # another driver on this folder may have taken it in
                keys = [key for job in task.jobs for key in job.keys]
                found += sweep.answer(self._store.points(keys=keys, status="done"))
                found += sweep.bury(task)
            if not task.jobs:
                sweep.tasks.remove(task)
        return found

    def _ingest(self) -> list[PointRecord]:
        found = self.outbox.ingest(self._store)
        for path in found.set_aside:
            _LOG.warning("%s cannot be read: it was set aside, and its points are run again", path)
        return found.records

    def _submit(self, sweep: _Sweep) -> None:
        room = (self.workers if self._cluster == "local" else _TASKS_AT_ONCE) - len(sweep.tasks)
        chosen = [sweep.waiting.popleft() for _ in range(min(room, len(sweep.waiting)))]
        if not chosen:
            return
        with _in_one_line(self._cluster):
            executor = self._executor()
            paths = [self._write(jobs) for jobs in chosen]
            handles = executor.map_array(run_task, [str(p) for p in paths], [str(self.outbox.folder)] * len(paths))
        sweep.tasks += [_Task(deque(jobs), handle) for jobs, handle in zip(chosen, handles, strict=True)]

    def _executor(self) -> Any:
        if self._submitit is None:
            try:
                import submitit
            except ImportError:
                raise GnomonError("the slurm executor needs submitit", mend="pip install 'gnomon[cluster]'") from None
            if self._cluster == "slurm" and shutil.which("srun") is None:
                raise GnomonError(
                    "slurm took no tasks: there is no srun here",
                    mend="start on a host from which jobs are submitted, or use another --executor",
                )
            self._submitit = submitit.AutoExecutor(
                folder=self.folder / "logs", cluster=self._cluster, slurm_max_num_timeout=0
            )
            self._submitit.update_parameters(name="gnomon", slurm_array_parallelism=self.workers, **self._options)
        return self._submitit

    def _write(self, jobs: Sequence[Job]) -> Path:
        path = self.folder / "tasks" / f"{secrets.token_hex(8)}.json"
        document = {
            "jobs": [asdict(job) for job in jobs],
            "path": [str(Path(entry).absolute()) for entry in sys.path],
            "threads": str(self._cpus),
        }
        write_durably(path, json.dumps(document, allow_nan=False).encode())
        return path

    def _cancel(self, tasks: Sequence[_Task]) -> None:
        """End ``tasks``, and take in what they left before."""
        if not tasks:
            return
        if self._cluster == "slurm":
            arrays = sorted({str(task.handle.job_id).split("_")[0] for task in tasks})
            with contextlib.suppress(OSError):
                subprocess.run(["scancel", *arrays], check=False, capture_output=True)
        else:
            for task in tasks:
                task.handle.cancel()
            patience = time.monotonic() + _END_SECONDS
            while not all(task.handle.done() for task in tasks) and time.monotonic() < patience:
                time.sleep(0.05)
        # where even that fails, the files wait for the next driver
        with contextlib.suppress(GnomonError):
            self._ingest()


def run_task(path: str, outbox: str) -> None:
    """What a task does: run the jobs in the file ``path``, and leave the points of each in ``outbox`` at once."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ.update(dict.fromkeys(THREADS, document["threads"]))
    # experiments are found where the driver found them
    sys.path += [entry for entry in document["path"] if entry not in sys.path]
    left = Outbox(outbox)
    for job in document["jobs"]:
        left.put(work(Job(**{**job, "keys": tuple(job["keys"]), "specs": tuple(job["specs"])})))
    Path(path).unlink(missing_ok=True)


@dataclass
class _Task:
    """Jobs that were submitted together, in the order in which they are run, those that are not answered yet."""

    jobs: deque[Job]
    handle: Any
    ended: float | None = None


@dataclass
class _Sweep:
    """How far a call of `Slurm.run` is."""

    jobs: Sequence[Job]
    pack: int
    tasks: list[_Task] = field(default_factory=list)
    retries: Retries = field(default_factory=Retries)

    def __post_init__(self) -> None:
        size = max(self.pack, math.ceil(len(self.jobs) / _TASKS_AT_ONCE))
        self.pending = {job.keys: job for job in self.jobs}
        self.waiting = deque(list(self.jobs[i : i + size]) for i in range(0, len(self.jobs), size))
        self._known: dict[str, PointRecord] = {}

    def answer(self, records: Sequence[PointRecord]) -> list[PointRecord]:
        """Take in ``records``; those of the jobs that are answered by them, once each.

        The records of a job come at once. They may be fewer than its points: see `work`.
        """
        self._known |= {record.key: record for record in records}
        answered = [keys for keys in self.pending if any(key in self._known for key in keys)]
        for keys in answered:
            del self.pending[keys]
        return [self._known[key] for keys in answered for key in keys if key in self._known]

    def bury(self, task: _Task) -> list[PointRecord]:
        """Run again what ``task`` left undone; the points of the job that it died under, if they failed for good."""
        left = [job for job in task.jobs if job.keys in self.pending]
        task.jobs.clear()
        if not left:
            return []
        at, *ahead = left
        again, lost = self.retries.after_death(at, f"in state {task.handle.state}, see {task.handle.paths.stderr}")
        del self.pending[at.keys]
        self.pending |= {job.keys: job for job in again}
        self.waiting.extend([job] for job in [*ahead, *again])
        return lost


@contextlib.contextmanager
def _in_one_line(cluster: str) -> Iterator[None]:
    try:
        yield
    except GnomonError:
        raise
    except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise GnomonError(f"{cluster} took no tasks: {said}", mend="mend that, or use another --executor") from error
