"""An observer: quantities measured along a training run, within a budget, without changing its course."""

from __future__ import annotations

import importlib
import logging
import math
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator
from gnomon.lab.measuring import measure
from gnomon.lab.observer.events import Event
from gnomon.lab.observer.governor import Governor, Thinned
from gnomon.lab.observer.instruments import Asked, Instrument, instruments
from gnomon.lab.observer.keeping import Keeper
from gnomon.lab.observer.prices import predicted
from gnomon.lab.observer.schedules import Timetable
from gnomon.lab.observer.undisturbed import undisturbed
from gnomon.lab.store import Store
from gnomon.measurement import Measurement, Status
from gnomon.subjects import Data, Subject

STEP, SPLIT, EVENT = "step", "split", "event"
_LONG = 1.0  # seconds of work that are handed to the store at once, and not at the end of the observation
_LOG = logging.getLogger("gnomon.observer")


class Observer:
    """Measures quantities at the scheduled steps of a training run and keeps the measurements.

    It is called as ``observer(step, subject)`` at every step of a plain loop (`TransformersCallback` and
    `LightningCallback` do so for theirs); at steps outside its schedule it does nothing. Training takes the same
    course with and without it, to the bit: weights, modes, gradients and global random states are as they were
    (see `undisturbed`). The same ``seed`` serves all steps, so that two steps differ by the network and not by the
    sample.

    What needs data is measured on each split and labelled ``step`` and ``split``; what reads weights only is
    measured once and labelled ``step``. What does not apply to the subject, or breaks, leaves a measurement that
    says why, and training goes on.

    Observing takes at most the share ``overhead`` of the time that training takes. Where that does not pay for the
    whole schedule, the dearest instruments skip some of their steps (see `Governor`), and `thinned` and `statement`
    say which. The first and the last step are never skipped, so that an instrument of which two readings cost more
    than its share exceeds the limit, which is said too. So *at which* steps there are measurements depends on
    the machine; a measurement does not.

    Parameters
    ----------
    quantities : names of quantities or estimators, estimators with options of their own, or callables that make one.
        Where what makes an estimator takes a ``learning_rate`` that is not set, it gets the one of the step.
    schedule : steps at which to observe, e.g. `log_spaced`, a range, or `Every`.
    events : happenings in the training loss upon which to observe as well, e.g. `LossPlateau`; such measurements are
        also labelled ``event``. They need the loss: ``observer(step, subject, loss=loss)``.
    data : splits by name.
    sites : names or patterns; default: each estimator's own choice.
    budget : of the measurements on one split at one step.
    seed : randomness of the estimators.
    overhead : the share; ``None`` for as long as it takes.
    steps : last step of training, where the schedule does not end with it. It tells beforehand how much may be
        spent; without any end, only what training has already paid for is spent.
    store : where measurements are kept as they come. If it fails, one line says so, and training goes on.
    say : takes the lines on a schedule that is thinned and a store that fails; default: the log.
    clock : seconds of wall time.

    Attributes
    ----------
    measurements : all measurements so far, in order of step and split.
    thinned : which instruments skipped which steps.
    happened : step and name of each event.

    Raises
    ------
    GnomonError : for an unknown name, or when there is no data for what needs it, or nothing to wait for; at the
        first observation for an unknown site; at the first step for what is no subject, or a loss that is no number.

    >>> from gnomon.lab.observer import log_spaced
    >>> from gnomon.organisms import ModularAddition, train
    >>> spec = ModularAddition(p=5, steps=10)
    >>> schedule = log_spaced(10, 3)
    >>> observer = Observer(["accuracy"], schedule=schedule, data={"test": spec.data()[1]}, overhead=None)
    >>> organism = train(spec, observe=observer)
    >>> [(m.labels["step"], m.labels["split"]) for m in observer.measurements]
    [('0', 'test'), ('2', 'test'), ('10', 'test')]
    """

    def __init__(
        self,
        quantities: Sequence[Asked],
        *,
        schedule: Container[int] = (),
        events: Sequence[Event] = (),
        data: Mapping[str, Data] | None = None,
        sites: Sequence[str] = (),
        budget: Budget | None = None,
        seed: int = 0,
        overhead: float | None = 0.05,
        steps: int | None = None,
        store: Store | None = None,
        say: Callable[[str], None] = _LOG.warning,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if overhead is not None and not (isinstance(overhead, int | float) and overhead > 0):
            raise GnomonError(f"nothing can be observed in {overhead!r} of the time", mend="give e.g. 0.05, or None")
        if data is not None and not isinstance(data, Mapping):
            raise GnomonError("the data has no name", mend="give data={'train': data}")
        unheard = None if isinstance(events, Event) else next((e for e in events if not isinstance(e, Event)), None)
        if isinstance(events, Event) or unheard is not None:
            raise GnomonError(f"{unheard or events!r} is no list of events", mend="give e.g. events=[LossPlateau()]")
        self._instruments = {i.name: i for i in instruments(quantities)}
        needy = next((i.asked for i in self._instruments.values() if not i.of_weights), None)
        if needy is not None and not data:
            raise GnomonError(f"{needy!r} needs data", mend="give at least one split")
        self._timetable = Timetable(schedule, steps)
        if not events and self._timetable.left(0) == 0:
            raise GnomonError("there is nothing to observe: no steps and no events", mend="give a schedule or events")
        self._events = tuple(events)
        self._data = dict(data or {})
        self._sites = tuple(sites)
        self._budget = budget
        self._seed = seed
        self._governor = Governor(overhead, self._instruments)
        spec = {"quantities": sorted(self._instruments), "sites": list(sites), "seed": seed, "overhead": overhead}
        self._keeper = None if store is None else Keeper(store, spec, say)
        self._say = say
        self._clock = clock
        self._started: float | None = None
        self._latest: int | None = None
        self._observed: list[int] = []
        self._handed_over = 0
        # torch imports this at the first optimiser step or traced operation, seconds that are not for observing
        importlib.import_module("torch._dynamo")
        self.measurements: list[Measurement] = []
        self.thinned: list[Thinned] = []
        self.happened: list[tuple[int, str]] = []

    @property
    def seconds(self) -> float:
        """Wall time spent observing so far."""
        return self._governor.spent

    @property
    def training_seconds(self) -> float:
        """Wall time from the first call to the latest, without what was spent observing."""
        return self._governor.training

    @property
    def steps(self) -> int | None:
        """Last step of training, where it is known."""
        return self._timetable.steps

    @steps.setter
    def steps(self, last: int | None) -> None:
        self._timetable.steps = last

    def __call__(
        self,
        step: int,
        subject: Subject,
        *,
        loss: float | Tensor | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Observe ``subject`` if ``step`` is scheduled or something happens in the ``loss``.

        A loss that is a tensor is read only where there are events, which waits for its device.
        """
        if not isinstance(subject, Subject):
            raise GnomonError(f"{type(subject).__name__} is no subject", mend="give gnomon.Subject(module, loss=…)")
        now = self._clock()
        happened = self._listen(step, loss)
        scheduled = step != self._latest and self._timetable.due(step)
        due = (scheduled or bool(happened)) and step not in self._observed[-1:]
        self._latest = step
        if due and subject.device.type == "cuda":
            torch.cuda.synchronize(subject.device)  # what training has still to do there is not ours
            now = self._clock()
        if self._started is None:
            self._started = now
        self._governor.trained(step, now - self._started - self._governor.spent)
        if due:
            self._take_turns(step, subject, happened, learning_rate, now, scheduled=scheduled)

    def finish(
        self, step: int | None = None, subject: Subject | None = None, *, learning_rate: float | None = None
    ) -> None:
        """Training has ended.

        With ``step`` and ``subject``, where the schedule would have gone on (training was stopped early) the network
        as it is now is observed as the last one. A run in the store is marked as finished.
        """
        if step is not None and subject is not None and self._timetable.goes_on(step) and step not in self._observed:
            self._observe(step, subject, list(self._instruments.values()), "", learning_rate, self._clock())
        if self._keeper is not None:
            self._keeper.close()

    def statement(self) -> str:
        """What observing has cost, and what was skipped to keep it within its limit, in a few sentences."""
        spent, trained, limit = self.seconds, self.training_seconds, self._governor.limit
        share = _percent(spent / trained) if trained > 0 else "–"
        bound = "no limit" if limit is None else f"limit {_percent(limit)}"
        steps = len(self._observed)
        said = [f"Observed at {steps} steps, {spent:.3g} s beside {trained:.3g} s of training ({share}, {bound})."]
        skipped: dict[str, int] = {}
        for one in self.thinned:
            skipped[one.estimator] = skipped.get(one.estimator, 0) + 1
        read = {name: self._governor.readings[name] for name in sorted(skipped)}
        if read:
            each = ", ".join(f"{name} read at {count} of {count + skipped[name]} steps" for name, count in read.items())
            said.append(f"Thinned to keep within it: {each}.")
        for name, (took, due) in self._governor.too_dear().items():
            said.append(f"{name} took {took:.3g} s, more than its share of {due:.3g} s.")
        if self._keeper is not None and self._keeper.waiting:
            said.append(f"{len(self._keeper.waiting)} measurements could not be stored.")
        return " ".join(said)

    def _listen(self, step: int, loss: float | Tensor | None) -> list[str]:
        if loss is None or not self._events:
            return []
        try:
            value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        except (TypeError, ValueError) as error:
            raise GnomonError(f"the loss of step {step} is no number", mend="give the mean loss of the step") from error
        names = [e.name for e in self._events if math.isfinite(value) and e.happened(step, value)]
        self.happened += ((step, name) for name in names)
        return names

    def _take_turns(
        self,
        step: int,
        subject: Subject,
        happened: Sequence[str],
        learning_rate: float | None,
        started: float,
        *,
        scheduled: bool,
    ) -> None:
        """Observe with the instruments whose turn it is."""
        left, horizon = self._timetable.left(step), self._timetable.horizon
        thinned = self._governor.thinned(step, left=left, horizon=horizon, extra=not scheduled)
        if thinned and not self.thinned:
            dearest = max(thinned.values(), key=lambda t: t.seconds)
            self._say(
                f"{dearest.estimator} skips step {step} (it takes about {dearest.seconds:.2g} s) and maybe others, to "
                "keep observing within its share of the time; see Observer.statement()"
            )
        self.thinned += thinned.values()
        chosen = [i for i in self._instruments.values() if i.name not in thinned]
        if chosen:
            self._observe(step, subject, chosen, ", ".join(happened), learning_rate, started)

    def _observe(
        self,
        step: int,
        subject: Subject,
        chosen: Sequence[Instrument],
        event: str,
        learning_rate: float | None,
        started: float,
    ) -> None:
        labels = {STEP: str(step), **({EVENT: event} if event else {})}
        before = len(self.measurements)
        try:
            with undisturbed(subject.module):
                if not self._observed:
                    self._governor.estimated(predicted(subject, chosen, self._data, self._sites, self._budget))
                self._measure_all(subject, chosen, labels, learning_rate)
        finally:
            self._observed.append(step)
            self._keep(subject.name)
            new = self.measurements[before:]
            if subject.device.type == "cuda":
                torch.cuda.synchronize(subject.device)
            self._governor.paid(_shared_out(new, [i.name for i in chosen], self._clock() - started))

    def _keep(self, subject: str) -> None:
        """Hand over to the store what it was not given yet."""
        if self._keeper is not None:
            self._keeper.add(self.measurements[self._handed_over :], subject)
            self._handed_over = len(self.measurements)

    def _measure_all(
        self, subject: Subject, chosen: Sequence[Instrument], labels: Mapping[str, str], learning_rate: float | None
    ) -> None:
        of_weights = [i for i in chosen if i.of_weights]
        if of_weights:
            self._measure(subject, of_weights, None, labels, learning_rate)
        of_data = [i for i in chosen if not i.of_weights]
        for split, data in self._data.items() if of_data else ():
            self._measure(subject, of_data, data, {**labels, SPLIT: split}, learning_rate)

    def _measure(
        self,
        subject: Subject,
        chosen: Sequence[Instrument],
        data: Data | None,
        labels: Mapping[str, str],
        learning_rate: float | None,
    ) -> None:
        sink = _Labelling(self.measurements, self._instruments, labels, lambda: self._keep(subject.name))
        made, broken = _made(chosen, learning_rate)
        how: dict[str, Any] = {"sites": self._sites, "budget": self._budget, "seed": self._seed}
        try:
            left_out = measure(subject, made, data=data, **how, sink=sink).left_out if made else ()
        except Exception as error:
            if isinstance(error, GnomonError) and not self._observed:
                raise  # a mistake in how the observer was set up, seen at its first observation
            reason = str(error) if isinstance(error, GnomonError) else f"{type(error).__name__}: {error}"
            broken |= {e.name: reason for e in made if e.name not in sink.heard}
        else:
            for one in left_out:
                sink.add(self._none(one.estimator, one.reason, "insufficient"))
        for name, reason in broken.items():
            sink.add(self._none(name, reason, "failed"))

    def _none(self, name: str, reason: str, status: Status) -> list[Measurement]:
        """No reading of any quantity of the instrument ``name``."""
        quantities = self._instruments[name].quantities
        return [Measurement.insufficient(q, reason, estimator=name, status=status) for q in quantities]


def _made(chosen: Sequence[Instrument], learning_rate: float | None) -> tuple[list[Estimator], dict[str, str]]:
    """The estimators of ``chosen``, and why some could not be made."""
    made, broken = [], {}
    for instrument in chosen:
        try:
            made.append(instrument.make(learning_rate))
        except Exception as error:  # noqa: BLE001 - what a user gave to make an estimator must not end a training run
            broken[instrument.name] = f"{type(error).__name__}: {error}"
    return made, broken


class _Labelling:
    """A sink that labels what it is given and keeps what is wanted; ``keep`` is called once that has taken long."""

    def __init__(
        self,
        kept: list[Measurement],
        wanted: Mapping[str, Instrument],
        labels: Mapping[str, str],
        keep: Callable[[], None],
    ) -> None:
        self._keep = keep
        self.heard: set[str] = set()
        self._kept = kept
        self._wanted = wanted
        self._labels = labels

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Keep ``measurements``."""
        seconds = 0.0
        for m in measurements:
            seconds += m.cost.seconds
            self.heard.add(m.estimator)
            instrument = self._wanted.get(m.estimator)
            if instrument is None or instrument.keeps(m.quantity):
                self._kept.append(replace(m, labels={**m.labels, **self._labels}))
        if seconds > _LONG:
            self._keep()


def _shared_out(measurements: Sequence[Measurement], names: Sequence[str], seconds: float) -> dict[str, float]:
    """``seconds`` by instrument: what its measurements say that they took, and an equal part of the rest."""
    own = dict.fromkeys(names, 0.0)
    for m in measurements:
        if m.estimator in own:
            own[m.estimator] += m.cost.seconds
    total = sum(own.values())
    scale = min(1.0, seconds / total) if total > 0 else 0.0
    rest = (seconds - scale * total) / len(names)
    return {name: scale * taken + rest for name, taken in own.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
