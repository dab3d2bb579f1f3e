"""An observer: quantities measured along a training loop, without changing its course."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, estimators
from gnomon.lab.measuring import estimators_named, measure
from gnomon.measurement import Measurement
from gnomon.subjects import Data, Subject


def log_spaced(steps: int, n: int) -> tuple[int, ...]:
    """At most ``n`` distinct steps from 0 to ``steps``, both included, evenly spaced in the logarithm of step + 1.

    Raises GnomonError when ``steps`` is below 1 or ``n`` below 2.

    >>> log_spaced(600, 8)
    (0, 1, 5, 15, 38, 96, 240, 600)
    """
    if steps < 1 or n < 2:
        raise GnomonError(f"no schedule of {n} observations over {steps} steps", mend="use steps ≥ 1 and n ≥ 2")
    return tuple(int(s) - 1 for s in np.unique(np.geomspace(1, steps + 1, n).round()))


class Observer:
    """Measures quantities at the scheduled steps of a training loop and keeps the measurements.

    It is called as ``observer(step, subject)`` anywhere in a plain loop; at steps outside its schedule it does
    nothing. It leaves weights, modes, gradients and the global random state as it found them: the weights are the
    same to the bit with and without it. The same ``seed`` serves all steps, so that two steps differ by the network
    and not by the sample.

    What needs data is measured on each split and labelled ``step`` and ``split``; what reads weights only is
    measured once and labelled ``step``. What does not apply to the subject, or breaks, leaves a measurement that
    says why, and training goes on.

    Parameters
    ----------
    quantities : names of quantities or estimators, as for `gnomon.measure`.
    schedule : steps at which to observe, e.g. `log_spaced`.
    data : splits by name.
    sites : names or patterns; default: each estimator's own choice.
    budget : of the measurements on one split at one step.
    seed : randomness of the estimators.

    Attributes
    ----------
    measurements : all measurements so far, in order of step and split.
    seconds : wall time spent observing so far.

    Raises
    ------
    GnomonError : for an unknown name, or when there is no data for what needs it; at the first scheduled step for
        an unknown site.

    >>> from gnomon.organisms import ModularAddition, train
    >>> spec = ModularAddition(p=5, steps=10)
    >>> observer = Observer(["accuracy"], schedule=log_spaced(10, 3), data={"test": spec.data()[1]})
    >>> organism = train(spec, observe=observer)
    >>> [(m.labels["step"], m.labels["split"]) for m in observer.measurements]
    [('0', 'test'), ('2', 'test'), ('10', 'test')]
    """

    def __init__(
        self,
        quantities: Sequence[str],
        *,
        schedule: Collection[int],
        data: Mapping[str, Data],
        sites: Sequence[str] = (),
        budget: Budget | None = None,
        seed: int = 0,
    ) -> None:
        self._of_weights = tuple(name for name in quantities if _reads_weights_only(name))
        self._of_data = tuple(name for name in quantities if name not in self._of_weights)
        if self._of_data and not data:
            raise GnomonError(f"{self._of_data[0]!r} needs data", mend="give at least one split")
        self._schedule = frozenset(schedule)
        self._data = dict(data)
        self._sites = tuple(sites)
        self._budget = budget
        self._seed = seed
        self.measurements: list[Measurement] = []
        self.seconds = 0.0

    def __call__(self, step: int, subject: Subject) -> None:
        """Observe ``subject`` if ``step`` is scheduled."""
        if step not in self._schedule:
            return
        started = time.perf_counter()
        if self._of_weights:
            self._measure(subject, self._of_weights, None, {"step": str(step)})
        if self._of_data:
            for split, data in self._data.items():
                self._measure(subject, self._of_data, data, {"step": str(step), "split": split})
        self.seconds += time.perf_counter() - started

    def _measure(
        self, subject: Subject, quantities: Sequence[str], data: Data | None, labels: Mapping[str, str]
    ) -> None:
        session = measure(subject, quantities, data=data, sites=self._sites, budget=self._budget, seed=self._seed)
        self.measurements += (replace(m, labels={**m.labels, **labels}) for m in session.measurements)


def _reads_weights_only(name: str) -> bool:
    known = estimators()
    return not any(known[e].needs - {"weights"} for e in estimators_named([name]))
