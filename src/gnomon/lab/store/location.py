"""Where a store is: a directory, or the URL of a database."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gnomon.errors import GnomonError
from gnomon.lab.store.database import Database
from gnomon.lab.store.postgresql import PostgreSQL
from gnomon.lab.store.sqlite import DATABASE, SQLite

_FORMS = "give a directory, sqlite:///PATH or postgresql://user@host/database"
_POSTGRESQL = ("postgresql", "postgres", "postgresql+pg8000")


def open_database(location: str | Path | None, *, create: bool) -> Database:
    """The database of the store at ``location``, see `Store.open`.

    ``location`` is a directory or a URL; ``None`` means ``$GNOMON_STORE`` or ``./.gnomon``.
    """
    text = str(location) if location is not None else os.environ.get("GNOMON_STORE") or ".gnomon"
    if "://" not in text:
        return SQLite.open(Path(text).expanduser().absolute() / DATABASE, create=create)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its text may hold a password
        raise GnomonError("the URL of the store cannot be read", mend=_FORMS) from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return SQLite.open(Path(url.database).absolute(), create=create)
    if url.drivername in _POSTGRESQL:
        return PostgreSQL.open(url, create=create)
    raise GnomonError(f"store {url.render_as_string()} is not supported", mend=_FORMS)
