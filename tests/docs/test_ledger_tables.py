"""The tables of predictions in the docs, made from what the command prints."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gnomon.lab.store import Store
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.ledger import Ledger
from gnomon.laws.ledger.registering import register
from gnomon.laws.ledger.scoring import score_by_hand
from gnomon.laws.ledger.summary import summary
from toy_challenge import by_hand

EXTENSIONS = Path(__file__).resolve().parents[2] / "docs" / "_ext"


def test_every_prediction_stands_in_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the docs extra is not installed")
    monkeypatch.setattr(sys, "path", [str(EXTENSIONS), *sys.path])
    import ledger as extension

    with Store.open(tmp_path) as store:
        ledger = Ledger(tmp_path / "ledger.jsonl", store)
        register(ledger, [by_hand("hit", x=1), by_hand("miss", x=2), by_hand("open|*", x=3)])
        waiting = Book.read(ledger.entries()).unscored()
        score_by_hand(ledger, waiting[0], 0.5, 0.01)
        score_by_hand(ledger, waiting[1], 0.6, 0.01)
        document = extension.shown(summary(Book.read(ledger.entries()), path="x", head="0" * 64))
    tables = {
        state: "\n".join(extension.Table.lines(SimpleNamespace(arguments=[state]), document))
        for state in ("miss", "hit", "outside", "open")
    }
    assert "| 2 | `miss` | theory `bernoulli` | 0.5 [0.4794, 0.5206] | 0.6 [0.5804, 0.6196] | 8.00 |" in tables["miss"]
    assert "| 1 | `hit` |" in tables["hit"]
    assert tables["outside"] == "*None.*"
    assert "unscored" in tables["open"]
    totals = "\n".join(extension.Totals.lines(SimpleNamespace(), document))
    assert "| coverage of the 90 % interval | 50% [0%, 100%] | – |" in totals
    assert "| predictions scored | 2, in 1 clusters | 0, in 0 clusters |" in totals
