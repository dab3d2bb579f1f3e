"""What is kept of a point that was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = dict[str, Any]
"""What one point found: JSON values by name (numbers, text, ``None``, lists of numbers)."""

PointStatus = Literal["done", "failed"]


@dataclass(frozen=True, kw_only=True)
class PointRecord:
    """One point of a sweep (see `gnomon.lab.sweep.Point`) and its outcome.

    Parameters
    ----------
    key : see `Point.key`; the store holds each once.
    experiment, spec : what was run; the spec as JSON.
    status : ``done``, or ``failed`` with a reason in one line. A failed point is tried again by the next sweep.
    outcome : what it found; empty where it failed.
    seconds : wall time; of points that were trained together, an equal share.
    together : how many points were run in one call.
    worker : host and process.
    created : when it ended.
    """

    key: str
    experiment: str
    spec: Mapping[str, Any]
    status: PointStatus
    outcome: Outcome = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    together: int = 1
    worker: str = ""
    code_version: str = ""
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of ``PointRecord(**data)``."""
        return asdict(self)
