"""The process of the local executor that runs jobs."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

from gnomon.lab.sweep.work import Job, work

READY = "ready"
_ORPHANED = 1


def serve(connection: Connection) -> None:
    """Run the jobs that come through ``connection``, in order, and answer each with its records; never returns.

    The process ends at once, in the middle of a job too, when the other end of ``connection`` is gone, however that
    came about: nobody would hear its answers.
    """
    # Ctrl-C is for the command, which ends its workers itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # stdout belongs to the command's own document; what an experiment prints goes beside it
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    _say(connection, READY)
    while True:
        _say(connection, work(jobs.get()))


def _receive(connection: Connection, jobs: queue.SimpleQueue[Job]) -> None:
    while True:
        try:
            several: Sequence[Job] = connection.recv()
        except (EOFError, OSError):
            os._exit(_ORPHANED)
        for job in several:
            jobs.put(job)


def _say(connection: Connection, what: object) -> None:
    try:
        connection.send(what)
    except OSError:
        os._exit(_ORPHANED)
