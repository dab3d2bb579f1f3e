"""A database that holds a store: transactions that are tried again while a neighbour is in the way."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table

from gnomon.errors import GnomonError
from gnomon.lab.store import schema
from gnomon.lab.store.arrays import Arrays
from gnomon.lab.store.failures import NoStoreError, may_pass, one_line

T = TypeVar("T")

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.05


class Database(ABC):
    """Tables and arrays of one store, on SQLite or PostgreSQL.

    Parameters
    ----------
    place : where it is, as a person reads it: without a password.
    engine : connections to it.
    arrays : where its large arrays are.
    read_only : whether it can only be read.
    """

    insert: Callable[..., Any]
    """The dialect's ``INSERT``, which knows ``ON CONFLICT``."""
    begin_to_read: str = ""
    begin_to_write: str = ""

    def __init__(self, place: str | Path, engine: Engine, arrays: Arrays, *, read_only: bool) -> None:
        self.place = str(place)
        self.engine = engine
        self.arrays = arrays
        self.read_only = read_only
        self._process = os.getpid()

    @abstractmethod
    def __reduce__(self) -> tuple[Any, ...]:
        """The same place, opened by another process."""

    @abstractmethod
    def health(self, connection: Connection) -> dict[str, Any]:
        """State of the database and its arrays: at least ``intact``, ``integrity``, ``bytes`` and ``arrays``."""

    def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` in one transaction. Raises GnomonError when the database cannot be read."""
        return self.attempt(work, self.begin_to_read)

    def write(self, work: Callable[[Connection], T]) -> T:
        """``work`` in one transaction, all of it or nothing.

        It may be run several times, also after a commit that the server did not confirm before the connection broke:
        whatever it writes must be the same when it is written twice. Raises GnomonError when it cannot be written.
        """
        self.check_writable()
        return self.attempt(work, self.begin_to_write)

    def prepare(self, *, create: bool) -> None:
        """Make the tables that are missing, and bring older ones up to date, where it may be written.

        Raises GnomonError when it is of another program or of a newer gnomon, `NoStoreError` when it has no tables
        and ``create`` is false.
        """
        version = self.read(self._version)
        if version is None and not create:
            raise NoStoreError(self.place)
        if version == schema.SCHEMA_VERSION or (version is not None and self.read_only):
            return
        self.check_writable()
        self.make_ready()
        self.write(self._bring_up_to_date)

    def make_ready(self) -> None:  # noqa: B027 - most need nothing
        """What must be set before the tables are made."""

    def lock_schema(self, connection: Connection) -> None:  # noqa: B027 - most need nothing
        """Let no other process make tables until the transaction ends."""

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        self.engine.dispose()

    def check_writable(self) -> None:
        """Raise GnomonError when it can only be read."""
        if self.read_only:
            raise cannot_be_written(self.place)

    def attempt(self, work: Callable[[Connection], T], begin: str) -> T:
        """``work`` in one transaction opened by ``begin``, which is tried again when a neighbour was in the way."""
        if os.getpid() != self._process:
            # connections must not be used across a fork; those of the parent are left to it
            self.engine.dispose(close=False)
            self._process = os.getpid()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with (
                    one_line(self.place),
                    self.engine.execution_options(begin=begin).begin() as connection,
                ):
                    return work(connection)
            except GnomonError as error:
                if attempt == _ATTEMPTS or not may_pass(error):
                    raise
                time.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")

    def _version(self, connection: Connection) -> int | None:
        return schema.stored_version(connection, self.place)

    def _bring_up_to_date(self, connection: Connection) -> None:
        self.lock_schema(connection)
        version = self._version(connection)  # another process may have been faster
        if version is None:
            schema.create(connection, self.tables())
        elif version < schema.SCHEMA_VERSION:
            schema.migrate(connection, self.tables())

    def tables(self) -> Sequence[Table]:
        """The tables of this kind of database."""
        return schema.TABLES


def cannot_be_written(place: str | Path) -> GnomonError:
    """The error that says so."""
    return GnomonError(f"store {place} cannot be written", mend="choose another with --store or $GNOMON_STORE")
