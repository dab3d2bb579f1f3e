"""Time, energy and carbon of something that is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gnomon.assurance.efficiency.energy import Meter, Power
from gnomon.assurance.efficiency.medians import median_interval
from gnomon.assurance.efficiency.quantities import CARBON_PER_TOKEN, ENERGY_PER_TOKEN, SECONDS_PER_TOKEN
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement

# the first passes load kernels and fill caches
WARM_UP = 2


@dataclass(frozen=True)
class Repeated:
    """What each repetition took, a token.

    Parameters
    ----------
    seconds : wall time.
    joules : what the meter read; empty without one.
    """

    seconds: Sequence[float]
    joules: Sequence[float]


def repeat(
    ready: Callable[[], Callable[[], Any]], *, times: int, tokens: int, device: torch.device, meter: Meter | None
) -> Repeated:
    """Time what ``ready`` makes, ``times`` after `WARM_UP`; what ``ready`` itself does is not timed."""
    seconds, joules = [], []
    for number in range(WARM_UP + times):
        run = ready()
        _finish(device)
        before = meter.joules() if meter else 0.0
        started = time.perf_counter()
        run()
        _finish(device)
        if number >= WARM_UP:
            seconds.append((time.perf_counter() - started) / tokens)
            joules += [(meter.joules() - before) / tokens] if meter else []
    return Repeated(seconds, joules)


def measured(
    taken: Repeated, meter: Meter | None, power: Power, *, labels: Mapping[str, str], level: float, estimator: str
) -> list[Measurement]:
    """`SECONDS_PER_TOKEN`, `ENERGY_PER_TOKEN` and `CARBON_PER_TOKEN`: medians over the repetitions."""
    common: dict[str, Any] = {"labels": labels, "estimator": estimator}
    late = (SECONDS_PER_TOKEN, ENERGY_PER_TOKEN, CARBON_PER_TOKEN)
    try:
        value, interval = median_interval(taken.seconds, level=level)
    except GnomonError as error:
        suffices = {"repeats": 2.0 * len(taken.seconds) + 4}
        return [Measurement.insufficient(q, error.cause, suffices=suffices, **common) for q in late]
    told = {"repeats": len(taken.seconds), "warm_up": WARM_UP, "threads": torch.get_num_threads()}
    timed = Measurement.ok(SECONDS_PER_TOKEN, value, interval, diagnostics=told, **common)
    if meter is None:
        reason = "there is no meter of this accelerator that can be read, and its watts are not known"
        return [timed, *(Measurement.insufficient(q, reason, **common) for q in late[1:])]
    return [timed, *_energy(taken.joules, meter, power, common, level)]


def _energy(
    joules: Sequence[float], meter: Meter, power: Power, common: Mapping[str, Any], level: float
) -> list[Measurement]:
    bound = None if meter.relative is None else float(np.median(joules)) * meter.relative
    value, interval = median_interval(joules, level=level, systematic=bound, systematic_source=meter.systematic)
    told = {"estimated": meter.estimated, "meter": meter.name, "source": meter.systematic}
    common = {**common, "labels": {**common["labels"], "from": "estimate" if meter.estimated else meter.name}}
    energy = Measurement.ok(ENERGY_PER_TOKEN, value, interval, diagnostics=told, **common)
    grams = power.grams(value, bound)
    ratio = grams.value / value if value else 0.0
    _, spread = median_interval(
        [ratio * j for j in joules],
        level=level,
        systematic=grams.bound,
        systematic_source="; ".join((meter.systematic, grams.source)),
    )
    told = {"estimated": True, "meter": meter.name, "source": grams.source}
    return [energy, Measurement.ok(CARBON_PER_TOKEN, grams.value, spread, diagnostics=told, **common)]


def _finish(device: torch.device) -> None:
    """Wait for an accelerator to have done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
