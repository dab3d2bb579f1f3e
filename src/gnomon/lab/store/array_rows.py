"""Arrays as rows of a table, for a server whose hosts share no disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sqlalchemy import func, select

from gnomon.errors import GnomonError
from gnomon.lab.store import schema
from gnomon.lab.store.arrays import decode, digest_of

if TYPE_CHECKING:
    from gnomon.lab.store.database import Database


class ArrayRows:
    """The table ``arrays`` of ``database``: content by its SHA-256, checked whenever it is read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, contents: Mapping[str, bytes]) -> None:
        """See `Arrays`. One transaction; an array that was damaged is mended."""
        if not contents:
            return
        # one order for all writers: two that write overlapping arrays would otherwise wait for each other's rows
        rows = [{"digest": digest, "content": contents[digest]} for digest in sorted(contents)]
        table = schema.arrays
        new = self._database.insert(table)
        mend = new.on_conflict_do_update(
            index_elements=[table.c.digest],
            set_={"content": new.excluded.content},
            where=table.c.content != new.excluded.content,
        )
        self._database.write(lambda connection: connection.execute(mend, rows))

    def read(self, digest: str) -> NDArray[Any]:
        """See `Arrays`."""
        wanted = select(schema.arrays.c.content).where(schema.arrays.c.digest == digest)
        content = self._database.read(lambda connection: connection.scalar(wanted))
        if content is None:
            raise GnomonError(
                f"array {digest} is missing from the store {self._database.place}",
                mend="restore it, or measure again",
            )
        if digest_of(content) != digest:
            raise GnomonError(
                f"array {digest} of the store {self._database.place} is corrupt", mend="restore it, or measure again"
            )
        return decode(content)

    def health(self) -> dict[str, int]:
        """See `Arrays`."""
        content = schema.arrays.c.content
        counted = select(func.count(), func.coalesce(func.sum(func.octet_length(content)), 0))
        number, size = self._database.read(lambda connection: connection.execute(counted).one())
        return {"arrays": int(number), "array_bytes": int(size)}
