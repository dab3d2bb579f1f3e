"""The witness of a ledger: number, hash and time of every entry that was appended through this store.

A chain of hashes shows an edit in its middle, not that its end was cut off or that all of it was written anew; whoever
holds a hash of its head knows that too. A store is the witness of one ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, inspect, select

from gnomon.lab.store import schema


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """An entry of a ledger, as the store saw it.

    Parameters
    ----------
    number, hash, time : of the entry.
    kept : whether it is known to be safe in the ledger. It is witnessed before it is written, and a writer may be
        killed in between: one that is not kept may be missing there.
    """

    number: int
    hash: str
    time: str
    kept: bool


def keep(connection: Connection, insert: Callable[..., Any], entries: Iterable[Witnessed]) -> None:
    """Note ``entries``; that one is kept stays so."""
    rows = sorted(map(asdict, entries), key=lambda row: (row["number"], row["hash"]))
    if not rows:
        return
    table = schema.witnessed
    new = insert(table)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[table.c.number, table.c.hash],
            set_={"kept": new.excluded.kept},
            where=~table.c.kept,
        ),
        rows,
    )


def entries(connection: Connection) -> list[Witnessed]:
    """All that was witnessed, by number; nothing in an older store that may only be read."""
    table = schema.witnessed
    if not inspect(connection).has_table(table.name):
        return []
    found = connection.execute(select(table).order_by(table.c.number, table.c.hash)).mappings()
    return [Witnessed(**row) for row in found]
