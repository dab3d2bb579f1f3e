"""What a worker does: run the points of one job, and say what came out of each."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.store.point_record import Outcome, PointRecord
from gnomon.lab.sweep.experiment import Experiment, experiment_named
from gnomon.lab.sweep.point import Point, version_of
from gnomon.lab.sweep.probe import faster_together


@dataclass(frozen=True, kw_only=True)
class Job:
    """Points of one experiment that one worker runs: together where there are several. It is cheap to pickle."""

    experiment: str
    module: str
    code_version: str
    keys: tuple[str, ...]
    specs: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, points: Sequence[Point]) -> Job:
        """The job that runs ``points``, which are of one experiment."""
        one = experiment_named(points[0].experiment)
        return cls(
            experiment=one.name,
            module=one.module,
            code_version=version_of(one),
            keys=tuple(p.key for p in points),
            specs=tuple(p.spec.model_dump(mode="json") for p in points),
        )

    def apart(self) -> list[Job]:
        """A job for each of its points."""
        return [replace(self, keys=(key,), specs=(spec,)) for key, spec in zip(self.keys, self.specs, strict=True)]


def work(job: Job) -> list[PointRecord]:
    """Run ``job``; whatever goes wrong in it becomes failed points, whose reason is one line.

    Of several points that turn out to be faster alone (see `faster_together`) only the first is run: the caller gives
    the others out one by one, so that each is kept as soon as it is done.
    """
    try:
        one = experiment_named(job.experiment, job.module)
        specs = [one.spec.model_validate(dict(spec)) for spec in job.specs]
    except _FAULTS as error:
        return failed(job, _reason(error))
    if one.together is not None and len(specs) > 1:
        if not faster_together(one, specs):
            return [_alone(one, job, 0, specs[0])]
        started = time.perf_counter()
        found = _tried(one.together, specs)
        # where one of them breaks the call, the others are not to pay for it: they are run alone
        if isinstance(found, list) and len(found) == len(specs):
            seconds = (time.perf_counter() - started) / len(specs)
            told = [_reason(outcome) if isinstance(outcome, GnomonError) else outcome for outcome in found]
            return [_record(job, i, outcome, seconds, len(specs)) for i, outcome in enumerate(told)]
    return [_alone(one, job, i, spec) for i, spec in enumerate(specs)]


def failed(job: Job, reason: str) -> list[PointRecord]:
    """The records of all points of ``job`` when none could be run."""
    return [_record(job, i, _Fault(reason), 0.0, len(job.keys)) for i in range(len(job.keys))]


class _Fault(str):
    """Why a point failed, in one line; in the place of its outcome."""

    __slots__ = ()


# an experiment that leaves by sys.exit() has failed, and must not take the worker along
_FAULTS = (Exception, SystemExit)


def _alone(one: Experiment[Any], job: Job, index: int, spec: Spec) -> PointRecord:
    started = time.perf_counter()
    found = _tried(one.run, spec)
    return _record(job, index, found, time.perf_counter() - started, 1)


def _tried(run: Callable[[Any], Any], given: Any) -> Any:
    """What ``run`` makes of ``given``, or the `_Fault` that kept it from it."""
    try:
        return run(given)
    except _FAULTS as error:
        return _reason(error)


def _reason(error: BaseException) -> _Fault:
    reason = str(error) if isinstance(error, GnomonError) else f"{type(error).__name__}: {error}"
    return _Fault(" ".join(reason.split()).removesuffix(":"))


def _record(job: Job, index: int, found: Any, seconds: float, together: int) -> PointRecord:
    reason = found if isinstance(found, _Fault) else _unfit(found)
    return PointRecord(
        key=job.keys[index],
        experiment=job.experiment,
        spec=job.specs[index],
        status="failed" if reason else "done",
        outcome={} if reason else found,
        reason=reason,
        seconds=seconds,
        together=together,
        worker=f"{platform.node()}:{os.getpid()}",
        code_version=job.code_version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _unfit(outcome: Outcome) -> str:
    """Why ``outcome`` cannot be kept, in one line; ``""`` where it can."""
    if not isinstance(outcome, dict):
        return f"the experiment returned {type(outcome).__name__}, not a dictionary of JSON values"
    for name, value in outcome.items():
        try:
            json.dumps({name: value}, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            return f"outcome {name!r} is not a JSON value: {error}"
    return ""
