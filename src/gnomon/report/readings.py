"""Readings as the rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.certificates import Mark
from gnomon.report.numbers import Reading, plain, read, seconds, unit_text
from gnomon.report.themes import rank, words

_SHORT = 34  # letters that fit in a cell

Marks = Mapping[tuple[str, str], Mark]


@dataclass(frozen=True)
class Row:
    """One reading in full."""

    quantity: str
    title: str
    place: str
    reading: Reading | None
    unit: str
    level: str
    covers: str
    samples: str
    systematic_source: str
    status: str
    reason: str
    mark: Mark
    estimator: str
    cost: str

    @property
    def verdict(self) -> str:
        """Why there is no reading, in a few words: what the reason says before its colon, or the status."""
        lead, colon, _ = self.reason.partition(":")
        return lead if colon and len(lead) <= _SHORT else self.status


@dataclass(frozen=True)
class Group:
    """All readings of one quantity."""

    quantity: str
    title: str
    symbol: str
    rows: tuple[Row, ...]
    refused: int


@dataclass(frozen=True)
class Column:
    """One quantity in a wide table."""

    quantity: str
    title: str
    symbol: str
    unit: str
    said: str
    mark: Mark


@dataclass(frozen=True)
class Wide:
    """Places down, quantities across; a missing cell is ``None``.

    ``level`` is that of all the intervals; ``said`` of a column is the uncertainty that all its cells share.
    """

    caption: str
    level: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Row | None, ...]], ...]


def row(measurement: Measurement, marks: Marks) -> Row:
    """``measurement`` as a row of text."""
    uncertainty = measurement.uncertainty
    cost = measurement.cost.seconds
    return Row(
        quantity=measurement.quantity,
        title=words(measurement.quantity).title,
        place=place(measurement),
        reading=read(measurement),
        unit=unit_text(measurement),
        level=f"{uncertainty.level:.0%}".replace("%", "\N{NO-BREAK SPACE}%") if uncertainty.level is not None else "",
        covers=", ".join(sorted(uncertainty.covers)),
        samples=plain(uncertainty.effective_samples) if uncertainty.effective_samples is not None else "",
        systematic_source=uncertainty.systematic_source,
        status=measurement.status,
        reason=measurement.reason,
        mark=marks[measurement.estimator, measurement.quantity],
        estimator=measurement.estimator,
        cost=seconds(cost) if cost > 0 else "",
    )


def place(measurement: Measurement) -> str:
    """Site and labels in one line."""
    labels = [v if k == "other_site" else f"{k} {v}" for k, v in sorted(measurement.labels.items())]
    return " · ".join([measurement.site or "whole network", *labels])


def groups(measurements: Sequence[Measurement], marks: Marks, order: Sequence[str]) -> list[Group]:
    """All readings by quantity, each in forward order."""
    found = []
    for quantity, members in by_quantity(measurements, order).items():
        found.append(
            Group(
                quantity=quantity,
                title=words(quantity).title,
                symbol=members[0].symbol,
                rows=tuple(row(m, marks) for m in members),
                refused=sum(m.status != "ok" for m in members),
            )
        )
    return found


def by_quantity(measurements: Sequence[Measurement], order: Sequence[str]) -> dict[str, list[Measurement]]:
    """Measurements by quantity in the order of the themes, each in forward order."""
    known = {site: i for i, site in enumerate(order)}

    def forward(m: Measurement) -> tuple[Any, ...]:
        site = (m.site or "").partition(":")[0]
        return rank(m.quantity), known.get(site, len(known))

    found: dict[str, list[Measurement]] = {}
    for m in sorted(measurements, key=forward):
        found.setdefault(m.quantity, []).append(m)
    return found


def wholes(measurements: Sequence[Measurement], marks: Marks) -> list[Row]:
    """Readings of the whole network, in the order of the themes."""
    chosen = [m for m in measurements if m.site is None]
    return [row(m, marks) for m in sorted(chosen, key=lambda m: rank(m.quantity))]


def wide(measurements: Sequence[Measurement], marks: Marks, order: Sequence[str]) -> list[Wide]:
    """Scalars by site, and apart from them scalars by weight matrix: places down, quantities across."""
    numbers = {m.quantity for m in measurements if isinstance(m.value, float)}
    scalars = [m for m in measurements if m.quantity in numbers and not isinstance(m.value, np.ndarray)]
    plain_ones = [m for m in scalars if m.site is not None and not m.labels]
    kinds: tuple[tuple[str, Callable[[Measurement], bool]], ...] = (
        ("Readings by site", lambda m: not _of_matrix(m, order)),
        ("Readings by weight matrix", lambda m: _of_matrix(m, order)),
    )
    tables = []
    for caption, belongs in kinds:
        members = [m for m in plain_ones if belongs(m)]
        if members:
            tables.append(_wide(caption, members, marks, order))
    return tables


def _of_matrix(measurement: Measurement, order: Sequence[str]) -> bool:
    return ":" in (measurement.site or "") or (bool(order) and measurement.site not in order)


def _wide(caption: str, members: Sequence[Measurement], marks: Marks, order: Sequence[str]) -> Wide:
    columns: dict[tuple[str, str], Column] = {}
    cells: dict[tuple[str, tuple[str, str]], Row] = {}
    ordered = by_quantity(members, order)
    for quantity, group in ordered.items():
        several = len({m.estimator for m in group}) > 1
        for m in group:
            key = (quantity, m.estimator)
            title = words(quantity).title + (f" ({m.estimator})" if several else "")
            cells[m.site or "", key] = row(m, marks)
            said = _said_by_all([o for o in group if o.estimator == m.estimator])
            columns[key] = Column(quantity, title, m.symbol, unit_text(m), said, marks[m.estimator, quantity])
    known = {site: i for i, site in enumerate(order)}
    sites = list(dict.fromkeys(m.site or "" for group in ordered.values() for m in group))
    sites.sort(key=lambda s: known.get(s.partition(":")[0], len(known)))
    rows = tuple((site, tuple(cells.get((site, key)) for key in columns)) for site in sites)
    levels = sorted({cell.level for cell in cells.values() if cell.level})
    return Wide(caption, " and ".join(levels), tuple(columns.values()), rows)


def _said_by_all(column: Sequence[Measurement]) -> str:
    """``exact`` or ``uncertainty unknown`` where that holds for every reading of a column."""
    spreads = {found.spread for m in column if (found := read(m)) is not None}
    return next(iter(spreads)) if len(spreads) == 1 and spreads <= {"exact", "uncertainty unknown"} else ""
