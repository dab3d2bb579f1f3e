"""Which points of a sweep go into one call: batches for those that can run together, each small enough to lose."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence

from gnomon.lab.sweep.experiment import experiment_named
from gnomon.lab.sweep.point import Point
from gnomon.lab.sweep.work import Job

LARGEST_BATCH = 32
"""Points in one call of ``together`` at most: they are in memory at once, and lost at once with their worker."""


def jobs_of(points: Sequence[Point], workers: int, *, apart: bool = False) -> list[Job]:
    """Jobs for ``points``, in the order of their first points.

    Points of one experiment whose specs are alike (`Experiment.alike`) are dealt into batches, of which there are
    enough to keep all workers busy and none is larger than `LARGEST_BATCH`; all others are jobs of their own. With
    ``apart`` every point is.
    """
    groups: dict[tuple[Hashable, ...], list[Point]] = {}
    for point in points:
        one = experiment_named(point.experiment)
        kind = (point.key,) if apart or one.together is None else (one.name, one.kind_of(point.spec))
        groups.setdefault(kind, []).append(point)
    share = math.ceil(sum(len(group) for group in groups.values() if len(group) > 1) / workers)
    return [Job.of(batch) for group in groups.values() for batch in _dealt(group, share, workers)]


def _dealt(group: Sequence[Point], share: int, workers: int) -> list[Sequence[Point]]:
    """``group`` in batches of nearly one size, at most ``share``; as many for each worker where there are enough."""
    batches = math.ceil(len(group) / max(1, min(share, LARGEST_BATCH)))
    if batches > workers:
        batches = min(len(group), workers * math.ceil(batches / workers))
    bounds = [i * len(group) // batches for i in range(batches + 1)]
    return [group[a:b] for a, b in itertools.pairwise(bounds)]
