"""Tables of the store, and the version that says whether this gnomon can read them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    inspect,
    select,
)

from gnomon.errors import GnomonError

SCHEMA_VERSION = 3

metadata = MetaData()


class Name(TypeDecorator[str]):
    """Text to find rows by. PostgreSQL holds no NUL character: the symbol for it (U+2400) stands in its place."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `sqlalchemy.TypeDecorator`."""
        return value.replace("\0", "\u2400") if value is not None and dialect.name == "postgresql" else value


schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

measurements = Table(
    "measurements",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("quantity", Name, nullable=False),
    Column("site", Name),
    Column("estimator", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("weights_hash", Name),
    Column("data_hash", Name),
    # A seed may be any integer, also one that no SQL integer holds.
    Column("seed", Name),
    Column("created", Name, nullable=False),
    # Nanoseconds; orders what was created within the same second.
    Column("stored", BigInteger, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("document", Text, nullable=False),
)
for _name in ("quantity", "site", "estimator", "status", "subject", "weights_hash", "data_hash", "seed", "created"):
    Index(f"measurements_{_name}", measurements.c[_name])

certificates = Table(
    "certificates",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("estimator", Name, nullable=False, index=True),
    Column("quantity", Name, nullable=False, index=True),
    Column("known_answer", Name, nullable=False),
    Column("code_version", Name, nullable=False, index=True),
    Column("truth", Float),
    Column("mean", Float),
    Column("bias", Float),
    Column("spread", Float),
    Column("coverage", Float),
    Column("nominal", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("created", Name, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("kind", Name, nullable=False, index=True),
    Column("subject", Name, nullable=False, index=True),
    Column("command", Name, nullable=False),
    Column("spec", Text, nullable=False),
    Column("created", Name, nullable=False),
    Column("finished", Boolean, nullable=False),
)

# A measurement is stored once, and may belong to several runs.
run_measurements = Table(
    "run_measurements",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("identity", ForeignKey("measurements.identity"), primary_key=True, index=True),
)

# A point of a sweep that was run: one row for each key, whoever ran it and how often.
points = Table(
    "points",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("experiment", Name, nullable=False, index=True),
    Column("status", Name, nullable=False),
    Column("created", Name, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

run_points = Table(
    "run_points",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("key", ForeignKey("points.key"), primary_key=True, index=True),
)

# Entries of the ledger that were appended through this store, see `gnomon.lab.store.witness`.
witnessed = Table(
    "witnessed",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), primary_key=True),
    Column("time", String(27), nullable=False),
    Column("kept", Boolean, nullable=False),
)


TABLES = (schema_version, measurements, certificates, runs, run_measurements, points, run_points, witnessed)
"""What every store has."""

# Where there is no disk that all hosts share: the arrays, see `ArrayRows`.
arrays = Table(
    "arrays", metadata, Column("digest", String(64), primary_key=True), Column("content", LargeBinary, nullable=False)
)


def stored_version(connection: Connection, place: str) -> int | None:
    """Version of the schema in the database at ``place``; ``None`` when it is still empty.

    Raises GnomonError when the database is something else, or of a newer gnomon.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    version = connection.scalar(select(schema_version.c.version)) if schema_version.name in tables else None
    if version is None:
        raise GnomonError(f"{place} is a database, but no gnomon store", mend="choose another store")
    if version > SCHEMA_VERSION:
        raise GnomonError(
            f"store {place} has schema version {version}, this gnomon reads {SCHEMA_VERSION}",
            mend="upgrade gnomon, or choose another store",
        )
    return int(version)


def create(connection: Connection, tables: Sequence[Table]) -> None:
    """Make all ``tables``, inside the transaction of ``connection``."""
    metadata.create_all(connection, tables=tables)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def migrate(connection: Connection, tables: Sequence[Table]) -> None:
    """Bring a store of an older version up to this one, inside the transaction of ``connection``.

    What each version added: 2, the tables of points; 3, the witness of a ledger. Whatever is stored stays as it is.
    """
    metadata.create_all(connection, tables=tables)
    connection.execute(schema_version.update().values(version=SCHEMA_VERSION))
