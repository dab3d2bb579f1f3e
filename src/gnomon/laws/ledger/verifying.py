"""Whether a ledger is what was written: every entry, in order, in time, and as the store witnessed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gnomon.lab.store.witness import Witnessed
from gnomon.laws.ledger.entry import NOTHING, BadLineError, Entry, may_begin, moment, read_line

_CLOCKS_DIFFER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The first line that is wrong (one beyond the last: where entries are missing), and what is wrong with it."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found.

    Parameters
    ----------
    entries : the entries before the first fault.
    fault : the first line that is wrong; ``None`` when all is as it was written.
    witnessed : how many of the entries the store witnessed.
    """

    entries: tuple[Entry, ...]
    fault: Fault | None
    witnessed: int

    @property
    def head(self) -> str:
        """Hash of the last good entry; zeros when there is none. Publish it: nobody can change what is before it."""
        return self.entries[-1].hash if self.entries else NOTHING

    def to_json(self) -> dict[str, Any]:
        """JSON object, as `gnomon ledger verify --json` prints it."""
        fault = None if self.fault is None else {"line": self.fault.line, "reason": self.fault.reason}
        return {
            "intact": self.fault is None,
            "entries": len(self.entries),
            "head": self.head,
            "witnessed": self.witnessed,
            "fault": fault,
        }


def verify(
    content: bytes, witnessed: Sequence[Witnessed] = (), *, head: str | None = None, now: datetime | None = None
) -> Verdict:
    """The first fault in the ledger ``content``, if there is one.

    Each line must be written, byte for byte, as gnomon writes it, its hash be that of its content, follow from the
    line before it, and be no earlier than that and not in the future. A score belongs to one earlier prediction that
    had none, and its measurement was made after that was registered. Every entry that the store witnessed must be
    there, and none but these after the first of them.

    Parameters
    ----------
    witnessed : what the store saw being appended, see `gnomon.lab.store.witness`.
    head : a hash that was published; it must be that of an entry.
    now : the time, for tests.
    """
    latest = moment((now or datetime.now(UTC)) + _CLOCKS_DIFFER)
    seen = _Seen(witnessed)
    good: list[Entry] = []
    scores = _Scores()

    def verdict(reason: str | None) -> Verdict:
        fault = None if reason is None else Fault(line=len(good) + 1, reason=reason)
        return Verdict(entries=tuple(good), fault=fault, witnessed=sum(map(seen.saw, good)))

    *lines, rest = content.split(b"\n")
    for line in lines:
        try:
            entry = read_line(line)
        except BadLineError as error:
            return verdict(f"{error}: it was edited or damaged")
        reason = _out_of_place(entry, good[-1] if good else None, latest) or seen.against(entry) or scores.take(entry)
        if reason is not None:
            return verdict(reason)
        good.append(entry)
    if rest and not may_begin(rest):
        return verdict("it is not an entry of a ledger: it was edited or damaged")
    if rest:
        return verdict(f"it is cut off after {len(rest)} bytes: its writer was killed, or its end was removed")
    reason = seen.missing(len(good))
    if reason is None and head is not None and head not in [e.hash for e in good]:
        reason = f"no entry up to here has the published hash {head}: the ledger was rewritten, or its end was removed"
    return verdict(reason)


def _out_of_place(entry: Entry, before: Entry | None, latest: str) -> str | None:
    """Why ``entry`` cannot follow ``before``."""
    number, previous = (1, NOTHING) if before is None else (before.number + 1, before.hash)
    if entry.number != number:
        return f"its number is {entry.number}, not {number}: entries were removed, inserted or moved here"
    if entry.previous != previous:
        return "it does not follow from the line before it: one of the two was rewritten"
    if before is not None and entry.time < before.time:
        return f"its time {entry.time} is before that of the line before it, {before.time}: it was back-dated"
    if entry.time > latest:
        return f"its time {entry.time} lies in the future"
    return None


class _Seen:
    """The entries that the store witnessed."""

    def __init__(self, witnessed: Sequence[Witnessed]) -> None:
        self._hashes: dict[int, set[str]] = {}
        for one in witnessed:
            self._hashes.setdefault(one.number, set()).add(one.hash)
        self._kept: Mapping[int, Witnessed] = {w.number: w for w in witnessed if w.kept}

    def saw(self, entry: Entry) -> bool:
        return entry.hash in self._hashes.get(entry.number, ())

    def against(self, entry: Entry) -> str | None:
        """What the store holds against ``entry``."""
        kept = self._kept.get(entry.number)
        if kept is not None and kept.hash != entry.hash:
            return f"the store witnessed another entry {entry.number} at {kept.time}: the ledger was rewritten"
        if kept is None and self._kept and entry.number > min(self._kept) and not self.saw(entry):
            return "it was not appended through the store that witnessed the entries before it"
        return None

    def missing(self, entries: int) -> str | None:
        """What of the end is gone."""
        gone = sorted(number for number in self._kept if number > entries)
        if not gone:
            return None
        last = self._kept[gone[-1]]
        gap = "the end of the ledger was removed"
        if not entries:
            gap += ", or this is another ledger than the one of this store"
        return f"the store witnessed entries up to {last.number} at {last.time}: {gap}"


class _Scores:
    """Whether scores belong to predictions that were made before."""

    def __init__(self) -> None:
        self._registered: dict[int, str] = {}
        self._scored: set[int] = set()

    def take(self, entry: Entry) -> str | None:
        """Why ``entry`` is no score of an earlier prediction, where it claims to be one."""
        if entry.kind == "prediction":
            self._registered[entry.number] = entry.time
            return None
        of, measured = entry.body.get("prediction"), entry.body.get("measured_at")
        registered = self._registered.get(of) if isinstance(of, int) else None
        if not isinstance(of, int) or registered is None or not isinstance(measured, str):
            return f"it scores {of}, which is no prediction before it"
        if of in self._scored:
            return f"prediction {of} was scored already"
        self._scored.add(of)
        if measured < registered:
            return f"its measurement was made at {measured}, before prediction {of} was registered at {registered}"
        if measured > entry.time:
            return f"its measurement was made at {measured}, after it was scored at {entry.time}"
        return None
