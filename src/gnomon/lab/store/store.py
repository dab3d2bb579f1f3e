"""The store: measurements, certificates and runs, kept so that neither a crash nor a neighbour loses any."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Connection, Select, func, inspect, select, update
from sqlalchemy.dialects.sqlite import insert

from gnomon.errors import GnomonError
from gnomon.lab.certificate import Certificate
from gnomon.lab.store import points, schema
from gnomon.lab.store.arrays import ArrayFiles
from gnomon.lab.store.documents import canonical, from_document, to_row
from gnomon.lab.store.engine import database_of, make_engine
from gnomon.lab.store.failures import is_busy, one_line
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.store.run import Run, new_run
from gnomon.measurement import Measurement

T = TypeVar("T")
Choice = str | Collection[str] | None

# After a connection has waited in vain (see engine.BUSY_SECONDS), the transaction is tried again this often.
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.05


class Stored(NamedTuple):
    """A measurement with the run that it belongs to (``""``: none); it appears once for each of several runs."""

    measurement: Measurement
    run: str


class Store:
    r"""Measurements, certificates and runs in one directory: an SQLite database (WAL) and immutable array files.

    Several processes may use one store at once; a `Store` can be pickled, and opens the same place on the other
    side. Whatever `add` returned from is on the disk. Open one with `Store.open`.

    >>> import tempfile
    >>> from gnomon.measurement import Measurement, Quantity, Uncertainty
    >>> q = Quantity(name="norm", symbol="n", definition=r"\lVert w \rVert", source="Euclid")
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     _ = store.add([Measurement.ok(q, 1.5, Uncertainty.exact())])
    ...     [m.value for m in store.measurements(quantity="norm")]
    [1.5]
    """

    def __init__(self, database: Path, read_only: bool = False) -> None:
        self.database = database
        self.read_only = read_only
        self._arrays = ArrayFiles(database.parent / "arrays")
        self._engine = make_engine(database, read_only=read_only)
        self._process = os.getpid()

    @classmethod
    def open(cls, location: str | Path | None = None, *, create: bool = True) -> Self:
        """The store at ``location``, to write to it (and made there if it is not), or only to read.

        Parameters
        ----------
        location : directory or ``sqlite:///PATH``; ``None`` means ``$GNOMON_STORE``, or ``./.gnomon``.
        create : whether it is to be written. If false, nothing is made, and a place that may only be read will do.

        Raises
        ------
        GnomonError : when the place is a file or cannot be written, when there is no store and ``create`` is false,
            when the database is corrupt, of another program or of a newer gnomon.
        """
        database = database_of(location)
        directory = database.parent
        with one_line(directory):
            if directory.exists() and not directory.is_dir():
                raise GnomonError(f"store {directory} is a file", mend="give a directory")
            if not create and not database.is_file():
                raise GnomonError(f"there is no store at {directory}", mend="measure something first, or give --store")
            if create:
                directory.mkdir(parents=True, exist_ok=True)
            writable = os.access(directory, os.W_OK) and (not database.exists() or os.access(database, os.W_OK))
        if create and not writable:
            raise _cannot_be_written(database)
        store = cls(database, read_only=not writable)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connections. The store opens them again when it is used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path, bool]]:
        return type(self), (self.database, self.read_only)

    def add(self, measurements: Measurement | Iterable[Measurement], *, run: str | None = None) -> list[str]:
        """Keep ``measurements``, all or none, and return their identities.

        A measurement that is there already is not doubled. With ``run``, they belong to that run.
        Raises GnomonError when they cannot be written or there is no such run.
        """
        given = [measurements] if isinstance(measurements, Measurement) else list(measurements)
        self._check_writable()
        rows = [to_row(m, self._arrays) for m in given]
        identities = [row["identity"] for row in rows]

        def work(connection: Connection) -> None:
            _check_run(connection, run)
            if rows:
                connection.execute(insert(schema.measurements).on_conflict_do_nothing(), rows)
            if rows and run is not None:
                belongs = [{"run": run, "identity": identity} for identity in identities]
                connection.execute(insert(schema.run_measurements).on_conflict_do_nothing(), belongs)

        self._write(work)
        return identities

    def measurements(
        self,
        *,
        quantity: Choice = None,
        site: Choice = None,
        estimator: Choice = None,
        subject: Choice = None,
        status: Choice = None,
        run: Choice = None,
        weights_hash: Choice = None,
        data_hash: Choice = None,
        seed: int | Collection[int] | None = None,
    ) -> list[Measurement]:
        """The measurements that fit, oldest first.

        Each filter is one value or a collection of them; ``site`` takes patterns such as ``blocks.*``.
        Raises GnomonError when a row or an array cannot be read.
        """
        found = self.select(
            quantity=quantity,
            site=site,
            estimator=estimator,
            subject=subject,
            status=status,
            run=run,
            weights_hash=weights_hash,
            data_hash=data_hash,
            seed=seed,
        )
        return [stored.measurement for stored in found]

    def select(
        self,
        *,
        site: Choice = None,
        run: Choice = None,
        seed: int | Collection[int] | None = None,
        by_run: bool = False,
        **equal: Choice,
    ) -> list[Stored]:
        """As `measurements`; with ``by_run`` once for each run that a measurement belongs to."""
        table, belongs = schema.measurements, schema.run_measurements
        chosen: Select[Any] = select(table.c.identity, table.c.document).order_by(table.c.created, table.c.stored)
        if by_run:
            chosen = chosen.add_columns(belongs.c.run).join_from(table, belongs, isouter=True)
        for name, choice in {**equal, "seed": _texts(seed)}.items():
            if choice is not None:
                chosen = chosen.where(table.c[name].in_(_several(choice)))
        if run is not None:
            within = select(belongs.c.identity).where(belongs.c.run.in_(_several(run)))
            chosen = chosen.where((belongs.c.run.in_(_several(run))) if by_run else table.c.identity.in_(within))

        def work(connection: Connection) -> list[tuple[str, str, str]]:
            query = chosen
            if site is not None:
                known = connection.scalars(select(table.c.site).distinct().where(table.c.site.is_not(None)))
                fitting = [s for s in known if any(fnmatch.fnmatchcase(s, p) for p in _several(site))]
                query = query.where(table.c.site.in_(fitting))
            return [
                (row.identity, row.document, (row.run or "") if by_run else "") for row in connection.execute(query)
            ]

        return [Stored(from_document(text, identity, self._arrays), run_) for identity, text, run_ in self._read(work)]

    def add_certificates(self, certificates: Iterable[Certificate]) -> None:
        """Keep ``certificates``, all or none; one that is there already is not doubled."""
        columns = {c.name for c in schema.certificates.columns}
        rows = []
        for certificate in certificates:
            found = certificate.to_json()
            document = canonical(found)
            row = {name: value for name, value in found.items() if name in columns}
            identity = hashlib.sha256(document.encode()).hexdigest()
            rows.append({**row, "identity": identity, "stored": time.time_ns(), "document": document})
        self._check_writable()
        if rows:
            self._write(lambda c: c.execute(insert(schema.certificates).on_conflict_do_nothing(), rows))

    def certificates(
        self, *, estimator: Choice = None, quantity: Choice = None, code_version: Choice = None
    ) -> list[Certificate]:
        """The certificates that fit, oldest first."""
        table = schema.certificates
        chosen = select(table.c.document).order_by(table.c.created, table.c.stored)
        for name, choice in (("estimator", estimator), ("quantity", quantity), ("code_version", code_version)):
            if choice is not None:
                chosen = chosen.where(table.c[name].in_(_several(choice)))
        return [Certificate(**json.loads(text)) for text in self._read(lambda c: list(c.scalars(chosen)))]

    def start_run(
        self, kind: str, *, subject: str = "", command: str = "", spec: Mapping[str, Any] | None = None
    ) -> str:
        """Begin a group of measurements and return its name, for `add` and `finish_run`."""
        run = new_run(kind, subject=subject, command=command, spec=spec or {})
        row = {**vars(run), "spec": canonical(dict(run.spec))}
        self._check_writable()
        self._write(lambda c: c.execute(schema.runs.insert(), row))
        return run.id

    def finish_run(self, run: str) -> None:
        """Note that ``run`` came to its end. Raises GnomonError when there is no such run."""
        finished = update(schema.runs).where(schema.runs.c.id == run).values(finished=True)
        self._check_writable()
        if self._write(lambda c: c.execute(finished).rowcount) == 0:
            raise GnomonError(f"there is no run {run!r} in the store", mend="start it with start_run")

    def runs(self, *, kind: Choice = None, subject: Choice = None) -> list[Run]:
        """The runs that fit, oldest first."""
        table = schema.runs
        chosen = select(table).order_by(table.c.id)
        for name, choice in (("kind", kind), ("subject", subject)):
            if choice is not None:
                chosen = chosen.where(table.c[name].in_(_several(choice)))
        rows = self._read(lambda c: c.execute(chosen).mappings().all())
        return [Run(**{**row, "spec": json.loads(row["spec"])}) for row in rows]

    def add_points(self, records: Iterable[PointRecord], *, run: str | None = None) -> None:
        """Keep the points of a sweep, all or none, each key once: a point that is done stays as it is, whatever comes
        later; one that failed may be replaced.

        With ``run``, they belong to that run. Raises GnomonError when they cannot be written, an outcome is not JSON
        or there is no such run.
        """
        self._check_writable()
        rows = points.to_rows(records, self._arrays)

        def work(connection: Connection) -> None:
            _check_run(connection, run)
            points.keep(connection, insert, rows, run)

        self._write(work)

    def points(
        self,
        *,
        keys: Collection[str] | None = None,
        experiment: Choice = None,
        status: Choice = None,
        run: Choice = None,
    ) -> list[PointRecord]:
        """The points of sweeps that fit, oldest first. Raises GnomonError when a row or an array cannot be read."""

        def work(connection: Connection) -> list[tuple[str, str]]:
            if not inspect(connection).has_table(schema.points.name):  # an older store that may only be read
                return []
            return points.documents(
                connection,
                keys=keys,
                runs=None if run is None else _several(run),
                experiment=None if experiment is None else _several(experiment),
                status=None if status is None else _several(status),
            )

        return [points.from_document(key, text, self._arrays) for key, text in self._read(work)]

    def health(self) -> dict[str, Any]:
        """What `gnomon doctor` shows: place, size, rows, and whether the database is intact."""

        def work(connection: Connection) -> dict[str, Any]:
            present = inspect(connection).get_table_names()
            counted = [t for t in _COUNTED if t.name in present]
            rows = {t.name: connection.scalar(select(func.count()).select_from(t)) for t in counted}
            unfinished = select(func.count()).select_from(schema.runs).where(~schema.runs.c.finished)
            problems = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
            return {
                **rows,
                "unfinished_runs": connection.scalar(unfinished),
                "journal": connection.exec_driver_sql("PRAGMA journal_mode").scalar(),
                "intact": problems == ["ok"],
                "integrity": "; ".join(str(p) for p in problems),
            }

        found = self._read(work)
        with one_line(self.database):
            return {
                "path": str(self.database.parent),
                "schema_version": schema.SCHEMA_VERSION,
                "sqlite": sqlite3.sqlite_version,
                "writable": not self.read_only,
                "bytes": sum(p.stat().st_size for p in self.database.parent.glob(f"{self.database.name}*")),
                **found,
                **self._arrays.health(),
                "free_bytes": shutil.disk_usage(self.database.parent).free,
            }

    def _prepare(self) -> None:
        version = self._read(self._version)
        if version == schema.SCHEMA_VERSION or (version is not None and self.read_only):
            return

        def use_wal(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")

        def work(connection: Connection) -> None:
            present = self._version(connection)  # another process may have been faster
            if present is None:
                schema.create(connection)
            elif present < schema.SCHEMA_VERSION:
                schema.migrate(connection)

        self._check_writable()
        self._attempt(use_wal, begin="")
        self._write(work)

    def _version(self, connection: Connection) -> int | None:
        return schema.stored_version(connection, self.database)

    def _check_writable(self) -> None:
        if self.read_only:
            raise _cannot_be_written(self.database)

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._attempt(work)

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._attempt(work, begin="BEGIN IMMEDIATE")

    def _attempt(self, work: Callable[[Connection], T], begin: str = "BEGIN") -> T:
        """``work`` in one transaction, which is tried again when another process kept the lock."""
        if os.getpid() != self._process:
            # SQLite's connections must not be used across a fork; those of the parent are left to it
            self._engine.dispose(close=False)
            self._process = os.getpid()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with (
                    one_line(self.database),
                    self._engine.execution_options(begin=begin).begin() as connection,
                ):
                    return work(connection)
            except GnomonError as error:
                if attempt == _ATTEMPTS or not is_busy(error):
                    raise
                time.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")


_COUNTED = (schema.measurements, schema.certificates, schema.runs, schema.points)


def _check_run(connection: Connection, run: str | None) -> None:
    if run is not None and connection.scalar(select(schema.runs.c.id).where(schema.runs.c.id == run)) is None:
        raise GnomonError(f"there is no run {run!r} in the store", mend="start it with start_run")


def _cannot_be_written(database: Path) -> GnomonError:
    return GnomonError(
        f"store {database.parent} cannot be written", mend="choose another with --store or $GNOMON_STORE"
    )


def _several(choice: str | Collection[str]) -> list[str]:
    return [choice] if isinstance(choice, str) else list(choice)


def _texts(seed: int | Collection[int] | None) -> Choice:
    if seed is None:
        return None
    return str(seed) if isinstance(seed, int) else [str(s) for s in seed]
