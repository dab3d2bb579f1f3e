"""The local executor: a pool of spawned processes on this machine, one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch

from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.work import Job, work


class Local:
    """A pool of ``workers`` processes (default: one a core)."""

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))

    def run(self, jobs: Sequence[Job]) -> Iterator[list[PointRecord]]:
        """See `Executor.run`."""
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(self.workers, len(jobs)), mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            futures = [pool.submit(work, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
