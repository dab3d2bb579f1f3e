"""Where a store is, and connections to its database."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import make_url

from gnomon.errors import GnomonError

DATABASE = "store.sqlite"
# How long one connection waits for the lock of another process before it gives up for the time being.
BUSY_SECONDS = 30.0


def database_of(location: str | Path | None) -> Path:
    """The database file of the store at ``location``.

    ``location`` is a directory or a URL ``sqlite:///PATH``; ``None`` means ``$GNOMON_STORE`` or ``./.gnomon``.
    Raises GnomonError for a URL of another database.
    """
    text = str(location) if location is not None else os.environ.get("GNOMON_STORE") or ".gnomon"
    if "://" not in text:
        return Path(text).expanduser().absolute() / DATABASE
    url = make_url(text)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise GnomonError(f"store {url.render_as_string()} is not supported", mend="give a directory or sqlite:///PATH")
    return Path(url.database).absolute()


def make_engine(database: Path, *, read_only: bool) -> Engine:
    """Connections to ``database``, whose execution option ``begin`` is the statement that opens a transaction.

    One that writes takes the lock at once (``BEGIN IMMEDIATE``): otherwise two processes that read and then write
    would each wait for the other to finish.
    """

    def connection() -> sqlite3.Connection:
        mode = "rwc"
        if read_only:
            # Beside a database that nobody has open, nothing can be written for the sake of reading it.
            closed = not database.with_name(database.name + "-wal").exists()
            mode = "ro&immutable=1" if closed else "ro"
        address = f"file:{quote(str(database))}?mode={mode}"
        opened = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        opened.execute("PRAGMA foreign_keys = ON")
        # a committed measurement survives also the loss of power
        opened.execute("PRAGMA synchronous = FULL")
        return opened

    engine = create_engine("sqlite://", creator=connection, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def _begin(opened: Connection) -> None:
        statement = opened.get_execution_options()["begin"]
        if statement:
            opened.exec_driver_sql(statement)

    return engine
