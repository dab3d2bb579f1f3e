"""The store: measurements, certificates, runs and points, kept so that neither a crash nor a neighbour loses any."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Connection, Select, func, inspect, select, update

from gnomon.errors import GnomonError
from gnomon.lab.certificate import Certificate
from gnomon.lab.store import points, schema, witness
from gnomon.lab.store.arrays import ReadArray
from gnomon.lab.store.database import Database
from gnomon.lab.store.documents import canonical, from_document, to_row
from gnomon.lab.store.failures import one_line
from gnomon.lab.store.location import open_database
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.store.run import Run, new_run
from gnomon.lab.store.witness import Witnessed
from gnomon.measurement import Measurement

Choice = str | Collection[str] | None
Row = TypeVar("Row", bound=tuple[Any, ...])

# Arrays of so many rows are held at once beside what is made of them.
_ROWS_AT_ONCE = 100


class Stored(NamedTuple):
    """A measurement with the run that it belongs to (``""``: none); it appears once for each of several runs."""

    measurement: Measurement
    run: str


class Store:
    r"""Measurements, certificates, runs and points, in a directory or on a PostgreSQL server.

    A directory holds an SQLite database (WAL) and immutable array files. Several processes may use one store at once;
    a `Store` can be pickled, and opens the same place on the other side. Whatever `add` returned from is on the disk.
    Open one with `Store.open`.

    >>> import tempfile
    >>> from gnomon.measurement import Measurement, Quantity, Uncertainty
    >>> q = Quantity(name="norm", symbol="n", definition=r"\lVert w \rVert", source="Euclid")
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     _ = store.add([Measurement.ok(q, 1.5, Uncertainty.exact())])
    ...     [m.value for m in store.measurements(quantity="norm")]
    [1.5]
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, location: str | Path | None = None, *, create: bool = True) -> Self:
        """The store at ``location``, to write to it (and made there if it is not), or only to read.

        Parameters
        ----------
        location : directory, ``sqlite:///PATH`` or ``postgresql://user@host/database`` (see `PostgreSQL`, which needs
            ``gnomon[postgresql]``); ``None`` means ``$GNOMON_STORE``, or ``./.gnomon``.
        create : whether it is to be written. If false, nothing is made, and a place that may only be read will do.

        Raises
        ------
        NoStoreError : when there is no store and ``create`` is false.
        GnomonError : when the place is a file, on a network file system or cannot be written, when the server does not
            answer or refuses, when the database is corrupt, of another program or of a newer gnomon.
        """
        store = cls(open_database(location, create=create))
        try:
            store._database.prepare(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def place(self) -> str:
        """Where it is, as a person reads it: the directory, or the URL without its password."""
        return self._database.place

    @property
    def read_only(self) -> bool:
        """Whether it can only be read."""
        return self._database.read_only

    def close(self) -> None:
        """Close the connections. The store opens them again when it is used again."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, measurements: Measurement | Iterable[Measurement], *, run: str | None = None) -> list[str]:
        """Keep ``measurements``, all or none, and return their identities.

        A measurement that is there already is not doubled. With ``run``, they belong to that run.
        Raises GnomonError when they cannot be written or there is no such run.
        """
        given = [measurements] if isinstance(measurements, Measurement) else list(measurements)
        self._database.check_writable()
        contents: dict[str, bytes] = {}
        rows = [to_row(m, contents) for m in given]
        identities = [row["identity"] for row in rows]
        # one order for all writers: two that write overlapping rows would otherwise wait for each other's
        ordered = sorted(rows, key=lambda row: str(row["identity"]))
        insert = self._database.insert

        def work(connection: Connection) -> None:
            _check_run(connection, run)
            if rows:
                connection.execute(insert(schema.measurements).on_conflict_do_nothing(), ordered)
            if rows and run is not None:
                belongs = [{"run": run, "identity": row["identity"]} for row in ordered]
                connection.execute(insert(schema.run_measurements).on_conflict_do_nothing(), belongs)

        self._database.arrays.write(contents)
        self._database.write(work)
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

        rows = self._database.read(work)
        return [
            Stored(from_document(text, identity, read), of) for (identity, text, of), read in self._with_arrays(rows)
        ]

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
        self._database.check_writable()
        if rows:
            rows.sort(key=lambda row: str(row["identity"]))
            insert = self._database.insert(schema.certificates).on_conflict_do_nothing()
            self._database.write(lambda c: c.execute(insert, rows))

    def certificates(
        self, *, estimator: Choice = None, quantity: Choice = None, code_version: Choice = None
    ) -> list[Certificate]:
        """The certificates that fit, oldest first."""
        table = schema.certificates
        chosen = select(table.c.document).order_by(table.c.created, table.c.stored)
        for name, choice in (("estimator", estimator), ("quantity", quantity), ("code_version", code_version)):
            if choice is not None:
                chosen = chosen.where(table.c[name].in_(_several(choice)))
        return [Certificate(**json.loads(text)) for text in self._database.read(lambda c: list(c.scalars(chosen)))]

    def start_run(
        self, kind: str, *, subject: str = "", command: str = "", spec: Mapping[str, Any] | None = None
    ) -> str:
        """Begin a group of measurements and return its name, for `add` and `finish_run`."""
        run = new_run(kind, subject=subject, command=command, spec=spec or {})
        row = {**vars(run), "spec": canonical(dict(run.spec))}
        self._database.check_writable()
        insert = self._database.insert(schema.runs).on_conflict_do_nothing()  # see `Database.write`
        self._database.write(lambda c: c.execute(insert, row))
        return run.id

    def finish_run(self, run: str) -> None:
        """Note that ``run`` came to its end. Raises GnomonError when there is no such run."""
        finished = update(schema.runs).where(schema.runs.c.id == run).values(finished=True)
        self._database.check_writable()
        if self._database.write(lambda c: c.execute(finished).rowcount) == 0:
            raise GnomonError(f"there is no run {run!r} in the store", mend="start it with start_run")

    def runs(self, *, kind: Choice = None, subject: Choice = None) -> list[Run]:
        """The runs that fit, oldest first."""
        table = schema.runs
        chosen = select(table).order_by(table.c.id)
        for name, choice in (("kind", kind), ("subject", subject)):
            if choice is not None:
                chosen = chosen.where(table.c[name].in_(_several(choice)))
        rows = self._database.read(lambda c: c.execute(chosen).mappings().all())
        return [Run(**{**row, "spec": json.loads(row["spec"])}) for row in rows]

    def add_points(self, records: Iterable[PointRecord], *, run: str | None = None) -> None:
        """Keep the points of a sweep, all or none, each key once: a point that is done stays as it is, whatever comes
        later; one that failed may be replaced.

        With ``run``, they belong to that run. Raises GnomonError when they cannot be written, an outcome is not JSON
        or there is no such run.
        """
        self._database.check_writable()
        contents: dict[str, bytes] = {}
        rows = points.to_rows(records, contents)

        def work(connection: Connection) -> None:
            _check_run(connection, run)
            points.keep(connection, self._database.insert, rows, run)

        self._database.arrays.write(contents)
        self._database.write(work)

    def points(
        self,
        *,
        keys: Collection[str] | None = None,
        experiment: Choice = None,
        status: Choice = None,
        run: Choice = None,
        outcomes: bool = True,
    ) -> list[PointRecord]:
        """The points of sweeps that fit, oldest first; without ``outcomes`` these are left out, and no array is read.

        Raises GnomonError when a row or an array cannot be read.
        """

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

        rows = self._database.read(work)
        if not outcomes:
            return [points.without_outcome(key, text) for key, text in rows]
        return [points.from_document(key, text, read) for (key, text), read in self._with_arrays(rows)]

    def witness(self, entries: Iterable[Witnessed]) -> None:
        """Note entries of the ledger, all or none; see `gnomon.lab.store.witness`."""
        given = list(entries)
        self._database.check_writable()
        self._database.write(lambda c: witness.keep(c, self._database.insert, given))

    def witnessed(self) -> list[Witnessed]:
        """The entries of the ledger that were appended through this store, by number."""
        return self._database.read(witness.entries)

    def health(self) -> dict[str, Any]:
        """What `gnomon doctor` shows: place, size, rows, and whether database and arrays are intact."""

        def work(connection: Connection) -> dict[str, Any]:
            present = inspect(connection).get_table_names()
            counted = [t for t in _COUNTED if t.name in present]
            unfinished = select(func.count()).select_from(schema.runs).where(~schema.runs.c.finished)
            return {
                **{t.name: connection.scalar(select(func.count()).select_from(t)) for t in counted},
                "unfinished_runs": connection.scalar(unfinished),
                **self._database.health(connection),
            }

        with one_line(self.place):
            found = self._database.read(work)
        return {
            "path": self.place,
            "schema_version": schema.SCHEMA_VERSION,
            "writable": not self.read_only,
            **found,
        }

    def _with_arrays(self, rows: Sequence[Row]) -> Iterator[tuple[Row, ReadArray]]:
        """Each of ``rows`` with what reads the arrays that its second field, a document, names."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            read = self._database.arrays.reader([row[1] for row in some])
            yield from ((row, read) for row in some)


_COUNTED = (schema.measurements, schema.certificates, schema.runs, schema.points, schema.witnessed)


def _check_run(connection: Connection, run: str | None) -> None:
    if run is not None and connection.scalar(select(schema.runs.c.id).where(schema.runs.c.id == run)) is None:
        raise GnomonError(f"there is no run {run!r} in the store", mend="start it with start_run")


def _several(choice: str | Collection[str]) -> list[str]:
    return [choice] if isinstance(choice, str) else list(choice)


def _texts(seed: int | Collection[int] | None) -> Choice:
    if seed is None:
        return None
    return str(seed) if isinstance(seed, int) else [str(s) for s in seed]
