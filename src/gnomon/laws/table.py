"""Measurements as a table: what a law is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

_LARGEST = 1e100


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of measurements.

    Parameters
    ----------
    x : inputs, shape ``(n, k)``, finite.
    y : what was measured, shape ``(n,)``, finite.
    columns : names of the inputs, in order.
    target : name of what was measured.
    groups : shape ``(n,)``; rows of one group (a run, a seed) depend on each other and are resampled together.
        ``None``: every row is its own.

    Raises
    ------
    GnomonError : when shapes disagree, there is no row, or a number is not finite, or beyond 10^±100: its square, or
        that of its inverse, would leave what float64 holds.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    columns: tuple[str, ...]
    target: str
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.y)
        if n == 0:
            raise GnomonError("the table has no rows", mend="give measurements")
        if self.x.shape != (n, len(self.columns)) or self.y.shape != (n,):
            raise GnomonError(f"inputs {self.x.shape} and values {self.y.shape} do not fit {len(self.columns)} columns")
        if self.groups is not None and self.groups.shape != (n,):
            raise GnomonError(f"{len(self.groups)} groups for {n} rows")
        for name, column in zip((*self.columns, self.target), (*self.x.T, self.y), strict=True):
            bad = np.flatnonzero(~np.isfinite(column))
            if len(bad):
                raise GnomonError(f"column {name!r} is not finite in row {bad[0] + 1}", mend="leave the row out")
            size = np.abs(column)
            bad = np.flatnonzero((size > _LARGEST) | ((size > 0) & (size < 1 / _LARGEST)))
            if len(bad):
                raise GnomonError(
                    f"column {name!r} is {column[bad[0]]:g} in row {bad[0] + 1}, which cannot be calculated with",
                    mend="measure it in another unit",
                )

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Table:
        """The table of some of the rows."""
        groups = None if self.groups is None else self.groups[chosen]
        return Table(x=self.x[chosen], y=self.y[chosen], columns=self.columns, target=self.target, groups=groups)
