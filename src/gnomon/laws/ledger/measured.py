"""What is known of a target already: points and measurements in the store, and what the ledger has scored."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Point, experiments
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.entry import moment
from gnomon.laws.ledger.prediction import Target
from gnomon.measurement import Measurement, hash_json

_FIELDS = ("site", "estimator", "subject", "weights_hash", "data_hash", "seed")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something in the store that belongs to a target.

    Parameters
    ----------
    said : what it is, for people.
    created : when it was made.
    value : the measurement, or the outcome of a point.
    """

    said: str
    created: str
    value: Measurement | float


class Known:
    """What store and ledger know. Made anew for each question: it remembers what it has read of the store."""

    def __init__(self, store: Store, book: Book) -> None:
        self._store = store
        self._book = book
        self._records = functools.cache(self._read)

    def of(self, target: Target) -> str | None:
        """Where ``target`` was measured already, in words; ``None`` where nobody knows it."""
        wanted = spec_hashes(target)
        for record in self._book.records.values():
            if record.scored is None:
                continue
            other = record.registered.prediction.target
            if _answers(other, target) or wanted & spec_hashes(other):
                return f"entry {record.scored.number} of the ledger scored it at {record.scored.time}"
        if wanted:
            for one in self._records(str(target.conditions["experiment"])):
                if _hashed(one.experiment, one.spec) in wanted:
                    return f"the store holds a point of it, run at {one.created} by code {one.code_version or '?'}"
            return None
        found = next(in_store(target, self._store), None)
        return None if found is None else f"the store holds {found.said}, of {found.created}"

    def _read(self, experiment: str) -> list[PointRecord]:
        return self._store.points(experiment=experiment, status="done", outcomes=False)


def spec_hashes(target: Target) -> frozenset[str]:
    """Hashes of experiment and spec of the points that ``target`` is made of; nothing where it is not."""
    experiment, specs = target.conditions.get("experiment"), target.conditions.get("specs")
    if not isinstance(experiment, str) or not isinstance(specs, list):
        return frozenset()
    return frozenset(_hashed(experiment, spec) for spec in specs)


def point_hashes(points: Iterable[Point]) -> frozenset[str]:
    """Hashes of experiment and spec of ``points``, whatever the version of the code; see `spec_hashes`."""
    return frozenset(_hashed(p.experiment, p.spec.model_dump(mode="json")) for p in points)


def in_store(target: Target, store: Store) -> Iterator[Found]:
    """The measurements of the target's quantity under its conditions, oldest first.

    A condition is a field of the measurement (``subject``, ``site``, ``estimator``, ``seed``, ``data_hash``,
    ``weights_hash``) or one of its labels. With the condition ``experiment`` points are meant: the others are then
    fields of their specs (nested ones dotted), and the quantity is a number in their outcomes.
    """
    conditions = dict(target.conditions)
    if "experiment" in conditions:
        yield from _in_points(target.quantity, conditions, store)
        return
    fields = {name: str(conditions.pop(name)) for name in _FIELDS if name in conditions}
    for one in store.measurements(quantity=target.quantity, status="ok", **_typed(fields)):
        if all(name in one.labels and _same(one.labels[name], value) for name, value in conditions.items()):
            created = "" if one.provenance is None else one.provenance.created
            yield Found(said=f"a measurement by {one.estimator or 'an unnamed estimator'}", created=created, value=one)


def made_at(created: str) -> str:
    """The latest moment that ``created`` may mean: the end of its second, where it states whole seconds, or now.

    Raises InsufficientEvidenceError when it is no time.
    """
    now = datetime.now(UTC)
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        raise InsufficientEvidenceError(
            f"a measurement states no time, but {created!r}", mend="measure it again"
        ) from None
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    last = time + timedelta(seconds=1, microseconds=-1) if time.microsecond == 0 else time
    return moment(min(last, now))


def _in_points(quantity: str, conditions: Mapping[str, Any], store: Store) -> Iterator[Found]:
    others = {name: value for name, value in conditions.items() if name not in ("experiment", "specs", "statistic")}
    for record in store.points(experiment=str(conditions["experiment"]), status="done"):
        number = record.outcome.get(quantity)
        fits = all(_same(_field(record.spec, name), value) for name, value in others.items())
        if fits and isinstance(number, int | float) and not isinstance(number, bool):
            said = f"point {record.key[:12]} of {record.experiment}"
            yield Found(said=said, created=record.created, value=float(number))


def _answers(measured: Target, target: Target) -> bool:
    """Whether what was ``measured`` is of the quantity of ``target`` and under all its conditions, 1e2 being 100."""
    if measured.quantity != target.quantity or not target.conditions.keys() <= measured.conditions.keys():
        return False
    return all(_same(value, measured.conditions[name]) for name, value in target.conditions.items())


def _typed(fields: dict[str, str]) -> dict[str, Any]:
    """``fields`` as `Store.measurements` takes them. Raises GnomonError for a seed that is no integer."""
    if "seed" not in fields:
        return fields
    try:
        return {**fields, "seed": int(fields["seed"])}
    except ValueError:
        raise GnomonError(f"the condition seed={fields['seed']!r} is no integer", mend="give an integer") from None


def _field(spec: Mapping[str, Any], name: str) -> Any:
    value: Any = spec
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _same(one: Any, other: Any) -> bool:
    """Equal as numbers where both are, else as text."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-12)
    except (TypeError, ValueError):
        return str(one) == str(other)


def _hashed(experiment: str, spec: Mapping[str, Any]) -> str:
    """Hash of experiment and spec; fields that the spec has got since, by their defaults."""
    known = experiments().get(experiment)
    whole = dict(spec)
    if known is not None:
        with contextlib.suppress(GnomonError):  # a spec of long ago, which no longer fits, is equal to none of today
            whole = known.spec.model_validate(whole).model_dump(mode="json")
    return hash_json({"experiment": experiment, "spec": whole})
