"""Arrays as rows of a table, for a server whose hosts share no disk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from gnomon.errors import GnomonError
from gnomon.lab.store import schema
from gnomon.lab.store.arrays import ReadArray, decode, digest_of

if TYPE_CHECKING:
    from gnomon.lab.store.database import Database

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_AT_ONCE = 1000


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

    def reader(self, documents: Sequence[str]) -> ReadArray:
        """See `Arrays`. All of them are fetched at once; what else looks like a digest is asked for in vain."""
        wanted = sorted({digest for text in documents for digest in _DIGEST.findall(text)})
        table = schema.arrays

        def work(connection: Connection) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for start in range(0, len(wanted), _AT_ONCE):
                some = table.c.digest.in_(wanted[start : start + _AT_ONCE])
                found |= {row.digest: row.content for row in connection.execute(select(table).where(some))}
            return found

        contents = self._database.read(work) if wanted else {}

        def read(digest: str) -> NDArray[Any]:
            place, content = self._database.place, contents.get(digest)
            if content is None:
                raise GnomonError(
                    f"array {digest} is missing from the store {place}", mend="restore it, or measure again"
                )
            if digest_of(content) != digest:
                raise GnomonError(
                    f"array {digest} of the store {place} is corrupt", mend="measure again, or restore it"
                )
            return decode(content)

        return read

    def health(self) -> dict[str, int]:
        """See `Arrays`."""
        content = schema.arrays.c.content
        counted = select(func.count(), func.coalesce(func.sum(func.octet_length(content)), 0))
        number, size = self._database.read(lambda connection: connection.execute(counted).one())
        return {"arrays": int(number), "array_bytes": int(size)}
