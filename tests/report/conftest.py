"""One written report that the tests of its parts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import specimen

from gnomon.report.content import Examination
from gnomon.report.page import write_report


@dataclass(frozen=True)
class Written:
    examination: Examination
    path: Path

    @property
    def html(self) -> str:
        return self.path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The specimen with its training history, written once."""
    examination = specimen.examination(with_history=True)
    path = write_report(examination, tmp_path_factory.mktemp("report"), quantities=specimen.QUANTITIES)
    return Written(examination, path)
