"""Calibration: run estimators on known answers over many seeds, and certify what they read."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, estimator
from gnomon.lab.certificate import Certificate
from gnomon.measurement import Measurement, Value, clopper_pearson
from gnomon.measurement.provenance import code_version
from gnomon.randomness import Rng

# A coverage is refused when chance alone would give it less often than this, so that twenty known answers together
# raise a false alarm in less than one calibration in a hundred.
_CHANCE = 5e-4
_CHUNK = 5


@dataclass(frozen=True)
class Trial:
    """One reading of one instance of a known answer."""

    status: str
    value: float | None = None
    truth: float | None = None
    covered: float | None = None
    reason: str = ""


def calibrate(
    names: Sequence[str],
    *,
    quick: bool = False,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Certificate]:
    """Certificates of all known answers of the estimators called ``names``.

    ``quick`` uses fewer seeds. With ``workers`` > 1 the instances are spread over spawned processes, one torch
    thread each; the result does not depend on their number. Raises UnknownNameError for an unknown estimator.
    """
    jobs = [job for name in names for job in _jobs(name, quick, seed)]
    trials: dict[tuple[str, int], list[tuple[int, Trial]]] = defaultdict(list)
    for done, (key, start, found) in enumerate(_run(jobs, workers), start=1):
        trials[key].extend((start + i, t) for i, t in enumerate(found))
        if progress is not None:
            progress(done, len(jobs))
    certificates = []
    for name in names:
        for index, answer in enumerate(estimator(name).known_answers()):
            in_order = [t for _, t in sorted(trials[name, index], key=lambda pair: pair[0])]
            certificates.append(certify(name, answer, in_order))
    return certificates


_Job = tuple[str, int, int, int, int]
_Done = tuple[tuple[str, int], int, list[Trial]]


def _jobs(name: str, quick: bool, seed: int) -> list[_Job]:
    jobs = []
    for index, answer in enumerate(estimator(name).known_answers()):
        n = answer.seeds[0 if quick else 1]
        jobs += [(name, index, seed, start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
    return jobs


def _run(jobs: Sequence[_Job], workers: int) -> Iterator[_Done]:
    if workers <= 1:
        yield from map(_work, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(_work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work(job: _Job) -> _Done:
    name, index, seed, start, stop = job
    kind = estimator(name)
    answer = kind.known_answers()[index]
    return (name, index), start, [read(kind(), answer, Rng(seed).child(answer.name, i)) for i in range(start, stop)]


def read(instrument: Estimator, answer: KnownAnswer, rng: Rng) -> Trial:
    """Measure one instance of ``answer`` and compare the reading with the truth."""
    subject, data, truth = answer.make(rng.child("make"))
    sites = (answer.site,) if answer.site is not None else instrument.sites(subject)
    found = instrument.measure(subject, data, sites=sites, budget=Budget(), rng=rng.child("measure"))
    reading = reading_of(answer, found)
    if reading.status != "ok" or reading.value is None:
        return Trial(reading.status, reason=reading.reason)
    if reading.uncertainty.kind == "unknown":
        return Trial("failed", reason="the uncertainty is unknown")
    covered = reading.uncertainty.covered(reading.value, truth)
    return Trial("ok", _average(reading.value), _average(truth), covered)


def reading_of(answer: KnownAnswer, found: Sequence[Measurement]) -> Measurement:
    """The one measurement that ``answer`` speaks of. Raises GnomonError when there is none, or are several."""
    mine = [
        m
        for m in found
        if m.quantity == answer.quantity
        and (answer.site is None or m.site == answer.site)
        and answer.labels.items() <= m.labels.items()
    ]
    if len(mine) != 1:
        raise GnomonError(
            f"known answer {answer.name!r}: {len(mine)} measurements of {answer.quantity!r} at {answer.site}",
            mend="name the quantity and site so that exactly one fits",
        )
    return mine[0]


def certify(name: str, answer: KnownAnswer, trials: Sequence[Trial]) -> Certificate:
    """The verdict over all instances."""
    n, good = len(trials), [t for t in trials if t.status == "ok"]
    declined = sum(t.status == "insufficient" for t in trials)
    errors = np.array([_number(t.value) - _number(t.truth) for t in good])
    coverage = float(np.mean([_number(t.covered) for t in good])) if good else None
    reason = _objection(answer, trials, coverage)
    return Certificate(
        estimator=name,
        quantity=answer.quantity,
        known_answer=answer.name,
        truth=float(np.mean([_number(t.truth) for t in good])) if good else None,
        mean=float(np.mean([_number(t.value) for t in good])) if good else None,
        bias=float(errors.mean()) if good else None,
        spread=float(errors.std(ddof=1)) if len(good) > 1 else None,
        coverage=coverage,
        nominal=answer.nominal,
        n=n,
        read=len(good),
        insufficient=declined,
        passed=not reason,
        reason=reason,
        code_version=code_version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _objection(answer: KnownAnswer, trials: Sequence[Trial], coverage: float | None) -> str:
    n, good = len(trials), sum(t.status == "ok" for t in trials)
    declined = sum(t.status == "insufficient" for t in trials)
    broken = next((t.reason for t in trials if t.status == "failed"), "")
    if broken:
        return f"an instance failed: {broken}"
    if _surely_below(good, n, answer.reads_ok):
        reason = next(t.reason for t in trials if t.status != "ok")
        return f"read {good} of {n} instances, {answer.reads_ok:.0%} expected: {reason}"
    if _surely_below(declined, n, answer.insufficient_at_least):
        return f"declined {declined} of {n} instances, {answer.insufficient_at_least:.0%} expected"
    if coverage is None:
        return ""
    lowest, highest = answer.coverage
    held = round(coverage * good)
    if _surely_below(held, good, lowest) or _surely_below(good - held, good, 1 - highest):
        return f"coverage {coverage:.0%} over {good} readings is outside {lowest:.0%} to {highest:.0%}"
    return ""


def _surely_below(successes: int, trials: int, share: float) -> bool:
    """Whether ``successes`` of ``trials`` is too few for chance to explain, if the true share were ``share``."""
    if trials == 0 or share <= 0:
        return False
    if share >= 1:
        return successes < trials
    high = clopper_pearson(successes, trials, level=1 - 2 * _CHANCE).high
    return _number(high) < share


def _average(value: Value) -> float:
    return float(np.mean(value))


def _number(value: Any) -> float:
    """``value``, which is not ``None`` where this is called."""
    return float(value)
