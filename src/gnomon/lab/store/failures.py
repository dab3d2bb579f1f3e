"""What went wrong with a store, in one line."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from gnomon.errors import GnomonError

_SAFE = "everything stored before is safe"
_ANOTHER = "choose another with --store or $GNOMON_STORE"
_LOCKED = ("store {} is kept locked by another process", f"end that and run again; {_SAFE}")
_CORRUPT = ("store {} is corrupt", "move it away, or put a copy in its place")
_FULL = ("no space is left on the disk of {}", f"free some and run again; {_SAFE}")
_UNWRITABLE = ("store {} cannot be written", _ANOTHER)
_GONE = ("the server of {} went away", f"wait until it is back and run again; {_SAFE}")
_REFUSED = ("the server of {} does not let this user in", "mend user and password in the URL, or set $PGPASSWORD")

# By SQLite's own name of the error, or PostgreSQL's SQLSTATE (its appendix A), or how these begin: the cause and the
# mend.
_KINDS = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _UNWRITABLE,
    "SQLITE_PERM": ("store {} may not be opened", _ANOTHER),
    "SQLITE_CANTOPEN": ("store {} cannot be opened", _ANOTHER),
    "SQLITE_NOTADB": ("store {} is corrupt: not a database", "move it away, or put a copy in its place"),
    "SQLITE_CORRUPT": _CORRUPT,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_IOERR": ("the disk of {} cannot be read or written", f"check it and run again; {_SAFE}"),
    "08": _GONE,
    "25006": _UNWRITABLE,
    "28": _REFUSED,
    "3D000": ("store {}: the server has no such database", "make it with createdb, or mend the URL"),
    "40001": _LOCKED,
    "40P01": _LOCKED,
    "42501": ("store {}: the server does not permit this user to do that", "ask its owner to GRANT it"),
    "53100": _FULL,
    "53300": ("the server of {} has no connection left", f"end some, or raise max_connections; {_SAFE}"),
    "55P03": _LOCKED,
    "57P": _GONE,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}
# what waiting may help against
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "08", "40001", "40P01", "53300", "55P03", "57P")

_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _UNWRITABLE,
    errno.EPERM: _UNWRITABLE,
    errno.EROFS: _UNWRITABLE,
}


class NoStoreError(GnomonError):
    """There is nothing at a place yet where a store could be."""

    def __init__(self, place: str | Path) -> None:
        super().__init__(f"there is no store at {place}", mend="measure something first, or give --store")
        self.place = str(place)


@contextlib.contextmanager
def one_line(place: str | Path) -> Iterator[None]:
    """Turns what the database or the file system raises about ``place`` into a GnomonError."""
    try:
        yield
    except DBAPIError as error:
        cause, mend = _KINDS.get(_kind(error), (f"store {{}}: {_said(error)}", "see `gnomon doctor`"))
        raise GnomonError(cause.replace("{}", str(place)), mend=mend) from error
    except OSError as error:
        cause, mend = _SYSTEM.get(error.errno or 0, (f"store {{}}: {error.strerror or error}", "choose another store"))
        raise GnomonError(cause.replace("{}", str(place)), mend=mend) from error


def may_pass(error: GnomonError) -> bool:
    """Whether ``error``, as raised by `one_line`, may be gone when the same is tried again: a lock, a lost server."""
    return isinstance(error.__cause__, DBAPIError) and _kind(error.__cause__) in _PASSING


def _kind(error: DBAPIError) -> str:
    """The entry of `_KINDS` that ``error`` belongs to, or its own name."""
    if error.connection_invalidated:
        return "08"
    name = str(getattr(error.orig, "sqlite_errorname", "")) or _server_says(error).get("C", "")
    joint = "_" if name.startswith("SQLITE") else ""
    return next((k for k in _KINDS if name == k or name.startswith(k + joint)), name)


def _said(error: DBAPIError) -> str:
    return _server_says(error).get("M") or str(error.orig)


def _server_says(error: DBAPIError) -> dict[str, str]:
    """The fields of an error message of PostgreSQL: ``C`` its SQLSTATE, ``M`` its text."""
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return said if isinstance(said, dict) else {}
