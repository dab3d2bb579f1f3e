"""A run: the measurements of one command, and what it was asked to do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Run:
    """A group of measurements that belong together.

    Parameters
    ----------
    id : name of the run; sorts by time.
    kind : what made it, e.g. ``examine``.
    subject : name of what was measured, if it was one.
    command : the command line, to run it again.
    spec : its settings, as JSON values.
    created : time of its start.
    finished : whether it came to its end; a run that was killed did not.
    """

    id: str
    kind: str
    subject: str = ""
    command: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    finished: bool = False


def new_run(kind: str, *, subject: str, command: str, spec: Mapping[str, Any]) -> Run:
    """A run that starts now."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"
    return Run(
        id=name, kind=kind, subject=subject, command=command, spec=spec, created=now.isoformat(timespec="seconds")
    )
