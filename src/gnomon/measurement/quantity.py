"""The definition of something measurable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gnomon.errors import GnomonError
from gnomon.measurement.unit import DIMENSIONLESS, Unit

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    r"""What is measured, apart from how.

    Parameters
    ----------
    name : snake_case, the same in code, command line, JSON and docs.
    symbol : LaTeX symbol, e.g. ``d_\mathrm{PR}``.
    unit : unit of the value.
    definition : the defining equation, in LaTeX.
    convention : the choices that the definition leaves open (normalisation, mode, logarithm).
    source : reference to the paper or book that defines it; a quantity cannot be made without one.
    dims : names of the labels that tell its measurements apart, e.g. ``("site",)``.
    axes : names of the axes of one value; ``()`` for a scalar, ``("component",)`` for a spectrum.
    invariances : transformations that leave it unchanged, by name (see ``gnomon.testing``).
    lowest, highest : range of possible values; measurements outside it are refused.

    Raises
    ------
    GnomonError : when a name is malformed or the definition or source is empty.
    """

    name: str
    symbol: str
    definition: str
    source: str
    unit: Unit = DIMENSIONLESS
    convention: str = ""
    dims: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    invariances: tuple[str, ...] = ()
    lowest: float = float("-inf")
    highest: float = float("inf")

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise GnomonError(f"quantity name {self.name!r} is not snake_case")
        for field in ("symbol", "definition", "source"):
            if not getattr(self, field).strip():
                raise GnomonError(f"quantity {self.name!r} has no {field}", mend=f"state its {field}")
        if not self.lowest < self.highest:
            raise GnomonError(f"quantity {self.name!r} has an empty range [{self.lowest}, {self.highest}]")

    def to_json(self) -> dict[str, Any]:
        """The definition as a JSON object."""
        return {
            "name": self.name,
            "symbol": self.symbol,
            "unit": str(self.unit),
            "dims": list(self.dims),
            "axes": list(self.axes),
            "definition": self.definition,
            "convention": self.convention,
            "source": self.source,
            "invariances": list(self.invariances),
        }
