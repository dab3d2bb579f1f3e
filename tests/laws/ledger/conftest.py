"""A ledger in a new store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.lab.store import Store
from gnomon.laws.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Store.open(tmp_path / "store") as store:
        yield Ledger(tmp_path / "store" / "ledger.jsonl", store)
