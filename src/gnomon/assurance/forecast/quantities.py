"""What is forecast."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

CROSSING = catalogue.add(
    Quantity(
        name="crossing_compute",
        symbol=r"C_\times",
        unit=Unit.parse("flop"),
        definition=r"C_\times = \inf \{C : \theta(C) \ge \ell\}",
        convention="Effective compute of training at which the expected value of a measurement, over networks trained "
        "alike, comes to the line of its threshold; for a threshold whose bad values are below, the inequality is "
        "turned. Infinite where that is not within the horizon.",
        source="Anthropic, Responsible Scaling Policy, version 1.0 (2023), whose tests are due by effective compute; "
        "Venzon & Moolgavkar, Applied Statistics 37 (1988) 87 (interval)",
        dims=("threshold",),
        lowest=0.0,
    )
)
