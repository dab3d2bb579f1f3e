"""Measuring: choose the estimators, price them, run them in as few passes as possible, record what came out."""

from __future__ import annotations

import fnmatch
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.estimators import (
    Budget,
    Estimator,
    StreamingEstimator,
    accumulate_together,
    estimator,
    estimators,
    measurable,
)
from gnomon.lab.affordable import LeftOut, affordable, foretold
from gnomon.lab.price import flops_per_example
from gnomon.measurement import Cost, Measurement
from gnomon.measurement.provenance import record
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Subject

Progress = Callable[[str, int, int], None]


@runtime_checkable
class Sink(Protocol):
    """Where finished measurements go at once, so that an interruption loses none of them."""

    def add(self, measurements: Iterable[Measurement]) -> object:
        """Keep ``measurements``."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything one call measured, and what it left out."""

    measurements: tuple[Measurement, ...]
    left_out: tuple[LeftOut, ...]
    examples: int
    positions: int
    seconds: float


def measure(
    subject: Subject,
    quantities: Sequence[str | Estimator] | None = None,
    *,
    data: Data | None = None,
    sites: Sequence[str] = (),
    budget: Budget | None = None,
    seed: int = 0,
    sink: Sink | None = None,
    progress: Progress | None = None,
) -> Session:
    """Measure ``quantities`` of ``subject``.

    Parameters
    ----------
    quantities : names of quantities or estimators, or estimators with options of their own (all that these measure is
        read, and they stand in for the one of the same name); ``None`` for every one that applies.
    data : overrides the subject's own.
    sites : names or patterns (``blocks.*``) of sites or weight matrices; default: each estimator's own choice.
    budget : see `Budget`. With ``seconds``, what is predicted to fit is measured, see
        `gnomon.lab.affordable.affordable`, and the rest is left out with its price.
    sink : finished measurements are handed over as soon as their estimator is done.
    progress : called with a stage, the number done and the total.

    Raises
    ------
    GnomonError : on unknown names, when two estimators have one name, or when the data does not fit the subject. An
        estimator that breaks does not raise: its measurements have the status ``failed``, and all others go on.
    """
    started = time.perf_counter()
    budget = budget or Budget()
    rng = Rng(seed)
    data = data if data is not None else subject.data
    if data is not None and budget.examples is not None:
        data = data.sample(budget.examples, rng)
    places = expand_sites(subject, sites)
    names, given = _split(quantities)
    chosen, left_out, refused = _choose(subject, data, names, given)
    plan = {e.name: _places(e, subject, places) for e in chosen}
    if budget.seconds is not None:
        chosen, data, priced_out = affordable(chosen, subject, data, plan, budget, rng)
        left_out += priced_out
    recorder = _Recorder(subject, data, seed, sink, frozenset((*(names or ()), *(e.name for e in given))))
    recorder.keep_refused(refused)
    _run(chosen, subject, data, plan, replace(budget, examples=None), rng, recorder, progress)
    return Session(
        measurements=tuple(recorder.kept),
        left_out=tuple(left_out),
        examples=0 if data is None else len(data),
        positions=0 if data is None else int(data.lengths.sum()),
        seconds=time.perf_counter() - started,
    )


def check_names(names: Sequence[str]) -> None:
    """Raises UnknownNameError for the first name that is neither a quantity nor an estimator."""
    known = {*estimators(), *measurable()}
    for name in names:
        if name not in known:
            described = {q.name: q.convention for q in measurable().values()}
            raise UnknownNameError("quantity", name, known, described=described)


def estimators_named(names: Sequence[str]) -> list[str]:
    """Estimators that ``names`` (of quantities or estimators) ask for; all of them when there are no names."""
    check_names(names)
    return [name for name, kind in estimators().items() if not names or _asked(kind, names)]


def _split(quantities: Sequence[str | Estimator] | None) -> tuple[list[str] | None, list[Estimator]]:
    """The names, ``None`` where all estimators are meant, and the estimators that are given themselves."""
    given = [q for q in quantities or () if isinstance(q, Estimator)]
    for one in given:
        if sum(other.name == one.name for other in given) > 1:
            raise GnomonError(f"two estimators are called {one.name!r}", mend="measure with one after the other")
    names = None if quantities is None else [q for q in quantities if isinstance(q, str)]
    return names, given


def _choose(
    subject: Subject, data: Data | None, names: Sequence[str] | None, given: Sequence[Estimator]
) -> tuple[list[Estimator], list[LeftOut], list[tuple[Estimator, str]]]:
    """The applicable estimators, those left out unasked, and those asked for that do not apply."""
    named = estimators_named(names or ()) if names or not given else []
    own = {e.name: e for e in given}
    wanted = [own[n] if n in own else estimator(n)() for n in sorted({*named, *own})]
    chosen: list[Estimator] = []
    left_out: list[LeftOut] = []
    refused: list[tuple[Estimator, str]] = []
    for one in wanted:
        reason = one.inapplicable(subject, data)
        if not reason:
            chosen.append(one)
        elif names is None:
            left_out.append(LeftOut(estimator=one.name, quantities=_names(one), reason=reason))
        else:
            refused.append((one, reason))
    return chosen, left_out, refused


def _asked(kind: type[Estimator], names: Sequence[str]) -> bool:
    return kind.name in names or any(q.name in names for q in kind.quantities)


def _names(instrument: Estimator) -> tuple[str, ...]:
    return tuple(q.name for q in instrument.quantities)


def expand_sites(subject: Subject, patterns: Sequence[str]) -> tuple[str, ...]:
    """The sites and weight matrices that match ``patterns``, in the subject's order. Raises UnknownNameError."""
    if not patterns:
        return ()
    known = [*subject.sites, *(m.site for m in subject.matrices())]
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            raise UnknownNameError("site", pattern, known)
    return tuple(k for k in known if any(fnmatch.fnmatchcase(k, p) for p in patterns))


def _places(instrument: Estimator, subject: Subject, named: Sequence[str]) -> tuple[str, ...]:
    """The named places that ``instrument`` can look at: matrices are for those that read weights only."""
    if not named:
        return instrument.sites(subject)
    return tuple(n for n in named if n in subject.sites or not instrument.needs - {"weights"})


def _run(
    chosen: Sequence[Estimator],
    subject: Subject,
    data: Data | None,
    plan: Mapping[str, Sequence[str]],
    budget: Budget,
    rng: Rng,
    recorder: _Recorder,
    progress: Progress | None,
) -> None:
    report = progress or _silent
    streaming = [e for e in chosen if isinstance(e, StreamingEstimator)]
    alone = [e for e in chosen if not isinstance(e, StreamingEstimator)]
    finished = 0
    for instrument in alone:
        report(instrument.name, finished, len(chosen))
        recorder.run(
            instrument,
            foretold(instrument, subject, data, plan[instrument.name], budget),
            lambda e=instrument: e.measure(  # type: ignore[misc]
                subject, data, sites=plan[e.name], budget=budget, rng=rng.child(e.name)
            ),
        )
        finished += 1
    if not streaming or data is None:
        return
    found, share = _pass(streaming, subject, data, plan, budget, rng, report)
    for instrument in streaming:
        report(instrument.name, finished, len(chosen))
        recorder.run(
            instrument,
            replace(foretold(instrument, subject, data, plan[instrument.name], budget), seconds=share),
            lambda e=instrument: (  # type: ignore[misc]
                e.finish(subject, found[e.name], sites=plan[e.name], budget=budget, rng=rng.child(e.name))
                if e.name in found
                else e.measure(subject, data, sites=plan[e.name], budget=budget, rng=rng)
            ),
        )
        finished += 1
    report("done", finished, len(chosen))


def _pass(
    streaming: Sequence[StreamingEstimator],
    subject: Subject,
    data: Data,
    plan: Mapping[str, Sequence[str]],
    budget: Budget,
    rng: Rng,
    report: Progress,
) -> tuple[dict[str, dict[str, Accumulator]], float]:
    """The shared pass and each estimator's share of its time; nothing when some statistic broke it."""

    def step(done: int, total: int) -> None:
        report("pass over the data", done, total)

    try:
        found, passed = accumulate_together(streaming, subject, data, plan, budget=budget, rng=rng, progress=step)
    except GnomonError:
        raise
    except Exception:  # noqa: BLE001 - one faulty plug-in must not take the others along: each then runs alone
        return {}, 0.0
    return found, passed.seconds / len(streaming)


class _Recorder:
    """Turns what estimators return into measurements with cost and provenance, and keeps them."""

    def __init__(
        self, subject: Subject, data: Data | None, seed: int, sink: Sink | None, wanted: frozenset[str]
    ) -> None:
        self.kept: list[Measurement] = []
        self._subject = subject
        self._weights_hash = subject.weights_hash()
        self._data_hash = None if data is None else data.digest
        self._seed = seed
        self._sink = sink
        self._wanted = wanted
        self._flops_per_example = 0.0 if data is None else flops_per_example(subject, data)
        self._hardware = hardware(subject.device)

    def keep_refused(self, refused: Sequence[tuple[Estimator, str]]) -> None:
        """Measurements for what was asked for and does not apply here."""
        for instrument, reason in refused:
            found = [Measurement.insufficient(q, reason, estimator=instrument.name) for q in instrument.quantities]
            self._keep(instrument, found, Cost())

    def run(self, instrument: Estimator, cost: Cost, job: Callable[[], list[Measurement]]) -> None:
        """Run ``job``; whatever it raises becomes failed measurements."""
        started = time.perf_counter()
        try:
            found = job()
        except Exception as error:  # noqa: BLE001 - one broken estimator must not lose the others' results
            reason = str(error) if isinstance(error, GnomonError) else f"{type(error).__name__}: {error}"
            found = [Measurement.failed(q, reason, estimator=instrument.name) for q in instrument.quantities]
        arithmetic = self._flops_per_example * (cost.forward_passes + 2 * cost.backward_passes)
        seconds = cost.seconds + time.perf_counter() - started
        self._keep(instrument, found, replace(cost, flops=cost.flops + arithmetic, seconds=seconds))

    def _keep(self, instrument: Estimator, found: Sequence[Measurement], total: Cost) -> None:
        """Record ``found``; each carries an equal share of the total cost, so that costs add up."""
        n = max(1, len(found))
        share = Cost(
            forward_passes=total.forward_passes / n,
            backward_passes=total.backward_passes / n,
            flops=total.flops / n,
            peak_bytes=total.peak_bytes,
            seconds=total.seconds / n,
        )
        provenance = record(
            spec={"estimator": instrument.name, "options": _options(instrument), "seed": self._seed},
            subject=self._subject.name,
            weights_hash=self._weights_hash,
            data_hash=self._data_hash if instrument.needs - {"weights"} else None,
            seed=self._seed,
            wall_seconds=share.seconds,
            flops=share.flops,
            hardware=self._hardware,
        )
        wanted = self._wanted
        mine = [m for m in found if not wanted or m.quantity in wanted or instrument.name in wanted]
        done = [m.recorded(share, provenance) for m in mine]
        if self._sink is not None:
            self._sink.add(done)
        self.kept.extend(done)


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total


def _options(instrument: Estimator) -> dict[str, str]:
    return {k: repr(v) for k, v in sorted(vars(instrument).items()) if not k.startswith("_")}


def hardware(device: torch.device) -> str:
    """The machine in words: system, architecture, and the accelerator or the number of CPU threads."""
    where = f"{platform.system()} {platform.machine()}"
    if device.type == "cuda":
        return f"{where}, {torch.cuda.get_device_name(device)}"
    return f"{where}, {device.type} with {torch.get_num_threads()} threads"
