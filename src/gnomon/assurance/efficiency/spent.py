"""What measurements that were made have taken: arithmetic, time, and estimated energy and carbon."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gnomon.assurance.efficiency.energy import Power
from gnomon.assurance.efficiency.quantities import CARBON_SPENT, ENERGY_SPENT
from gnomon.measurement import Cost, Measurement, Uncertainty

_THREADS = re.compile(r"cpu with (\d+) threads?$")
_ESTIMATE = {"from": "estimate"}


def cost_of(measurements: Iterable[Measurement]) -> Cost:
    """The cost of all together. Each measurement carries its share of what was shared, so that shares add up."""
    return sum((m.cost for m in measurements), Cost())


def spent(measurements: Iterable[Measurement], power: Power | None = None) -> tuple[Measurement, Measurement]:
    """`ENERGY_SPENT` and `CARBON_SPENT` of all together, each from its recorded seconds and hardware.

    Every thread is taken to have been busy all the time. What ran on an accelerator, or does not say where, makes both
    ``insufficient``: its watts are not known.
    """
    core_seconds, elsewhere = 0.0, 0
    rates = power or Power()
    for m in measurements:
        known = _THREADS.search(m.provenance.hardware) if m.provenance else None
        if known is None and m.provenance and m.provenance.hardware.endswith(" cpu"):
            core_seconds += m.cost.seconds
        elif known is None:
            elsewhere += m.cost.seconds > 0
        else:
            core_seconds += m.cost.seconds * int(known[1])
    if elsewhere:
        reason = f"{elsewhere} measurements were not made on a processor, or do not say on what"
        energy, carbon = (
            Measurement.insufficient(q, reason, labels=_ESTIMATE, estimator="spent")
            for q in (ENERGY_SPENT, CARBON_SPENT)
        )
        return energy, carbon
    joules = rates.joules(core_seconds)
    grams = rates.grams(joules.value, joules.bound)
    source = f"{joules.source}; {grams.source}"
    energy = Measurement.ok(
        ENERGY_SPENT,
        joules.value,
        Uncertainty.exact(systematic=joules.bound, systematic_source=joules.source),
        labels=_ESTIMATE,
        estimator="spent",
        diagnostics={"estimated": True, "core_seconds": core_seconds},
    )
    carbon = Measurement.ok(
        CARBON_SPENT,
        grams.value,
        Uncertainty.exact(systematic=grams.bound, systematic_source=source),
        labels=_ESTIMATE,
        estimator="spent",
        diagnostics={"estimated": True, "core_seconds": core_seconds},
    )
    return energy, carbon
