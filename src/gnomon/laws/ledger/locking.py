"""A file that one process at a time may write, and that nobody writes while it is read."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator
from io import FileIO

from gnomon.errors import GnomonError

WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.01


@contextlib.contextmanager
def locked(file: FileIO, place: str) -> Iterator[None]:
    """Hold ``file`` until the end of the block, with others who read it where it is open to be read only.

    The lock goes with the process, however that ends.
    Raises GnomonError when others hold it for `WAIT_SECONDS`.
    """
    give_up = time.monotonic() + WAIT_SECONDS
    while not _taken(file):
        if time.monotonic() >= give_up:
            raise GnomonError(f"ledger {place} is kept locked by another process", mend="end that and run again")
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        _release(file)


if sys.platform == "win32":
    import msvcrt

    def _taken(file: FileIO) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _release(file: FileIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _taken(file: FileIO) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if file.writable() else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
