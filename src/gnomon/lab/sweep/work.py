"""What a worker does: run the points of one job, and say what came out of each."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.store.point_record import Outcome, PointRecord
from gnomon.lab.sweep.experiment import Experiment, experiment_named
from gnomon.lab.sweep.point import Point, version_of


@dataclass(frozen=True, kw_only=True)
class Job:
    """Points of one experiment that one worker runs: together where there are several. It is cheap to pickle."""

    experiment: str
    module: str
    keys: tuple[str, ...]
    specs: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, points: Sequence[Point]) -> Job:
        """The job that runs ``points``, which are of one experiment."""
        one = experiment_named(points[0].experiment)
        return cls(
            experiment=one.name,
            module=one.module,
            keys=tuple(p.key for p in points),
            specs=tuple(p.spec.model_dump(mode="json") for p in points),
        )


def work(job: Job) -> list[PointRecord]:
    """Run ``job``; whatever an experiment raises becomes failed points, whose reason is one line."""
    one = experiment_named(job.experiment, job.module)
    specs = [one.spec.model_validate(dict(spec)) for spec in job.specs]
    started = time.perf_counter()
    found: Sequence[Outcome | str]
    if one.together is None or len(specs) == 1:
        found = [_tried(lambda s=spec: [one.run(s)])[0] for spec in specs]  # type: ignore[misc]
    else:
        found = _tried(lambda: one.together(specs), len(specs))  # type: ignore[misc]
    seconds = (time.perf_counter() - started) / len(specs)
    return [
        _record(one, key, spec, outcome, seconds, len(specs))
        for key, spec, outcome in zip(job.keys, specs, found, strict=True)
    ]


def _tried(run: Callable[[], list[Outcome]], n: int = 1) -> Sequence[Outcome | str]:
    try:
        found = run()
    except Exception as error:  # noqa: BLE001 - one broken point must not lose the others
        reason = str(error) if isinstance(error, GnomonError) else f"{type(error).__name__}: {error}"
        return [" ".join(reason.split()) or type(error).__name__] * n
    return found


def _record(
    one: Experiment[Any], key: str, spec: Spec, found: Outcome | str, seconds: float, together: int
) -> PointRecord:
    failed = isinstance(found, str)
    return PointRecord(
        key=key,
        experiment=one.name,
        spec=spec.model_dump(mode="json"),
        status="failed" if failed else "done",
        outcome={} if isinstance(found, str) else found,
        reason=found if isinstance(found, str) else "",
        seconds=seconds,
        together=together,
        worker=f"{platform.node()}:{os.getpid()}",
        code_version=version_of(one),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
