"""The ledger as a file: one line of JSON an entry, appended and never changed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any

from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.store.durable import flush_names
from gnomon.lab.store.witness import Witnessed
from gnomon.laws.ledger.entry import NOTHING, BadLineError, Entry, Kind, may_begin, moment, read_line
from gnomon.laws.ledger.locking import locked
from gnomon.laws.ledger.verifying import Verdict, verify

FILE = "ledger.jsonl"
_CLOCK_SET_BACK = timedelta(seconds=2)

Bodies = Sequence[tuple[Kind, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Appended:
    """What was appended; ``mended`` says what was found torn at the end of the file and set aside, if anything."""

    entries: tuple[Entry, ...]
    mended: str = ""


def ledger_path(given: str | Path | None, store: Store) -> Path:
    """Where the ledger is: ``given``, ``$GNOMON_LEDGER``, or ``ledger.jsonl`` in the folder of ``store``.

    Raises GnomonError when neither is given and the store has no folder.
    """
    named = given or os.environ.get("GNOMON_LEDGER")
    if named:
        return Path(named)
    if "://" in store.place:
        raise GnomonError(f"store {store.place} has no folder for a ledger", mend="give --ledger or $GNOMON_LEDGER")
    return Path(store.place) / FILE


@contextlib.contextmanager
def reading(path: Path) -> Iterator[bytes]:
    """The content of the ledger at ``path``, empty where there is none; nobody writes it until the end of the block."""
    with contextlib.ExitStack() as held:
        with _telling(path):
            _check_file(path)
            try:
                file = held.enter_context(path.open("rb", buffering=0))
            except FileNotFoundError:
                file = None
        if file is None:
            yield b""
            return
        held.enter_context(locked(file, str(path)))
        with _telling(path):
            content = file.readall()
        yield content


class Ledger:
    """An append-only, hash-chained file, whose witness is a store.

    Several processes may append at once: the file is locked while one of them reads, decides and writes. What `append`
    returned from is on the disk. A writer that is killed leaves at most a torn last line; the next one sets it aside.

    Parameters
    ----------
    path : the file; it need not exist.
    store : its witness. Entries are appended through one store, always the same.
    """

    def __init__(self, path: str | Path, store: Store) -> None:
        self.path = Path(path)
        self.store = store

    def verify(self, *, head: str | None = None) -> Verdict:
        """Whether it is as it was written, see `gnomon.laws.ledger.verifying.verify`."""
        with reading(self.path) as content:
            return verify(content, self.store.witnessed(), head=head)

    def entries(self) -> tuple[Entry, ...]:
        """All entries. Raises GnomonError when the ledger is not as it was written; a torn last line is passed over."""
        with reading(self.path) as content:
            return self._checked(_split(content)[0])

    def append(self, decide: Callable[[tuple[Entry, ...]], Bodies]) -> Appended:
        """Append what ``decide`` makes of the entries so far, all of it or nothing, while no other process may write.

        Raises GnomonError when the ledger is not as it was written or the file cannot be written, and whatever
        ``decide`` raises; nothing is appended then.
        """
        is_new = not self.path.exists()
        with _telling(self.path):
            _check_file(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+b", buffering=0)
        with file, locked(file, str(self.path)):
            if is_new:
                flush_names(self.path.parent)
            with _telling(self.path):
                file.seek(0)
                content = file.readall()
            whole, torn = _split(content)
            before = self._checked(whole)
            after = _chained(before, decide(before))
            noted = [Witnessed(number=e.number, hash=e.hash, time=e.time, kept=False) for e in after]
            self.store.witness(noted)
            with _telling(self.path):
                mended = self._set_aside(file, content, whole) if torn else ""
                _write(file, b"".join(entry.line() for entry in after))
            self.store.witness([replace(one, kept=True) for one in noted])
        return Appended(entries=after, mended=mended)

    def _checked(self, content: bytes) -> tuple[Entry, ...]:
        found = verify(content, self.store.witnessed())
        if found.fault is not None:
            raise GnomonError(
                f"ledger {self.path}, line {found.fault.line}: {found.fault.reason}",
                mend="put back a copy that `gnomon ledger verify` finds intact",
            )
        return found.entries

    def _set_aside(self, file: FileIO, content: bytes, whole: bytes) -> str:
        """Move what a killed writer left of a line to a file beside the ledger; what was done, in words."""
        if whole.startswith(content):  # only the end of the line is missing
            _write(file, b"\n")
            return f"the last line of {self.path} had lost its end, and has it again"
        torn = content[len(whole) :]
        beside = self.path.with_name(f"{self.path.name}.torn")
        with beside.open("ab") as other:
            other.write(torn + b"\n")
            other.flush()
            os.fsync(other.fileno())
        os.ftruncate(file.fileno(), len(whole))
        return f"a writer of {self.path} was killed: the {len(torn)} bytes of its unfinished line are in {beside}"


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turns what the file system raises about the ledger at ``path`` into a GnomonError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise GnomonError(
                f"no space is left on the disk of ledger {path}", mend="free some and run again; nothing was appended"
            ) from error
        raise GnomonError(f"ledger {path}: {error.strerror or error}", mend="give another with --ledger") from error


def _check_file(path: Path) -> None:
    """Raise GnomonError for what is there but no file: a device or a pipe might be read for ever."""
    if path.exists() and not path.is_file():
        raise GnomonError(f"ledger {path} is no file", mend="give another with --ledger")


def _split(content: bytes) -> tuple[bytes, bool]:
    """The finished lines of ``content``, and whether its end is torn. An entry that lacks but its end is finished.

    An end that no writer left, as of a file that is no ledger, is not torn: it stays, for `verify` to find.
    """
    end = content.rfind(b"\n") + 1
    torn = content[end:]
    if not torn or not may_begin(torn):
        return content, False
    try:
        read_line(torn)
    except BadLineError:
        return content[:end], True
    return content + b"\n", True


def _chained(before: Sequence[Entry], bodies: Bodies) -> tuple[Entry, ...]:
    """Entries of ``bodies`` that follow ``before``."""
    now = datetime.now(UTC)
    last = before[-1].time if before else ""
    if moment(now + _CLOCK_SET_BACK) < last:
        raise GnomonError(f"the last entry is of {last}, and the clock shows {moment(now)}", mend="set the clock")
    time = max(moment(now), last)
    after: list[Entry] = []
    for kind, body in bodies:
        entries = after or before
        number, previous = (entries[-1].number + 1, entries[-1].hash) if entries else (1, NOTHING)
        after.append(Entry.make(number=number, time=time, kind=kind, body=body, previous=previous))
    return tuple(after)


def _write(file: FileIO, content: bytes) -> None:
    """Append ``content`` and flush it to the disk; where that fails, the file is as long as before."""
    length = os.fstat(file.fileno()).st_size
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file.fileno(), left) :]
        os.fsync(file.fileno())
    except BaseException:
        os.ftruncate(file.fileno(), length)
        raise
