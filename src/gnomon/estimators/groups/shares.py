"""How the power of a function on a group is spread over the irreducible representations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.subjects.symmetry import Group

MOST = 0.7  # the share of power whose number of irreps is counted
_LEADING = 5
_SLACK = 1e-9  # permutations that are symmetries of the statistic tie with what is observed, up to rounding
_BLOCK_BYTES = 32 * 2**20
_FLOPS_PER_ENTRY = 60.0


@dataclass(frozen=True, eq=False)
class Shares:
    """Power of a function on a group, the constant apart.

    Parameters
    ----------
    names : of the representations but the trivial one.
    values : ``(irreps,)`` their shares of the power; they add up to 1.
    of_units : each column's largest part, added up over the columns, as a share of the power.
    power : squared norm of the function less its mean.
    constant : squared norm of its mean.
    rounding : bound on the error of each share.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    of_units: float
    power: float
    constant: float
    rounding: float

    def leading(self, m: int) -> float:
        """The share of the m largest together."""
        return float(min(1.0, np.sort(self.values)[::-1][:m].sum()))

    def leaders(self, m: int) -> list[str]:
        """Their names, largest first."""
        return [self.names[i] for i in np.argsort(-self.values, kind="stable")[:m]]

    def number_for(self, share: float) -> int:
        """How many of the largest hold at least ``share``."""
        held = np.cumsum(np.sort(self.values)[::-1])
        return min(int((held < share - self.rounding * len(held)).sum()) + 1, len(held))


def shares_of(group: Group, values: NDArray[np.float64]) -> Shares | None:
    """Shares of ``values``, ``(order, m)``; ``None`` where they do not change over the group beyond rounding."""
    values = np.asarray(values, dtype=np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    power, constant = float(np.square(centred).sum()), float(group.order * np.square(mean).sum())
    eps = float(np.finfo(np.float64).eps)
    if power <= (4 * eps) ** 2 * group.order * (power + constant):
        return None
    spread = group.power(centred)[1:]
    amplitude = group.order * eps + eps * math.sqrt(1 + constant / power)
    return Shares(
        names=group.names[1:],
        values=np.minimum(1.0, spread.sum(axis=1) / spread.sum()),
        of_units=min(1.0, float(spread.max(axis=0).sum() / spread.sum())),
        power=power,
        constant=constant,
        rounding=min(1.0, 8 * amplitude),
    )


def default_leading(group: Group) -> int:
    """How many irreps count as leading: a quarter of those that are not trivial, at most 5 and at least 1."""
    return min(_LEADING, max(1, math.ceil((len(group.names) - 1) / 4)))


@dataclass(frozen=True, eq=False)
class Null:
    """The shares after the rows were put in random order, ``(permutations,)`` each."""

    leading: NDArray[np.float64]
    of_units: NDArray[np.float64]


def permuted(
    group: Group, values: NDArray[np.float64], m: int, permutations: int, generator: np.random.Generator
) -> Null:
    """The share of the m leading irreps, and of each column's own, under random orders of the rows."""
    centred = values - values.mean(axis=0)
    block = max(1, _BLOCK_BYTES // (16 * centred.size))
    leading, of_units = [], []
    for start in range(0, permutations, block):
        orders = np.stack([generator.permutation(group.order) for _ in range(min(block, permutations - start))])
        spread = group.power(centred[orders])[:, 1:]
        total = spread.sum(axis=(1, 2))
        leading.append(np.sort(spread.sum(axis=2), axis=1)[:, ::-1][:, :m].sum(axis=1) / total)
        of_units.append(spread.max(axis=1).sum(axis=1) / total)
    return Null(np.concatenate(leading), np.concatenate(of_units))


def at_least(null: NDArray[np.float64], observed: float) -> int:
    """How many of ``null`` reach ``observed``, ties included."""
    return int((null >= observed - _SLACK).sum())


def permutation_flops(group: Group, width: int, permutations: int) -> float:
    """Arithmetic of `permuted`, by its measured time: transforms cost about as much an entry for all groups here."""
    return _FLOPS_PER_ENTRY * permutations * float(width) * group.order
