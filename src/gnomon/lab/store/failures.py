"""What went wrong with a store, in one line."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from gnomon.errors import GnomonError

_SAFE = "everything stored before is safe"

# by the first part of SQLite's own name of the error: the cause and the mend
_SQLITE = {
    "SQLITE_FULL": ("no space is left on the disk of {}", f"free some and run again; {_SAFE}"),
    "SQLITE_READONLY": ("store {} cannot be written", "choose another with --store or $GNOMON_STORE"),
    "SQLITE_PERM": ("store {} may not be opened", "choose another with --store or $GNOMON_STORE"),
    "SQLITE_CANTOPEN": ("store {} cannot be opened", "choose another with --store or $GNOMON_STORE"),
    "SQLITE_NOTADB": ("store {} is corrupt: not a database", "move it away, or put a copy in its place"),
    "SQLITE_CORRUPT": ("store {} is corrupt", "move it away, or put a copy in its place"),
    "SQLITE_BUSY": ("store {} is kept locked by another process", f"end that and run again; {_SAFE}"),
    "SQLITE_LOCKED": ("store {} is kept locked by another process", f"end that and run again; {_SAFE}"),
    "SQLITE_PROTOCOL": ("store {} is kept locked by another process", f"end that and run again; {_SAFE}"),
    "SQLITE_IOERR": ("the disk of {} cannot be read or written", f"check it and run again; {_SAFE}"),
}
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")

_SYSTEM = {
    errno.ENOSPC: _SQLITE["SQLITE_FULL"],
    errno.EDQUOT: _SQLITE["SQLITE_FULL"],
    errno.EACCES: _SQLITE["SQLITE_READONLY"],
    errno.EPERM: _SQLITE["SQLITE_READONLY"],
    errno.EROFS: _SQLITE["SQLITE_READONLY"],
}


@contextlib.contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turns what the database or the file system raises about ``path`` into a GnomonError."""
    try:
        yield
    except DBAPIError as error:
        cause, mend = _SQLITE.get(_kind(error), (f"store {{}}: {error.orig}", "see `gnomon doctor`"))
        raise GnomonError(cause.format(path), mend=mend) from error
    except OSError as error:
        cause, mend = _SYSTEM.get(error.errno or 0, (f"store {{}}: {error.strerror or error}", "choose another store"))
        raise GnomonError(cause.format(path), mend=mend) from error


def is_busy(error: GnomonError) -> bool:
    """Whether ``error``, as raised by `one_line`, says that another process holds the lock: waiting may help."""
    return isinstance(error.__cause__, DBAPIError) and _kind(error.__cause__) in _BUSY


def _kind(error: DBAPIError) -> str:
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    return next((kind for kind in _SQLITE if name == kind or name.startswith(kind + "_")), name)
