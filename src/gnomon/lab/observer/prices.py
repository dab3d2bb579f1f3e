"""What a first observation will cost, before anything has been timed."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from gnomon.estimators import Budget, Estimator, StreamingEstimator
from gnomon.lab.observer.instruments import Instrument
from gnomon.lab.price import Clock
from gnomon.subjects import Data, Subject


def predicted(
    subject: Subject,
    instruments: Sequence[Instrument],
    data: Mapping[str, Data],
    sites: Sequence[str],
    budget: Budget | None,
) -> dict[str, float]:
    """Seconds of a reading by each instrument, over all splits; those that stream share the time of one pass.

    There is no price for what cannot be priced: the observation itself will say why.
    """
    found: dict[str, float] = {}
    try:
        for given in (None, *data.values()):
            made = [i.make(None) for i in instruments if i.of_weights == (given is None)]
            present = [e for e in made if not e.inapplicable(subject, given)]
            if present:
                _add(found, subject, present, given, sites, budget or Budget())
    except Exception:  # noqa: BLE001 - a price is a convenience, and a faulty plug-in must not end a training run
        return {}
    return found


def _add(
    found: dict[str, float],
    subject: Subject,
    estimators: Sequence[Estimator],
    data: Data | None,
    sites: Sequence[str],
    budget: Budget,
) -> None:
    clock = Clock(subject, data)
    streaming = sum(isinstance(e, StreamingEstimator) for e in estimators)
    for one in estimators:
        named = tuple(s for s in subject.sites if any(fnmatch.fnmatchcase(s, p) for p in sites))
        cost = one.cost(subject, data, named or one.sites(subject), budget)
        alone = clock.seconds(cost)
        shared = clock.passing(cost) * (1 - 1 / streaming) if isinstance(one, StreamingEstimator) else 0.0
        found[one.name] = found.get(one.name, 0.0) + alone - shared
