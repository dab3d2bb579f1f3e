"""What is wrong with a concept, and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Concern:
    """A warning before anything is fitted.

    Parameters
    ----------
    check : which check it comes from.
    finding : what was found, with its numbers.
    mend : what the reader can do about it.
    site : where in the subject, for what was found in vectors.
    numbers : those of the finding, for programs.
    """

    check: str
    finding: str
    mend: str
    site: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        where = "" if self.site is None else f" at {self.site}"
        return f"{self.check}{where}: {self.finding}; {self.mend}"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "check": self.check,
            "site": self.site,
            "finding": self.finding,
            "mend": self.mend,
            "numbers": dict(self.numbers),
        }


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few of ``names``."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
