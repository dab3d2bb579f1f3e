"""Tables from the store: the points of sweeps and phenomena, and the measurements of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.store import PointRecord, Store
from gnomon.laws.frame import Cell, Frame
from gnomon.measurement import Measurement

# Longer lists are curves: they are no columns.
_LONGEST_LIST = 32


def read_runs(store: Store, runs: Sequence[str]) -> Frame:
    """What ``runs`` of ``store`` found, as columns.

    A point of a sweep or phenomenon that is done is a row. Its columns are ``experiment``, the fields of its spec
    (nested ones dotted, as in ``--set``) and those of its outcome; an outcome that is called as a field of the spec is
    ``outcome.NAME``. The numbers of a short list are ``NAME.0``, ``NAME.1``, …

    In a run of measurements, those that share subject, site, labels, data, weights and seed are a row. Its columns are
    ``subject``, ``site``, ``seed``, the labels, and each quantity that was measured as one number; where several
    estimators measured it, ``QUANTITY.ESTIMATOR`` for each. Of measurements that are the same, the newest is taken.

    Raises
    ------
    UnknownNameError : for a run that is not in the store.
    GnomonError : when the runs hold neither points that are done nor measurements of numbers.
    """
    known = {run.id for run in store.runs()}
    for run in runs:
        if run not in known:
            raise UnknownNameError(f"run of {store.place}", run, known)
    rows = [(f"point {record.key[:12]}", _of_point(record)) for record in store.points(run=runs, status="done")]
    if not rows:
        rows = list(_of_measurements(store.measurements(run=runs, status="ok")))
    source = f"run {', '.join(runs)}"
    if not rows:
        raise GnomonError(f"{source} holds no outcomes and no measurements", mend="give a run that found something")
    names = dict.fromkeys(name for _, row in rows for name in row)
    return Frame(
        source=source,
        cells={name: [row.get(name) for _, row in rows] for name in names},
        places=[f"row {i} ({place})" for i, (place, _) in enumerate(rows, start=1)],
    )


def _of_point(record: PointRecord) -> dict[str, Cell]:
    spec = dict(_flat(record.spec))
    outcome = {f"outcome.{name}" if name in spec else name: cell for name, cell in _flat(record.outcome)}
    return {"experiment": record.experiment, **spec, **outcome}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Cell]]:
    """The numbers and texts inside ``value``, by their dotted names."""
    if isinstance(value, list) and len(value) <= _LONGEST_LIST:
        value = {str(i): one for i, one in enumerate(value)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif value is None or isinstance(value, int | float | str):
        yield name, value


def _of_measurements(found: Sequence[Measurement]) -> Iterator[tuple[str, dict[str, Cell]]]:
    rows: dict[tuple[Any, ...], dict[str, Cell]] = {}
    by: dict[str, set[str]] = {}
    for one in found:
        by.setdefault(one.quantity, set()).add(one.estimator)
    for one in found:
        if not isinstance(one.value, float):
            continue
        origin = one.provenance
        seed = None if origin is None else origin.seed
        made = ("", None, None) if origin is None else (origin.subject, origin.weights_hash, origin.data_hash)
        labels = tuple(sorted(one.labels.items()))
        row = rows.setdefault(
            (*made, one.site, seed, labels), {"subject": made[0], "site": one.site, "seed": seed, **dict(labels)}
        )
        row[one.quantity if len(by[one.quantity]) == 1 else f"{one.quantity}.{one.estimator}"] = one.value
    for row in rows.values():
        yield f"{row['subject']} {row['site'] or ''}".strip() or "measurement", row
