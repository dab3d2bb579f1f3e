"""What the store notes of the entries of a ledger."""

from __future__ import annotations

from dataclasses import replace

from gnomon.lab.store import Store
from gnomon.lab.store.witness import Witnessed


def seen(number: int, digest: str = "a", *, kept: bool = False) -> Witnessed:
    return Witnessed(number=number, hash=digest * 64, time=f"2026-01-01T00:00:0{number}.000000Z", kept=kept)


def test_what_is_kept_stays_kept(store: Store) -> None:
    one, two = seen(1), seen(2, "b")
    store.witness([two, one])
    assert store.witnessed() == [one, two]
    store.witness([replace(one, kept=True)])
    store.witness([one])
    assert store.witnessed() == [replace(one, kept=True), two]


def test_an_entry_that_was_never_written_gives_way_to_another_of_its_number(store: Store) -> None:
    store.witness([seen(1), seen(1, "b", kept=True)])
    assert [(w.number, w.hash[0], w.kept) for w in store.witnessed()] == [(1, "a", False), (1, "b", True)]
    store.witness([])
    assert store.health()["witnessed"] == 2
