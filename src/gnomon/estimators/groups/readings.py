"""What is said about one function on a group, and the quantities that say it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import Estimator
from gnomon.estimators.groups.shares import MOST, at_least, permuted, shares_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, clopper_pearson
from gnomon.randomness import Rng
from gnomon.subjects.symmetry import Group

_SOURCE = "Nanda et al., arXiv:2301.05217; Chughtai, Chan & Nanda, arXiv:2302.03025"
_ROUNDING = "float64 rounding"


def quantities_of(prefix: str, *, place: str, of: str) -> tuple[Quantity, ...]:
    """The six quantities, of weights or of activations: ``of`` says what the function's values are."""
    dims = (place, "elements")
    return (
        Quantity(
            name=f"{prefix}irrep_power",
            symbol=r"s_\rho",
            definition=r"s_\rho = \frac{\|P_\rho f\|^2}{\sum_{\sigma \ne 1} \|P_\sigma f\|^2},\quad "
            r"P_\rho = \frac{d_\rho}{|G|} \sum_g \overline{\chi_\rho(g)} R(g)",
            convention=f"f(g) are {of}. One entry for each irreducible representation that is not trivial; conjugate "
            "ones are taken together, so that those of a cyclic group are the frequencies 1 to n/2.",
            source=_SOURCE,
            dims=dims,
            axes=("irrep",),
            invariances=("scaling",),
            lowest=0.0,
            highest=1.0,
        ),
        Quantity(
            name=f"{prefix}leading_irrep_share",
            symbol=r"S_m",
            definition=r"S_m = \sum_{i \le m} s_{(i)}",
            convention=f"f(g) are {of}. The m largest shares, m a quarter of the irreps that are not trivial, at most "
            "5. Large also for weights in no order at all: compare with the null in the diagnostics.",
            source=_SOURCE,
            dims=dims,
            invariances=("scaling",),
            lowest=0.0,
            highest=1.0,
        ),
        Quantity(
            name=f"{prefix}irreps_for_70_percent",
            symbol=r"n_{70}",
            definition=r"n_{70} = \min\{m: S_m \ge 0.7\}",
            convention=f"f(g) are {of}. Largest shares first, the trivial representation left out.",
            source=_SOURCE,
            dims=dims,
            invariances=("scaling",),
            lowest=1.0,
        ),
        Quantity(
            name=f"{prefix}leading_irrep_p_value",
            symbol=r"p_\pi",
            definition=r"p_\pi = \mathrm{Pr}_\pi\bigl[S_m(f \circ \pi) \ge S_m(f)\bigr]",
            convention=f"f(g) are {of}. Over uniformly random orders π of the elements; ties count.",
            source="Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39",
            dims=dims,
            invariances=("scaling",),
            lowest=0.0,
            highest=1.0,
        ),
        Quantity(
            name=f"{prefix}unit_irrep_share",
            symbol=r"S_\mathrm{unit}",
            definition=r"S_\mathrm{unit} = \frac{\sum_j \max_{\rho \ne 1} \|P_\rho f_j\|^2}"
            r"{\sum_j \sum_{\rho \ne 1} \|P_\rho f_j\|^2}",
            convention=f"f(g) are {of}, and the f_j their coordinates: the share of the power that lies in each "
            "coordinate's own leading irrep. Depends on the choice of coordinates; 1 where each unit holds one irrep.",
            source="Gromov, arXiv:2301.02679; " + _SOURCE,
            dims=dims,
            invariances=("scaling",),
            lowest=0.0,
            highest=1.0,
        ),
        Quantity(
            name=f"{prefix}unit_irrep_p_value",
            symbol=r"p_\mathrm{unit}",
            definition=r"p_\mathrm{unit} = \mathrm{Pr}_\pi\bigl[S_\mathrm{unit}(f \circ \pi) "
            r"\ge S_\mathrm{unit}(f)\bigr]",
            convention=f"f(g) are {of}. Over uniformly random orders π of the elements; ties count.",
            source="Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39",
            dims=dims,
            invariances=("scaling",),
            lowest=0.0,
            highest=1.0,
        ),
    )


def readings(
    instrument: Estimator,
    group: Group,
    values: NDArray[np.float64],
    *,
    leading: int,
    permutations: int,
    rng: Rng,
    site: str,
    elements: str,
) -> list[Measurement]:
    """The quantities of a function given without error, ``values`` of shape ``(order, m)``."""
    power, share, number, p_value, unit_share, unit_p_value = instrument.quantities
    labels = {"elements": elements}
    found = shares_of(group, values)
    if found is None:
        reason = f"it is the same for all elements of {group.name}"
        return [
            Measurement.insufficient(q, reason, site=site, labels=labels, estimator=instrument.name)
            for q in instrument.quantities
        ]
    m = min(leading, len(found.values))
    null = permuted(group, values, m, permutations, rng.child("permutations").numpy())
    led, owned = _Against(found.leading(m), null.leading), _Against(found.of_units, null.of_units)
    exact = Uncertainty.exact(systematic=found.rounding, systematic_source=_ROUNDING)
    # a count moves only if a sum of shares lies within rounding of the threshold
    undecided = found.number_for(MOST + 2 * found.rounding * len(found.values)) != found.number_for(MOST)
    counted = Uncertainty.exact(systematic=float(undecided), systematic_source=_ROUNDING)
    leaders = {"leading": m, "leaders": found.leaders(m)}
    whole = {"group": group.name, "irreps": list(found.names), "power": found.power, "constant": found.constant}
    parts = (
        (power, found.values, exact, whole),
        (share, led.observed, exact, {**leaders, **led.told}),
        (number, float(found.number_for(MOST)), counted, {"leaders": found.leaders(found.number_for(MOST))}),
        (p_value, led.p_value, led.interval, {**leaders, **led.told}),
        (unit_share, owned.observed, exact, owned.told),
        (unit_p_value, owned.p_value, owned.interval, owned.told),
    )
    return [
        Measurement.ok(q, value, error, site=site, labels=labels, estimator=instrument.name, diagnostics=said)
        for q, value, error, said in parts
    ]


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
