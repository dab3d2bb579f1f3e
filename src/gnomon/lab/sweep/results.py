"""The outcomes of a sweep, by point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gnomon.lab.store.point_record import Outcome, PointRecord
from gnomon.lab.sweep.point import Point


class Results:
    """Outcomes of points, looked up by the points themselves."""

    def __init__(self, records: Iterable[PointRecord]) -> None:
        self._by_key: Mapping[str, PointRecord] = {r.key: r for r in records}

    def record(self, point: Point) -> PointRecord:
        """All that is kept of ``point``."""
        return self._by_key[point.key]

    def of(self, point: Point) -> Outcome | None:
        """What ``point`` found; ``None`` where it failed."""
        record = self.record(point)
        return record.outcome if record.status == "done" else None

    def all(self, points: Sequence[Point]) -> list[Outcome]:
        """What those of ``points`` found that did not fail."""
        return [found for found in map(self.of, points) if found is not None]

    @property
    def failed(self) -> list[PointRecord]:
        """The points that failed."""
        return [r for r in self._by_key.values() if r.status == "failed"]

    @property
    def seconds(self) -> float:
        """Seconds that the points took in their workers (one thread each) when they were run, whenever that was."""
        return sum(r.seconds for r in self._by_key.values())
