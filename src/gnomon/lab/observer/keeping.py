"""Measurements go to a store as they come, and a store that fails does not stop a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.store.recording import command_line
from gnomon.measurement import Measurement

_KIND = "observe"


class Keeper:
    """Keeps measurements in ``store`` under a run of their own.

    Where that fails (a full disk, a locked database), one line is said, once; what could not be kept is tried again
    along with what comes next.
    """

    def __init__(self, store: Store, spec: Mapping[str, Any], say: Callable[[str], None]) -> None:
        self.store = store
        self.waiting: list[Measurement] = []
        self._spec = dict(spec)
        self._say = say
        self._run: str | None = None
        self._failed = False

    def add(self, measurements: Iterable[Measurement], subject: str) -> None:
        """Keep ``measurements`` of ``subject``, and those that are waiting."""
        self.waiting.extend(measurements)
        self._attempt(lambda: self._keep(subject))

    def close(self) -> None:
        """Note that the run came to its end, once nothing is waiting any more."""
        if self._run is not None:
            self._attempt(self._finish)

    def _keep(self, subject: str) -> None:
        if not self.waiting:
            return
        if self._run is None:
            self._run = self.store.start_run(_KIND, subject=subject, command=command_line(), spec=self._spec)
        self.store.add(self.waiting, run=self._run)
        self.waiting.clear()

    def _finish(self) -> None:
        self._keep("")
        assert self._run is not None
        self.store.finish_run(self._run)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (GnomonError, OSError) as error:
            if not self._failed:
                self._say(f"{error}; training goes on, and what is measured waits in memory")
            self._failed = True
