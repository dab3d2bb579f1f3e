"""A ledger whose witness is on a PostgreSQL server, which may be far from the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.cli.main import run
from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.ledger import Ledger, ledger_path
from gnomon.laws.ledger.registering import MeasuredAlreadyError, register
from gnomon.laws.ledger.scoring import score_by_hand
from gnomon.measurement import Measurement, Uncertainty
from postgresql_server import running_server
from toy_challenge import HEADS, by_hand


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_server() as server:
        yield server.url(server.empty_database())


def test_the_whole_life_of_a_prediction(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GNOMON_LEDGER", raising=False)
    path = tmp_path / "ledger.jsonl"
    with Store.open(url) as store:
        with pytest.raises(GnomonError, match="has no folder for a ledger; give --ledger or \\$GNOMON_LEDGER"):
            ledger_path(None, store)
        ledger = Ledger(path, store)
        register(ledger, [by_hand("a", step="1"), by_hand("b", step="2")])
        store.add(Measurement.ok(HEADS, 0.5, Uncertainty.exact(), labels={"step": "3"}))
        with pytest.raises(MeasuredAlreadyError, match="the store holds a measurement"):
            register(ledger, [by_hand("c", step="3")])
        score_by_hand(ledger, Book.read(ledger.entries()).records[1].registered, 0.5, 0.01)
        assert (ledger.verify().fault, ledger.verify().witnessed) == (None, 3)
        assert [(w.number, w.kept) for w in store.witnessed()] == [(1, True), (2, True), (3, True)]
    at = ["--store", url, "--ledger", str(path)]
    assert run(["ledger", "verify", *at]) == 0
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert run(["ledger", "verify", *at]) == 1
    assert "the store witnessed entries up to 3" in capsys.readouterr().out
    assert run(["ledger", "list", "--store", url]) == 2
    assert "has no folder for a ledger" in capsys.readouterr().err
