"""Every challenge from nothing: what may be seen is run, predictions are frozen, targets are run and scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.lab.store import Store
from gnomon.lab.sweep.executors import Local
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.ledger import Ledger
from gnomon.predictions.registry import challenge, challenges
from gnomon.predictions.running import register_challenges, score_challenges


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(challenges()))
def test_registered_and_scored(name: str, tmp_path: Path) -> None:
    one = challenge(name)
    with Store.open(tmp_path) as store, Local(1) as executor:
        ledger = Ledger(tmp_path / "ledger.jsonl", store)
        (done,) = register_challenges([one], ledger=ledger, executor=executor)
        assert (done.state, done.reason) == ("registered", "")
        assert score_challenges(ledger, executor=executor) == []
        records = Book.read(ledger.entries()).records.values()
        assert {r.registered.target for r in records} == set(one.targets())
        assert all(r.scored is not None for r in records)
        assert ledger.verify().fault is None
