"""Points of sweeps as rows: one for each key, and what is done stays as it is."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from gnomon.errors import GnomonError
from gnomon.lab.store import schema
from gnomon.lab.store.arrays import ReadArray
from gnomon.lab.store.documents import LARGE, canonical, put_array
from gnomon.lab.store.point_record import PointRecord

# Far below the number of parameters that one statement takes (SQLite 32 766, PostgreSQL's protocol 65 535).
_KEYS_AT_ONCE = 1000

Path = tuple[str | int, ...]


def to_rows(records: Iterable[PointRecord], contents: dict[str, bytes]) -> list[dict[str, Any]]:
    """The rows of ``records``, one for each key; their large arrays go to ``contents``.

    Where a key is given twice, what is done wins over what failed. Raises GnomonError for an outcome that is not JSON.
    """
    chosen: dict[str, PointRecord] = {}
    for record in records:
        if record.key not in chosen or chosen[record.key].status == "failed":
            chosen[record.key] = record
    return [_to_row(record, contents) for record in chosen.values()]


def keep(connection: Connection, insert: Callable[..., Any], rows: list[dict[str, Any]], run: str | None) -> None:
    """Insert ``rows``: a point that is done already stays, one that failed is replaced. With ``run``, they join it."""
    table = schema.points
    if not rows:
        return
    # one order for all writers: two that write overlapping points would otherwise wait for each other's rows
    rows = sorted(rows, key=lambda row: row["key"])
    new = insert(table)
    fresh = {c: new.excluded[c] for c in ("status", "created", "stored", "document")}
    connection.execute(
        new.on_conflict_do_update(index_elements=[table.c.key], set_=fresh, where=table.c.status == "failed"), rows
    )
    if run is not None:
        belongs = [{"run": run, "key": row["key"]} for row in rows]
        connection.execute(insert(schema.run_points).on_conflict_do_nothing(), belongs)


def documents(
    connection: Connection,
    *,
    keys: Collection[str] | None,
    runs: Collection[str] | None,
    **equal: Collection[str] | None,
) -> list[tuple[str, str]]:
    """Key and document of the points that fit, oldest first. Only the rows asked for are read: keys are indexed."""
    table, belongs = schema.points, schema.run_points
    chosen = select(table.c.key, table.c.document, table.c.stored)
    for name, choice in equal.items():
        if choice is not None:
            chosen = chosen.where(table.c[name].in_(choice))
    if runs is not None:
        chosen = chosen.where(table.c.key.in_(select(belongs.c.key).where(belongs.c.run.in_(runs))))
    if keys is None:
        found = list(connection.execute(chosen))
    else:
        wanted = sorted(set(keys))
        found = [
            row
            for start in range(0, len(wanted), _KEYS_AT_ONCE)
            for row in connection.execute(chosen.where(table.c.key.in_(wanted[start : start + _KEYS_AT_ONCE])))
        ]
    return [(row.key, row.document) for row in sorted(found, key=lambda row: (row.stored, row.key))]


def from_document(key: str, text: str, read: ReadArray) -> PointRecord:
    """The point of one row. Raises GnomonError when the row or one of its arrays cannot be read."""
    with _readable(key):
        document = json.loads(text)
        for path, digest in document.pop("arrays", ()):
            *parents, last = path
            holder = document["outcome"]
            for name in parents:
                holder = holder[name]
            holder[last] = read(digest).tolist()
        return PointRecord(**document)


def without_outcome(key: str, text: str) -> PointRecord:
    """The point of one row, its outcome left out. Raises GnomonError when the row cannot be read."""
    with _readable(key):
        document = json.loads(text)
        document.pop("arrays", None)
        return PointRecord(**{**document, "outcome": {}})


@contextlib.contextmanager
def _readable(key: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise GnomonError(f"point {key} of the store cannot be read: {error}", mend="restore a copy") from error


def _to_row(record: PointRecord, contents: dict[str, bytes]) -> dict[str, Any]:
    lifted: list[tuple[Path, NDArray[Any]]] = []
    outcome = _without_arrays(record.outcome, (), lifted)
    document = {**record.to_json(), "outcome": outcome}
    if lifted:
        document["arrays"] = [[path, put_array(array, contents)] for path, array in lifted]
    try:
        text = canonical(document)
    except GnomonError as error:
        raise GnomonError(
            f"the outcome of a point of {record.experiment} {error.cause}",
            mend="let it hold numbers, text, None and lists of them; None for what is not finite",
        ) from error
    return {
        "key": record.key,
        "experiment": record.experiment,
        "status": record.status,
        "created": record.created,
        "stored": time.time_ns(),
        "document": text,
    }


def _without_arrays(value: Any, path: Path, lifted: list[tuple[Path, NDArray[Any]]]) -> Any:
    """``value`` with ``None`` in the place of every large array of numbers, which goes to ``lifted``."""
    if isinstance(value, dict):
        return {name: _without_arrays(inner, (*path, name), lifted) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    array = _large_array(value)
    if array is None:
        return [_without_arrays(inner, (*path, place), lifted) for place, inner in enumerate(value)]
    lifted.append((path, array))
    return None


def _large_array(value: list[Any]) -> NDArray[Any] | None:
    """``value`` as an array, where that is large and gives the very same list back: all floats or all integers."""
    shape = []
    inner: Any = value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    if int(np.prod(shape)) <= LARGE or not isinstance(inner, int | float):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # ragged, or an integer beyond 64 bits
        return None
    kind = {np.dtype(np.float64): float, np.dtype(np.int64): int}.get(array.dtype)
    flat: Any = value
    for _ in shape[1:]:
        flat = [leaf for row in flat for leaf in row]
    same = kind is not None and all(isinstance(leaf, kind) and not isinstance(leaf, bool) for leaf in flat)
    return array if same and np.isfinite(array).all() else None
