"""What a phenomenon looks like, as plain numbers; the report draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gnomon.errors import GnomonError

Numbers = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series: values ``y`` at ``x``, with a band from ``low`` to ``high`` where given.

    ``None`` in ``y`` is a gap. ``group`` names a colour: curves with one group share it (seeds of one arm, say);
    the default is the name. ``dashed`` marks controls and theory.
    """

    name: str
    x: Numbers
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    style: Literal["line", "points", "both"] = "line"
    dashed: bool = False
    group: str | None = None

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.x, self.y, self.low, self.high) if part is not None}
        if len(lengths) != 1:
            raise GnomonError(f"curve {self.name!r}: x, y and its band differ in length: {sorted(lengths)}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A reference line with its label: upright at ``x``, or level at ``y``."""

    label: str
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart of curves.

    Parameters
    ----------
    key : snake_case, unique within its phenomenon.
    title, caption : what is seen and how to read it; the caption says what bands are and over how many seeds.
    x, y : titles of the axes, with units in brackets.
    log_x, log_y : whether an axis is logarithmic; every value must then be positive.
    square : equal scales on both axes.
    """

    key: str
    title: str
    caption: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    rules: tuple[Rule, ...] = ()
    log_x: bool = False
    log_y: bool = False
    square: bool = False


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """A matrix as colours. ``diverging`` puts zero in the middle of the scale."""

    key: str
    title: str
    caption: str
    x: str
    y: str
    values: Sequence[Numbers]
    x_labels: Sequence[str] | None = None
    y_labels: Sequence[str] | None = None
    diverging: bool = False
