"""Whether points are faster together than one after the other: tried on this machine, on short versions of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from gnomon.lab.spec import Spec
from gnomon.lab.sweep.experiment import Experiment

_found: dict[Hashable, bool] = {}


def faster_together(one: Experiment[Any], specs: Sequence[Spec]) -> bool:
    """Whether ``one.together(specs)`` takes less time than ``one.run`` of each.

    Specs are shortened by ``one.shortened``; both ways are run twice, in turn, and the faster of the two counts, so
    that what only a first call pays does not. A process asks once for each kind of specs (see `Experiment.kind_of`).
    Where the experiment cannot be shortened, its own word that it runs together is taken. Where a short version
    fails, points are run alone: each then says itself what is wrong.
    """
    if one.shortened is None:
        return True
    kind = (one.name, one.kind_of(specs[0]))
    if kind not in _found:
        try:
            short = [one.shortened(spec) for spec in specs]
            alone, together = zip(
                *((_seconds(one.run, short[0]), _seconds(one.together, short) / len(short)) for _ in range(2)),
                strict=True,
            )
        except (Exception, SystemExit):  # noqa: BLE001 - a probe must not fail points
            return False
        _found[kind] = min(together) < min(alone)
    return _found[kind]


def _seconds(run: Callable[[Any], Any] | None, given: Any) -> float:
    assert run is not None
    started = time.perf_counter()
    run(given)
    return time.perf_counter() - started
