"""The Ray executor: jobs as tasks of a Ray cluster, which is started here where none runs."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from gnomon.errors import GnomonError
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.sweep.executors.cores import cores
from gnomon.lab.sweep.executors.executor import HEARTBEAT_SECONDS
from gnomon.lab.sweep.executors.pace import Pace
from gnomon.lab.sweep.executors.retries import Retries
from gnomon.lab.sweep.work import Job, work

_OBJECT_STORE_BYTES = 128 * 2**20
_CONNECT_SECONDS = 10.0
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "^"}


class Ray:
    """Tasks on the Ray cluster at ``address``; needs ``gnomon[cluster]``.

    Without ``address`` it is the one that the program is connected to already, or that of ``$RAY_ADDRESS`` (``auto``:
    whichever runs on this machine); otherwise one is started here and stopped in the end. Every node needs the same
    gnomon.

    Parameters
    ----------
    workers : how many tasks run at once; default: the cluster's cores. Each is given one core and one thread.

    Raises GnomonError when ray is not installed or the cluster cannot be reached.
    """

    name = "ray"

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self.workers = workers or cores()
        self._limited = workers is not None
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._ray: Any = None
        self._connected = False

    def __enter__(self) -> Self:
        """See `Executor`."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster; stop it if it was started here."""
        if self._connected:
            self._ray.shutdown()
        self._connected, self._ray = False, None

    def run(self, jobs: Sequence[Job]) -> Generator[list[PointRecord], None, None]:
        """See `Executor.run`."""
        if not jobs:
            return
        if any(job.module == "__main__" for job in jobs):
            raise GnomonError(
                "the experiment is defined in the program itself, which a Ray worker cannot import",
                mend="move it to a module",
            )
        ray = self._cluster()
        # Ray's own retries do not say which of several jobs in one task was to blame; here they are counted
        task = ray.remote(num_cpus=1, max_retries=0)(_work)
        queue, retries, pace = deque(jobs), Retries(), Pace(self.workers)
        alone: deque[Job] = deque()
        running: dict[Any, list[Job]] = {}
        try:
            while queue or alone or running:
                while (queue or alone) and len(running) < self.workers:
                    share = pace.share(queue) if queue else [alone.popleft()]
                    running[task.remote(share, sys.path)] = share
                done, _ = ray.wait(list(running), timeout=HEARTBEAT_SECONDS)
                if not done:
                    yield []
                for reference in done:
                    share = running.pop(reference)
                    try:
                        found = ray.get(reference)
                    except ray.exceptions.RayError as error:
                        again, found = _after(error, ray, share, retries)
                        alone.extend(again)
                    pace.note(found)
                    if found:
                        yield found
        except ray.exceptions.RayError as error:
            raise GnomonError(f"the Ray cluster is lost: {_brief(error)}", mend="start it and run again") from error
        finally:
            with contextlib.suppress(ray.exceptions.RayError):
                for reference in running:
                    ray.cancel(reference, force=True)

    def _cluster(self) -> Any:
        """The module ``ray``, connected."""
        if self._ray is None:
            ray = _module()
            if not ray.is_initialized():
                _connect(ray, self._address, self.workers)
                self._connected = True
            if not self._limited:
                self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
            self._ray = ray
        return self._ray


def _work(jobs: Sequence[Job], path: Sequence[str]) -> list[PointRecord]:
    """Run ``jobs`` in a Ray worker, which finds modules wherever the driver does."""
    sys.path.extend(place for place in path if place not in sys.path)
    return [record for job in jobs for record in work(job)]


def _after(
    error: Exception, ray: ModuleType, share: list[Job], retries: Retries
) -> tuple[list[Job], list[PointRecord]]:
    """What is to be run again, one job a task, now that ``share`` ended with ``error``; and what failed for good."""
    if isinstance(error, ray.exceptions.RayTaskError):
        raise GnomonError(
            f"a Ray worker cannot run gnomon: {_brief(error)}", mend="install the same gnomon on every node"
        ) from error
    if len(share) > 1:
        return share, []
    how = "for want of memory" if isinstance(error, ray.exceptions.OutOfMemoryError) else type(error).__name__
    return retries.after_death(share[0], how)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray as imported and started inside prints nothing (its news of dead workers go to stdout) and reports nobody."""
    before = {name: os.environ.get(name) for name in _QUIET}
    os.environ.update(_QUIET)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _module() -> Any:
    try:
        with _quiet():
            import ray
            import ray.exceptions
    except ModuleNotFoundError:
        raise GnomonError("executor ray needs ray", mend="pip install 'gnomon[cluster]'") from None
    return ray


def _connect(ray: Any, address: str | None, workers: int) -> None:
    """Connect to the cluster at ``address``, or start one with ``workers`` cores."""
    silent = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"num_cpus": workers, "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
    if address:
        _check_answers(_latest() if address == "auto" else address)
    try:
        with _quiet():
            ray.init(address=address or "local", **silent, **({} if address else own))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if not address:
            raise GnomonError(f"Ray cannot be started here: {_brief(error)}", mend="use --executor local") from error
        raise GnomonError(
            f"the Ray cluster at {address} cannot be used: {_brief(error)}",
            mend="start it (and set RAY_AUTH_MODE=token if it asks for one), or unset RAY_ADDRESS",
        ) from error


def _latest() -> str:
    """The address of the cluster that was started last on this machine, which Ray leaves in a file; else ``auto``."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    with contextlib.suppress(OSError):
        return (Path(folder) / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    return "auto"


def _check_answers(where: str) -> None:
    """Raise GnomonError when nothing listens at ``host:port``; Ray itself would try for minutes, and print."""
    host, colon, port = where.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise GnomonError(
                f"no Ray cluster answers at {where}: {_brief(error)}", mend="start it, or unset RAY_ADDRESS"
            ) from error


def _brief(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
