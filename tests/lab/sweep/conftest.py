"""One warm pool for all tests of sweeps: starting workers is what costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.lab.store import Store
from gnomon.lab.sweep.executors import Local


@pytest.fixture(scope="session")
def pool() -> Iterator[Local]:
    with Local(2) as started:
        yield started


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened
