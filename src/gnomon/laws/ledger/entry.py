"""One line of the ledger: its number, time, kind and body, chained by hashes to all lines before it."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self, get_args

from gnomon.errors import GnomonError
from gnomon.lab.store.documents import canonical

Kind = Literal["prediction", "score"]

NOTHING = "0" * 64
"""What stands as the previous hash in the first entry."""

_BEGINNING = b'{"body":{'
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class BadLineError(ValueError):
    """A line is not an entry as gnomon wrote it; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of the ledger.

    Parameters
    ----------
    number : from 1, without gaps.
    time : when it was appended, UTC with microseconds, e.g. ``2026-11-21T16:41:07.000000Z``.
    kind : ``prediction`` or ``score``.
    body : JSON values.
    previous : hash of the entry before it; zeros in the first.
    hash : SHA-256 of the canonical JSON (keys sorted, no spaces, ASCII) of all of these.
    """

    number: int
    time: str
    kind: Kind
    body: Mapping[str, Any]
    previous: str
    hash: str

    @classmethod
    def make(cls, *, number: int, time: str, kind: Kind, body: Mapping[str, Any], previous: str) -> Self:
        """The entry with its hash. Raises GnomonError for a body that is not JSON."""
        content = {"number": number, "time": time, "kind": kind, "body": dict(body), "previous": previous}
        # as a reader will see it: tuples are lists there
        written = json.loads(canonical(content))
        return cls(**written, hash=_hash(written))

    def line(self) -> bytes:
        """The line in the file, with its end."""
        return canonical(vars(self)).encode() + b"\n"


@functools.lru_cache(maxsize=4096)
def read_line(line: bytes) -> Entry:
    """The entry in ``line``, which lacks its end. Raises BadLineError unless that is, byte for byte, `Entry.line`.

    What was read once is remembered: whoever appends reads all lines before.
    """
    try:
        found = json.loads(line.decode("ascii"))
        entry = Entry(**found)
        digest = _hash({name: value for name, value in found.items() if name != "hash"})
        again = canonical(found)
        sound = type(entry.number) is int and entry.kind in get_args(Kind) and _TIME.fullmatch(entry.time)
    except (GnomonError, ValueError, TypeError, RecursionError):
        raise BadLineError("it is not an entry of a ledger") from None
    if not sound:
        raise BadLineError("its number, kind or time is none")
    if digest != entry.hash:
        raise BadLineError("its hash is not that of its content")
    if again.encode() != line:
        raise BadLineError("it is not written as gnomon writes it")
    return entry


def may_begin(rest: bytes) -> bool:
    """Whether ``rest`` may be what a killed writer left of a line: its beginning, or zeros where the power failed."""
    written = rest.rstrip(b"\0")
    return written.startswith(_BEGINNING) or _BEGINNING.startswith(written)


def moment(time: datetime) -> str:
    """``time`` as entries state it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()
