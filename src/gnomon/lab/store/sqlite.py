"""A store in a directory: an SQLite database (WAL) and array files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.dialects.sqlite import insert

from gnomon.errors import GnomonError
from gnomon.lab.store.arrays import ArrayFiles
from gnomon.lab.store.database import Database, cannot_be_written
from gnomon.lab.store.failures import NoStoreError, one_line
from gnomon.lab.store.filesystems import refuse_network

DATABASE = "store.sqlite"
# How long one connection waits for the lock of another process before it gives up for the time being.
BUSY_SECONDS = 30.0


class SQLite(Database):
    """The file ``path``, with the array files in ``arrays`` beside it."""

    insert = staticmethod(insert)
    begin_to_read = "BEGIN"
    # Takes the lock at once: otherwise two processes that read and then write would each wait for the other to finish.
    begin_to_write = "BEGIN IMMEDIATE"

    def __init__(self, path: Path, read_only: bool = False) -> None:
        super().__init__(
            path.parent, _engine(path, read_only=read_only), ArrayFiles(path.parent / "arrays"), read_only=read_only
        )
        self.path = path

    def __reduce__(self) -> tuple[type[Self], tuple[Path, bool]]:
        return type(self), (self.path, self.read_only)

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Self:
        """The database at ``path``; see `Store.open`."""
        directory = path.parent
        with one_line(directory):
            if directory.exists() and not directory.is_dir():
                raise GnomonError(f"store {directory} is a file", mend="give a directory")
            if not create and not path.is_file():
                raise NoStoreError(directory)
            refuse_network(directory)
            if create:
                directory.mkdir(parents=True, exist_ok=True)
            writable = os.access(directory, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        if create and not writable:
            raise cannot_be_written(directory)
        return cls(path, not writable)

    def make_ready(self) -> None:
        """Readers do not wait for a writer, nor it for them."""
        self.attempt(lambda connection: connection.exec_driver_sql("PRAGMA journal_mode = WAL"), begin="")

    def health(self, connection: Connection) -> dict[str, Any]:
        """See `Database.health`."""
        problems = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        return {
            "database": f"SQLite {sqlite3.sqlite_version}",
            "journal": journal,
            "intact": problems == ["ok"],
            "integrity": "; ".join(str(p) for p in problems),
            "bytes": sum(p.stat().st_size for p in self.path.parent.glob(f"{self.path.name}*")),
            "free_bytes": shutil.disk_usage(self.path.parent).free,
            **self.arrays.health(),
        }


def _engine(path: Path, *, read_only: bool) -> Engine:
    """Connections to ``path``, whose execution option ``begin`` is the statement that opens a transaction."""

    def connection() -> sqlite3.Connection:
        mode = "rwc"
        if read_only:
            # Beside a database that nobody has open, nothing can be written for the sake of reading it.
            closed = not path.with_name(path.name + "-wal").exists()
            mode = "ro&immutable=1" if closed else "ro"
        address = f"file:{quote(str(path))}?mode={mode}"
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
