"""Units as a small algebra: products of named base units with integer powers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from gnomon.errors import GnomonError

# symbol -> (dimension, how many of the dimension's reference unit it is)
_BASE: dict[str, tuple[str, float]] = {
    "nat": ("information", 1.0),
    "bit": ("information", math.log(2.0)),
    "token": ("token", 1.0),
    "example": ("example", 1.0),
    "prediction": ("prediction", 1.0),
    "parameter": ("parameter", 1.0),
    "dimension": ("dimension", 1.0),
    "activation": ("activation", 1.0),
    "weight": ("weight", 1.0),
    "output": ("output", 1.0),
    "step": ("step", 1.0),
    "s": ("time", 1.0),
    "byte": ("storage", 1.0),
    "flop": ("arithmetic", 1.0),
    "joule": ("energy", 1.0),
    "gram": ("mass", 1.0),
}
_FACTOR = re.compile(r"^([a-z]+)(?:\^(-?\d+))?$")


@dataclass(frozen=True)
class Unit:
    """A product of powers of base units; ``Unit()`` is dimensionless and prints as ``1``.

    >>> Unit.parse("nat/token") * Unit.parse("token")
    Unit('nat')
    >>> round(Unit.parse("bit/token").factor_to(Unit.parse("nat/token")), 4)
    0.6931
    """

    powers: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Unit:
        """Read ``"nat/token"``, ``"output^2/activation^2"`` or ``"1"``.

        Raises GnomonError on a symbol that is not a base unit.
        """
        powers: dict[str, int] = {}
        for i, side in enumerate(text.split("/")):
            for factor in side.split("*"):
                if factor.strip() == "1":
                    continue
                match = _FACTOR.match(factor.strip())
                if match is None or match[1] not in _BASE:
                    raise GnomonError(f"cannot read unit {text!r}", mend=f"base units are {', '.join(_BASE)}")
                powers[match[1]] = powers.get(match[1], 0) + int(match[2] or 1) * (1 if i == 0 else -1)
        return cls._of(powers)

    @classmethod
    def _of(cls, powers: dict[str, int]) -> Unit:
        return cls(tuple(sorted((s, p) for s, p in powers.items() if p)))

    def __mul__(self, other: Unit) -> Unit:
        powers = dict(self.powers)
        for symbol, power in other.powers:
            powers[symbol] = powers.get(symbol, 0) + power
        return self._of(powers)

    def __pow__(self, exponent: int) -> Unit:
        return self._of({s: p * exponent for s, p in self.powers})

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1

    def factor_to(self, other: Unit) -> float:
        """The number that a value in this unit is multiplied by to be in ``other``.

        Raises GnomonError when the two do not measure the same dimension.
        """
        mine, theirs = self._dimensions(), other._dimensions()
        if mine != theirs:
            raise GnomonError(f"unit '{self}' cannot be converted to '{other}'", mend="they measure different things")
        return self._scale() / other._scale()

    def _dimensions(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for symbol, power in self.powers:
            out[_BASE[symbol][0]] = out.get(_BASE[symbol][0], 0) + power
        return {d: p for d, p in out.items() if p}

    def _scale(self) -> float:
        return math.prod(_BASE[s][1] ** p for s, p in self.powers)

    def __str__(self) -> str:
        def side(items: list[tuple[str, int]]) -> str:
            return "*".join(s if p == 1 else f"{s}^{p}" for s, p in items)

        top = side([(s, p) for s, p in self.powers if p > 0]) or "1"
        below = [(s, -p) for s, p in self.powers if p < 0]
        return top + "".join("/" + side([factor]) for factor in below)

    def __repr__(self) -> str:
        return f"Unit({str(self)!r})"


DIMENSIONLESS = Unit()
