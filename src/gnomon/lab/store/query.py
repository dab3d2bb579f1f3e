"""Stored measurements as labelled arrays."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.store.store import Choice, Store, Stored
from gnomon.measurement import Measurement, Quantity, catalogue

if TYPE_CHECKING:
    import xarray

# dims that are added, in this order, where measurements cannot be told apart without them
_ADDED = ("subject", "estimator", "seed", "data_hash", "weights_hash")
_MISSING = "missing"


def query(
    quantity: Choice = None,
    *,
    store: Store | str | Path | None = None,
    dims: Sequence[str] = (),
    site: Choice = None,
    estimator: Choice = None,
    subject: Choice = None,
    run: Choice = None,
    weights_hash: Choice = None,
    data_hash: Choice = None,
    seed: int | Collection[int] | None = None,
) -> xarray.Dataset:
    """The stored measurements of one or more quantities, as a dataset with labelled dims.

    For each quantity ``q`` there are the variables ``q``; ``q_low`` and ``q_high``, the ends of its interval (equal
    to the value where it is exact, NaN where the uncertainty is unknown); ``q_systematic``, the bound that the
    interval leaves out (NaN: none stated); and ``q_status``: ``ok``, ``insufficient``, ``failed`` or ``missing``.
    Whatever is not ``ok`` is NaN. Attributes give unit, symbol, definition, level and which randomness the interval
    covers.

    The dims of a quantity are those of its definition (``site`` or ``matrix``, labels such as ``step``) and the axes
    of its values, shorter ones being filled up with NaN. Of ``subject``, ``estimator``, ``seed``, ``data_hash``
    and ``weights_hash``, in this order, those are added without which two measurements would fall into one cell;
    what all measurements share is an attribute instead. Where the same is measured twice, the newest wins, whatever
    its status; ``dims=["run"]`` keeps them apart.

    Parameters
    ----------
    quantity : name or names; ``None`` for all that is stored.
    store : a `Store` or its location; ``None`` means ``$GNOMON_STORE`` or ``./.gnomon``.
    dims : dims to have in any case, of the five above or ``run``.
    site, estimator, subject, run, weights_hash, data_hash, seed : see `Store.measurements`.

    Raises
    ------
    GnomonError : when nothing fits, or the store cannot be read.
    UnknownNameError : for a dim that does not exist.
    """
    import xarray

    for name in dims:
        if name not in (*_ADDED, "run"):
            raise UnknownNameError("dim", name, (*_ADDED, "run"))
    with _opened(store) as opened:
        found = opened.select(
            quantity=quantity,
            site=site,
            estimator=estimator,
            subject=subject,
            run=run,
            weights_hash=weights_hash,
            data_hash=data_hash,
            seed=seed,
            by_run="run" in dims,
        )
        if not found:
            asked = "anything" if quantity is None else quantity if isinstance(quantity, str) else ", ".join(quantity)
            raise GnomonError(
                f"store {opened.place} holds no such measurement of {asked}",
                mend="measure it first, or ask for less",
            )
    groups: dict[str, list[Stored]] = {}
    for one in found:
        groups.setdefault(one.measurement.quantity, []).append(one)
    tables = [_table(name, groups[name], dims) for name in sorted(groups)]
    coordinates = _coordinates(tables)
    lengths: dict[str, int] = {}
    for table in tables:
        for axis, length in zip(table.axes, table.lengths, strict=True):
            lengths[axis] = max(length, lengths.get(axis, 0))
    variables: dict[str, Any] = {}
    for table in tables:
        variables |= _variables(table, coordinates, lengths)
    return xarray.Dataset(variables, coords={dim: values for dim, (_, values) in coordinates.items()})


@dataclass(frozen=True)
class _Table:
    """The measurements of one quantity: ``cells`` maps the coordinates along ``dims`` to the newest measurement."""

    name: str
    defined: Quantity | None
    dims: tuple[str, ...]
    axes: tuple[str, ...]
    lengths: tuple[int, ...]
    cells: dict[tuple[str, ...], Measurement]
    attributes: dict[str, Any]


def _table(name: str, found: Sequence[Stored], asked: Sequence[str]) -> _Table:
    defined = _definition(name)
    declared = () if defined is None else defined.dims
    place = "matrix" if "matrix" in declared else "site"
    places = (place,) if place in declared or any(s.measurement.site is not None for s in found) else ()
    labels = sorted({label for s in found for label in s.measurement.labels} | (set(declared) - {place}))
    dims = (*(d for d in (*_ADDED, "run") if d in asked), *places, *labels)
    for candidate in _ADDED:
        if candidate not in dims and _mixed(found, dims, candidate):
            dims = (candidate, *dims)
    shapes = [np.shape(s.measurement.value) for s in found if s.measurement.value is not None]
    depth = len(shapes[0]) if shapes else 0
    if any(len(shape) != depth for shape in shapes):
        raise GnomonError(f"values of {name!r} differ in their number of axes", mend="narrow the query")
    axes = tuple(f"{name}_axis{i}" for i in range(depth))
    if defined is not None and len(defined.axes) == depth:
        axes = defined.axes
    return _Table(
        name=name,
        defined=defined,
        dims=dims,
        axes=axes,
        lengths=tuple(max(shape[i] for shape in shapes) for i in range(depth)),
        cells={_cell(s, dims): s.measurement for s in found},  # oldest first, so that the newest wins
        attributes=_attributes(defined, found, dims),
    )


def _definition(name: str) -> Quantity | None:
    """The quantity as the catalogue has it; ``None`` when no installed estimator or theory speaks of it."""
    if name not in catalogue:
        from gnomon.estimators import estimators
        from gnomon.theory import theories

        estimators()
        theories()
    return catalogue[name] if name in catalogue else None  # noqa: SIM401 - its `get` raises, with the nearest names


def _mixed(found: Sequence[Stored], dims: tuple[str, ...], candidate: str) -> bool:
    """Whether two measurements that agree along ``dims`` differ in ``candidate``."""
    seen: dict[tuple[str, ...], str] = {}
    return any(seen.setdefault(_cell(s, dims), _along(s, candidate)) != _along(s, candidate) for s in found)


def _cell(stored: Stored, dims: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_along(stored, dim) for dim in dims)


def _along(stored: Stored, dim: str) -> str:
    """Coordinate of one measurement along ``dim``; ``""`` where it has none."""
    one, origin = stored.measurement, stored.measurement.provenance
    if dim in one.labels:
        return str(one.labels[dim])
    if dim == "run":
        return stored.run
    if dim in ("site", "matrix"):
        return one.site or ""
    if dim == "estimator":
        return one.estimator
    if dim in _ADDED:
        value = None if origin is None else getattr(origin, dim)
        return "" if value is None else str(value)
    return ""


def _attributes(defined: Quantity | None, found: Sequence[Stored], dims: tuple[str, ...]) -> dict[str, Any]:
    """Attributes of a variable, all of a type that files can hold."""
    newest = found[-1].measurement
    out: dict[str, Any] = {"units": str(newest.unit), "symbol": newest.symbol}
    if defined is not None:
        out |= {"definition": defined.definition, "convention": defined.convention, "source": defined.source}
    levels = sorted({s.measurement.uncertainty.level for s in found} - {None})  # type: ignore[type-var]
    if levels:
        out["level"] = levels[0] if len(levels) == 1 else levels
    out["covers"] = ", ".join(sorted({c for s in found for c in s.measurement.uncertainty.covers}))
    for name in _ADDED:
        values = {_along(s, name) for s in found}
        if name not in dims and len(values) == 1:
            out[name] = values.pop()
    return out


def _coordinates(tables: Sequence[_Table]) -> dict[str, tuple[dict[str, int], NDArray[Any]]]:
    """For each dim, the position of each coordinate, and the coordinates in order: as numbers where all are."""
    texts: dict[str, set[str]] = {}
    for table in tables:
        for i, dim in enumerate(table.dims):
            texts.setdefault(dim, set()).update(cell[i] for cell in table.cells)
    out: dict[str, tuple[dict[str, int], NDArray[Any]]] = {}
    for dim, found in texts.items():
        numbers = {text: _number(text) for text in found}
        if None in numbers.values() or len(set(numbers.values())) < len(found):
            order = sorted(found, key=_reading_order)
            values = np.array(order)
        else:
            order = sorted(found, key=lambda text: numbers[text] or 0)
            values = np.array([numbers[text] for text in order])
        out[dim] = {text: i for i, text in enumerate(order)}, values
    return out


def _number(text: str) -> int | float | None:
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.?\d*(e[+-]?\d+)?", text) else None


def _reading_order(text: str) -> tuple[Any, ...]:
    """From the input of a network to its output, ``blocks.2`` before ``blocks.10``."""
    rank = {"embed": 0, "logits": 2}.get(re.split(r"[.:]", text)[0], 1)
    return rank, [(len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def _variables(
    table: _Table, coordinates: dict[str, tuple[dict[str, int], NDArray[Any]]], lengths: dict[str, int]
) -> dict[str, Any]:
    outer = tuple(len(coordinates[dim][1]) for dim in table.dims)
    full = (*outer, *(lengths[axis] for axis in table.axes))
    value, low, high = (np.full(full, np.nan) for _ in range(3))
    systematic = np.full(outer, np.nan)
    status = np.full(outer, _MISSING, dtype="<U12")
    unit = next(reversed(table.cells.values())).unit if table.defined is None else table.defined.unit
    for cell, one in table.cells.items():
        at = tuple(coordinates[dim][0][text] for dim, text in zip(table.dims, cell, strict=True))
        status[at] = one.status
        if one.value is None:
            continue
        factor = one.unit.factor_to(unit)
        uncertainty = one.uncertainty
        inside: tuple[int | slice, ...] = (*at, *(slice(length) for length in np.shape(one.value)))
        value[inside] = np.multiply(factor, one.value)
        if uncertainty.kind != "unknown":
            low[inside] = np.multiply(factor, one.value if uncertainty.low is None else uncertainty.low)
            high[inside] = np.multiply(factor, one.value if uncertainty.high is None else uncertainty.high)
        if uncertainty.systematic is not None:
            systematic[at] = factor * uncertainty.systematic
    name, attributes = table.name, {**table.attributes, "units": str(unit)}
    dims = (*table.dims, *table.axes)
    return {
        name: (dims, value, attributes),
        f"{name}_low": (dims, low, attributes),
        f"{name}_high": (dims, high, attributes),
        f"{name}_systematic": (table.dims, systematic, attributes),
        f"{name}_status": (table.dims, status),
    }


@contextlib.contextmanager
def _opened(store: Store | str | Path | None) -> Iterator[Store]:
    if isinstance(store, Store):
        yield store
        return
    with Store.open(store, create=False) as opened:
        yield opened
