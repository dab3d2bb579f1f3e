"""Named columns as a file or the store has them, before it is said which of them a law is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.laws.expressions import Column, evaluate
from gnomon.laws.table import Table

Cell = float | int | str | None
"""A number, text, or nothing."""

_NOTHING = {"", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Rows of named cells.

    Parameters
    ----------
    source : what they were read from, as errors call it.
    cells : the columns by name; all have the same length.
    places : what errors call each row, e.g. ``row 3 (line 4)``.
    """

    source: str
    cells: Mapping[str, Sequence[Cell]]
    places: Sequence[str]

    def __len__(self) -> int:
        return len(self.places)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The column ``name`` as numbers, NaN where there is nothing.

        Raises UnknownNameError for a column that is not there, GnomonError for text, naming its row.
        """
        found = np.empty(len(self))
        for i, cell in enumerate(self._column(name)):
            try:
                found[i] = math.nan if _is_nothing(cell) else float(cell)  # type: ignore[arg-type]
            except ValueError:
                raise GnomonError(
                    f"{self.source}, {self.places[i]}: column {name!r} holds {cell!r}, which is no number",
                    mend="mend the cell or choose another column",
                ) from None
        return found

    def derived(self, definition: str) -> Frame:
        """With one more column, as ``NAME=EXPRESSION`` defines it (see `evaluate`)."""
        name, equals, expression = (part.strip() for part in definition.partition("="))
        if not equals or not name or expression.startswith("="):
            raise GnomonError(f"cannot read the column {definition!r}", mend="write NAME=EXPRESSION")
        value = evaluate(expression, self._either)
        if value.dtype == np.bool_ or value.dtype.kind in "OU":
            raise GnomonError(f"{expression!r} gives no numbers", mend="write for example D=[Training FLOP]/(6*N)")
        column = np.broadcast_to(value, (len(self),)).tolist()
        return replace(self, cells={**self.cells, name: column})

    def where(self, condition: str) -> Frame:
        """The rows for which ``condition`` (see `evaluate`) holds. Raises GnomonError when there is none."""
        value = evaluate(condition, self._either)
        if value.dtype != np.bool_:
            raise GnomonError(f"{condition!r} is no condition", mend="write for example 'loss < 3.4'")
        kept: list[int] = np.flatnonzero(np.broadcast_to(value, (len(self),))).tolist()
        if not kept:
            raise GnomonError(f"{self.source}: no row has {condition}", mend="ask for less")
        return replace(
            self,
            cells={name: [column[i] for i in kept] for name, column in self.cells.items()},
            places=[self.places[i] for i in kept],
        )

    def table(self, x: Sequence[str], y: str, group: str | None = None) -> Table:
        """The columns ``x`` and ``y`` as a table; rows with the same ``group`` depend on each other.

        Raises
        ------
        UnknownNameError : for a column that is not there.
        GnomonError : for text or nothing where a number is wanted, naming the row, and when there is a single row.
        """
        names = [*x, y]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise GnomonError(f"column {repeated[0]!r} is named twice", mend="name each once")
        numbers = {name: self.numbers(name) for name in names}
        for name, column in numbers.items():
            bad = np.flatnonzero(~np.isfinite(column))
            if len(bad):
                what = "nothing" if math.isnan(column[bad[0]]) else "an infinity"
                raise GnomonError(
                    f"{self.source}, {self.places[bad[0]]}: column {name!r} holds {what}",
                    mend=f"leave such rows out with --where '[{name}] < 1e300'",
                )
        if len(self) == 1:
            raise GnomonError(f"{self.source} has a single row", mend="a law is fitted to several")
        groups = None if group is None else self._groups(group)
        return Table(
            x=np.stack([numbers[name] for name in x], axis=1), y=numbers[y], columns=tuple(x), target=y, groups=groups
        )

    def _column(self, name: str) -> Sequence[Cell]:
        if name not in self.cells:
            raise UnknownNameError(f"column of {self.source}", name, self.cells)
        return self.cells[name]

    def _either(self, name: str) -> Column:
        """As numbers where there is no text, else as text."""
        try:
            return self.numbers(name)
        except UnknownNameError:
            raise
        except GnomonError:
            return np.array(["" if cell is None else str(cell) for cell in self._column(name)], dtype=object)

    def _groups(self, name: str) -> NDArray[np.int64]:
        order: dict[Cell, int] = {}
        column = self._column(name)
        for i, cell in enumerate(column):
            if _is_nothing(cell):
                raise GnomonError(f"{self.source}, {self.places[i]}: column {name!r} names no group", mend="name one")
        return np.array([order.setdefault(cell, len(order)) for cell in column], dtype=np.int64)


def _is_nothing(cell: Cell) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _NOTHING
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
