"""What is said about one function on a group, and the quantities that say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.groups.shares import MOST, Shares, at_least, permuted
from gnomon.measurement import Measurement, Quantity, Uncertainty, Value, clopper_pearson
from gnomon.subjects.symmetry import Group

_SOURCE = "Nanda et al., arXiv:2301.05217; Chughtai, Chan & Nanda, arXiv:2302.03025"
_NULL_SOURCE = "Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39"

# What the f(g) are, where the measurement is placed, and what the names of the quantities begin with.
_WEIGHTS = ("the rows of a weight matrix that belong to the elements", "matrix", "")
_ACTIVATIONS = ("mean activations over all inputs with this element", "site", "activation_")


def _quantity(
    name: str,
    symbol: str,
    definition: str,
    convention: str,
    kind: tuple[str, str, str],
    *,
    source: str = _SOURCE,
    axes: tuple[str, ...] = (),
    lowest: float = 0.0,
    highest: float = 1.0,
) -> Quantity:
    values, place, prefix = kind
    return Quantity(
        name=prefix + name,
        symbol=symbol,
        definition=definition,
        convention=f"f(g) are {values}. {convention}",
        source=source,
        dims=(place, "elements"),
        axes=axes,
        invariances=("scaling",) if place == "matrix" else (),
        lowest=lowest,
        highest=highest,
    )


def _power(kind: tuple[str, str, str]) -> Quantity:
    return _quantity(
        "irrep_power",
        r"s_\rho",
        r"s_\rho = \frac{\|P_\rho f\|^2}{\sum_{\sigma \ne 1} \|P_\sigma f\|^2},\quad "
        r"P_\rho = \frac{d_\rho}{|G|} \sum_g \overline{\chi_\rho(g)} R(g)",
        "One entry for each irreducible representation that is not trivial; conjugate ones are taken together, so "
        "that those of a cyclic group are the frequencies 1 to n/2.",
        kind,
        axes=("irrep",),
    )


def _leading(kind: tuple[str, str, str]) -> Quantity:
    return _quantity(
        "leading_irrep_share",
        r"S_m",
        r"S_m = \sum_{i \le m} s_{(i)}",
        "The m largest shares, m a quarter of the irreps that are not trivial, at most 5. Large also for elements in "
        "no order at all: compare with the null in the diagnostics.",
        kind,
    )


def _of_units(kind: tuple[str, str, str]) -> Quantity:
    return _quantity(
        "unit_irrep_share",
        r"S_\mathrm{unit}",
        r"S_\mathrm{unit} = \frac{\sum_j \max_{\rho \ne 1} \|P_\rho f_j\|^2}"
        r"{\sum_j \sum_{\rho \ne 1} \|P_\rho f_j\|^2}",
        "The share of the power that lies in each coordinate's own leading irrep. Depends on the choice of "
        "coordinates; 1 where each unit holds one irrep.",
        kind,
        source="Gromov, arXiv:2301.02679; " + _SOURCE,
    )


IRREP_POWER, ACTIVATION_IRREP_POWER = _power(_WEIGHTS), _power(_ACTIVATIONS)
LEADING_IRREP_SHARE, ACTIVATION_LEADING_IRREP_SHARE = _leading(_WEIGHTS), _leading(_ACTIVATIONS)
UNIT_IRREP_SHARE, ACTIVATION_UNIT_IRREP_SHARE = _of_units(_WEIGHTS), _of_units(_ACTIVATIONS)
IRREPS_FOR_70_PERCENT = _quantity(
    "irreps_for_70_percent",
    r"n_{70}",
    r"n_{70} = \min\{m: S_m \ge 0.7\}",
    "Largest shares first, the trivial representation left out.",
    _WEIGHTS,
    lowest=1.0,
    highest=float("inf"),
)
LEADING_IRREP_P_VALUE = _quantity(
    "leading_irrep_p_value",
    r"p_\pi",
    r"p_\pi = \mathrm{Pr}_\pi\bigl[S_m(f \circ \pi) \ge S_m(f)\bigr]",
    "Over uniformly random orders π of the elements; ties count.",
    _WEIGHTS,
    source=_NULL_SOURCE,
)
UNIT_IRREP_P_VALUE = _quantity(
    "unit_irrep_p_value",
    r"p_\mathrm{unit}",
    r"p_\mathrm{unit} = \mathrm{Pr}_\pi\bigl[S_\mathrm{unit}(f \circ \pi) \ge S_\mathrm{unit}(f)\bigr]",
    "Over uniformly random orders π of the elements; ties count.",
    _WEIGHTS,
    source=_NULL_SOURCE,
)


@dataclass(frozen=True, eq=False)
class Readings:
    """All that is read of one function: by quantity the value, its uncertainty, and what else is told."""

    of: Mapping[str, tuple[Value, Uncertainty, dict[str, Any]]]

    def measurements(
        self, quantities: tuple[Quantity, ...], *, site: str, elements: str, estimator: str
    ) -> list[Measurement]:
        """One measurement for each of ``quantities``."""
        found = []
        for quantity in quantities:
            value, error, told = self.of[quantity.name]
            labels = {"elements": elements}
            found.append(
                Measurement.ok(quantity, value, error, site=site, labels=labels, estimator=estimator, diagnostics=told)
            )
        return found


def read_shares(
    group: Group,
    values: NDArray[np.float64],
    shares: Shares,
    *,
    leading: int,
    permutations: int,
    generator: np.random.Generator,
    rounding: str,
) -> Readings:
    """The readings of ``values``, ``(order, m)``, whose ``shares`` are given; ``rounding`` is whose it is."""
    m = min(leading, len(shares.values))
    null = permuted(group, values, m, permutations, generator)
    led, owned = _Against(shares.leading(m), null.leading), _Against(shares.of_units, null.of_units)
    exact = Uncertainty.exact(systematic=shares.rounding, systematic_source=rounding)
    # a count moves only if a sum of shares lies within rounding of the threshold
    number, slack = shares.number_for(MOST), 2 * shares.rounding * len(shares.values)
    undecided = shares.number_for(MOST + slack) != number
    counted = Uncertainty.exact(systematic=float(undecided), systematic_source=rounding)
    leaders = {"leading": m, "leaders": shares.leaders(m)}
    whole = {"group": group.name, "irreps": list(shares.names), "power": shares.power, "constant": shares.constant}
    return Readings(
        {
            IRREP_POWER.name: (shares.values, exact, whole),
            ACTIVATION_IRREP_POWER.name: (shares.values, exact, whole),
            LEADING_IRREP_SHARE.name: (led.observed, exact, {**leaders, **led.told}),
            ACTIVATION_LEADING_IRREP_SHARE.name: (led.observed, exact, {**leaders, **led.told}),
            IRREPS_FOR_70_PERCENT.name: (float(number), counted, {"leaders": shares.leaders(number)}),
            LEADING_IRREP_P_VALUE.name: (led.p_value, led.interval, {**leaders, **led.told}),
            UNIT_IRREP_SHARE.name: (owned.observed, exact, owned.told),
            ACTIVATION_UNIT_IRREP_SHARE.name: (owned.observed, exact, owned.told),
            UNIT_IRREP_P_VALUE.name: (owned.p_value, owned.interval, owned.told),
        }
    )


@dataclass(frozen=True, eq=False)
class _Against:
    """A statistic and what it was under random orders."""

    observed: float
    null: NDArray[np.float64]

    @property
    def p_value(self) -> float:
        return (at_least(self.null, self.observed) + 1) / (len(self.null) + 1)

    @property
    def interval(self) -> Uncertainty:
        return clopper_pearson(at_least(self.null, self.observed), len(self.null), covers=frozenset({"probe"}))

    @property
    def told(self) -> dict[str, float]:
        return {
            "p_value": self.p_value,
            "null_mean": float(self.null.mean()),
            "null_95_percent": float(np.quantile(self.null, 0.95)),
            "permutations": len(self.null),
        }
