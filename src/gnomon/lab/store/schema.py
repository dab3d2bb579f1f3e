"""Tables of the store, and the version that says whether this gnomon can read them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
)

from gnomon.errors import GnomonError

SCHEMA_VERSION = 2

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

measurements = Table(
    "measurements",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("quantity", String, nullable=False),
    Column("site", String),
    Column("estimator", String, nullable=False),
    Column("status", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("weights_hash", String),
    Column("data_hash", String),
    # A seed may be any integer, also one that no SQL integer holds.
    Column("seed", String),
    Column("created", String, nullable=False),
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
    Column("estimator", String, nullable=False, index=True),
    Column("quantity", String, nullable=False, index=True),
    Column("known_answer", String, nullable=False),
    Column("code_version", String, nullable=False, index=True),
    Column("truth", Float),
    Column("mean", Float),
    Column("bias", Float),
    Column("spread", Float),
    Column("coverage", Float),
    Column("nominal", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("created", String, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False, index=True),
    Column("subject", String, nullable=False, index=True),
    Column("command", String, nullable=False),
    Column("spec", Text, nullable=False),
    Column("created", String, nullable=False),
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
    Column("experiment", String, nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("created", String, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

run_points = Table(
    "run_points",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("key", ForeignKey("points.key"), primary_key=True, index=True),
)


def stored_version(connection: Connection, database: Path) -> int | None:
    """Version of the schema in ``database``; ``None`` when it is still empty.

    Raises GnomonError when the database is something else, or of a newer gnomon.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    version = connection.scalar(select(schema_version.c.version)) if schema_version.name in tables else None
    if version is None:
        raise GnomonError(f"{database} is a database, but no gnomon store", mend="choose another store")
    if version > SCHEMA_VERSION:
        raise GnomonError(
            f"store {database} has schema version {version}, this gnomon reads {SCHEMA_VERSION}",
            mend="upgrade gnomon, or choose another store",
        )
    return int(version)


def create(connection: Connection) -> None:
    """Make all tables, inside the transaction of ``connection``."""
    metadata.create_all(connection)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def migrate(connection: Connection) -> None:
    """Bring a store of an older version up to this one, inside the transaction of ``connection``.

    What each version added: 2, the tables of points. Whatever is stored stays as it is.
    """
    metadata.create_all(connection)
    connection.execute(schema_version.update().values(version=SCHEMA_VERSION))
