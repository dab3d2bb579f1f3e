"""A store on a PostgreSQL server, for many hosts at once."""

from __future__ import annotations

import getpass
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Table, create_engine, func, inspect, select, text
from sqlalchemy.dialects.postgresql import insert

from gnomon.errors import GnomonError
from gnomon.lab.store import schema
from gnomon.lab.store.array_rows import ArrayRows
from gnomon.lab.store.database import Database, cannot_be_written

_PORT = 5432
_CONNECT_SECONDS = 15.0
# Key of the advisory lock under which tables are made: any number that other programs are unlikely to use.
_SCHEMA_LOCK = 0x676E6F6D6F6E
_SSL: dict[str, Any] = {"disable": False, "prefer": None, "require": True}


class PostgreSQL(Database):
    """The database that ``url`` names, through pg8000; arrays are rows of a table (see `ArrayRows`).

    ``url`` is ``postgresql://user:password@host:port/database``. Without a password, ``$PGPASSWORD`` is used; without
    a user, ``$PGUSER`` or the name of the account. ``?host=/folder`` names the folder of a Unix socket instead of a
    host, ``?sslmode=`` is ``disable``, ``prefer`` (the default), ``require`` or ``verify-full``. A password in the
    URL goes along when the store is pickled, and is never printed.
    """

    insert = staticmethod(insert)

    def __init__(self, url: URL, read_only: bool = False) -> None:
        self._url = url
        open_url = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
        place = open_url.render_as_string()
        super().__init__(place, _engine(url, place), ArrayRows(self), read_only=read_only)

    def __reduce__(self) -> tuple[type[Self], tuple[URL, bool]]:
        return type(self), (self._url, self.read_only)

    @classmethod
    def open(cls, url: URL, *, create: bool) -> Self:
        """The database at ``url``; see `Store.open`."""
        database = cls(url)
        try:
            database.read_only = not database.read(_writable)
            if create and database.read_only:
                raise cannot_be_written(database.place)
        except BaseException:
            database.close()
            raise
        return database

    def tables(self) -> Sequence[Table]:
        """The tables that every store has, and that of the arrays."""
        return [*schema.TABLES, schema.arrays]

    def lock_schema(self, connection: Connection) -> None:
        """See `Database`. ``CREATE TABLE IF NOT EXISTS`` alone fails when two processes come to it at once."""
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))

    def health(self, connection: Connection) -> dict[str, Any]:
        """See `Database`. The server checks every array against its digest."""
        names = [t.name for t in self.tables()]
        size = text("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) name")
        array = schema.arrays.c
        damaged = select(func.count()).where(func.encode(func.sha256(array.content), "hex") != array.digest)
        corrupt = connection.scalar(damaged) or 0
        return {
            "database": f"PostgreSQL {connection.scalar(text('SHOW server_version'))}",
            "intact": corrupt == 0,
            "integrity": "ok" if corrupt == 0 else f"{corrupt} arrays are corrupt",
            "bytes": int(connection.scalar(size, {"names": names}) or 0),
            **self.arrays.health(),
        }


def _writable(connection: Connection) -> bool:
    """Whether the server lets this user write: not a standby, and with the right to insert where there are tables."""
    if connection.scalar(text("SHOW transaction_read_only")) == "on":
        return False
    kept = [t.name for t in schema.TABLES if t.name in inspect(connection).get_table_names()]
    may = text("SELECT has_table_privilege(quote_ident(:name), 'INSERT')")
    return all(connection.scalar(may, {"name": name}) for name in kept)


def _engine(url: URL, place: str) -> Engine:
    try:
        from pg8000 import dbapi
    except ImportError:
        raise GnomonError(f"store {place} needs the driver pg8000", mend="pip install 'gnomon[postgresql]'") from None
    query = dict(url.query)
    folder, mode = query.pop("host", ""), query.pop("sslmode", "prefer")
    if query or isinstance(folder, tuple) or mode not in (*_SSL, "verify-full"):
        raise GnomonError(
            f"store {place} has an option that is not understood", mend="use only ?host= and ?sslmode= (require, ...)"
        )
    host, port = url.host or "localhost", url.port or _PORT
    if not url.database:
        raise GnomonError(f"store {place} names no database", mend="write postgresql://user@host/database")

    def connection() -> Any:
        try:
            opened = _socket(folder, host, port)
        except OSError as error:
            reason = error.strerror or error
            raise GnomonError(f"no server answers at {place}: {reason}", mend="start it, or mend the URL") from error
        try:
            return dbapi.connect(
                user=url.username or os.environ.get("PGUSER") or getpass.getuser(),
                # without any, the server is to say what it asks for
                password=url.password or os.environ.get("PGPASSWORD") or "",
                host=host,
                database=url.database,
                sock=opened,
                ssl_context=False
                if folder
                else ssl.create_default_context()
                if mode == "verify-full"
                else _SSL[str(mode)],
                application_name="gnomon",
                startup_params={"client_encoding": "UTF8"},
            )
        except (dbapi.InterfaceError, OSError) as error:
            opened.close()
            raise GnomonError(f"cannot connect to {place}: {error}", mend="mend the URL, or set $PGPASSWORD") from error
        except BaseException:
            opened.close()
            raise

    engine = create_engine("postgresql+pg8000://", creator=connection)
    # many rows go to the server in one statement, not in one round trip each
    engine.dialect.use_insertmanyvalues_wo_returning = True
    return engine


def _socket(folder: str, host: str, port: int) -> socket.socket:
    if not folder:
        opened = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    else:
        opened = socket.socket(socket.AF_UNIX)
        try:
            opened.connect(f"{folder}/.s.PGSQL.{port}")
        except BaseException:
            opened.close()
            raise
    opened.settimeout(None)  # a long query is no reason to give up
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened
