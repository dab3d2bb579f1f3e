"""Forgers: whatever is edited, removed, inserted, moved or back-dated is found, and the first bad line is named.

The ledger has predictions 1 to 4, scores 5 and 6 of predictions 2 and 4, and prediction 7. A forger who can compute
hashes rewrites everything that follows; only the witness, or a published head, then knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.lab.store.witness import Witnessed
from gnomon.laws.ledger.entry import NOTHING, Entry, Kind, moment
from gnomon.laws.ledger.verifying import Verdict, verify

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = START + timedelta(hours=10)
KINDS: list[Kind] = ["prediction"] * 4 + ["score"] * 2 + ["prediction"]
SCORED = {5: 2, 6: 4}


def at(minute: float) -> str:
    return moment(START + timedelta(minutes=minute))


def body(number: int) -> dict[str, Any]:
    if number in SCORED:
        return {"prediction": SCORED[number], "measured_at": at(number - 0.5), "value": 0.1 * number}
    return {"name": f"p{number}", "mean": 0.1 * number, "text": "é \n"}


def chained(contents: Sequence[dict[str, Any]]) -> list[Entry]:
    """Entries of number, time, kind and body, with the hashes that a gnomon (or a forger) computes."""
    entries: list[Entry] = []
    for content in contents:
        entries.append(Entry.make(previous=entries[-1].hash if entries else NOTHING, **content))
    return entries


def contents() -> list[dict[str, Any]]:
    return [{"number": i, "time": at(i), "kind": k, "body": body(i)} for i, k in enumerate(KINDS, start=1)]


def written(entries: Sequence[Entry]) -> bytes:
    return b"".join(entry.line() for entry in entries)


ENTRIES = chained(contents())
LEDGER = written(ENTRIES)
LINES = LEDGER.splitlines(keepends=True)
WITNESS = [Witnessed(number=e.number, hash=e.hash, time=e.time, kept=True) for e in ENTRIES]


def fault(content: bytes, witness: Sequence[Witnessed] = WITNESS, head: str | None = None) -> tuple[int, str]:
    found = verify(content, witness, head=head, now=NOW)
    assert found.fault is not None
    assert len(found.entries) <= found.fault.line
    return found.fault.line, found.fault.reason


def check(content: bytes, **more: Any) -> Verdict:
    found = verify(content, now=NOW, **more)
    assert found.fault is None, found.fault
    return found


def test_an_honest_ledger_is_intact() -> None:
    for head in (None, ENTRIES[2].hash, ENTRIES[-1].hash):
        assert check(LEDGER, witnessed=WITNESS, head=head).head == ENTRIES[-1].hash
    assert check(LEDGER).witnessed == 0
    assert check(LEDGER, witnessed=WITNESS[3:]).witnessed == 4  # of a store that was used from entry 4 on
    assert check(b"").head == NOTHING


@given(st.integers(0, len(LEDGER) - 1), st.integers(1, 255))
def test_any_byte_that_is_changed_is_found_without_a_witness(place: int, change: int) -> None:
    content = bytearray(LEDGER)
    content[place] ^= change
    line, _ = fault(bytes(content), [])
    assert line == LEDGER[:place].count(b"\n") + 1


@given(st.integers(0, len(LEDGER)), st.integers(0, 255))
def test_any_byte_that_is_put_in_is_found(place: int, byte: int) -> None:
    line, _ = fault(LEDGER[:place] + bytes([byte]) + LEDGER[place:], [])
    assert LEDGER[:place].count(b"\n") in (line - 1, line - 2)


@given(st.integers(0, len(LEDGER) - 1))
def test_any_byte_that_is_taken_out_is_found(place: int) -> None:
    line, _ = fault(LEDGER[:place] + LEDGER[place + 1 :], [])
    assert line == LEDGER[:place].count(b"\n") + 1


@pytest.mark.parametrize("index", range(7), ids=str)
def test_any_line_that_is_removed_is_found(index: int) -> None:
    content = b"".join(LINES[:index] + LINES[index + 1 :])
    line, reason = fault(content)
    assert line == index + 1
    if index < 6:
        assert reason.startswith(f"its number is {index + 2}, not {index + 1}: entries were removed")
        assert fault(content, []) == (line, reason)
    else:
        assert reason == f"the store witnessed entries up to 7 at {at(7)}: the end of the ledger was removed"
        check(content)  # the chain itself knows nothing of it
        assert "has the published hash" in fault(content, [], head=ENTRIES[-1].hash)[1]


@pytest.mark.parametrize("kept", range(7), ids=str)
def test_a_removed_tail_is_found_by_the_witness_and_by_a_published_head(kept: int) -> None:
    content = b"".join(LINES[:kept])
    assert fault(content)[0] == kept + 1
    assert fault(content, [], head=ENTRIES[-1].hash)[0] == kept + 1
    check(content)


@pytest.mark.parametrize(("one", "two"), [(i, j) for j in range(7) for i in range(j)], ids=str)
def test_any_two_lines_that_are_swapped_are_found(one: int, two: int) -> None:
    swapped = list(LINES)
    swapped[one], swapped[two] = swapped[two], swapped[one]
    assert fault(b"".join(swapped), [])[0] == one + 1


def forged(change: Callable[[list[dict[str, Any]]], None]) -> bytes:
    """The ledger with some contents changed, and every hash computed anew."""
    changed = contents()
    change(changed)
    return written(chained(changed))


@pytest.mark.parametrize("index", range(7), ids=str)
def test_a_forger_who_computes_all_hashes_anew_is_found_by_the_witness(index: int) -> None:
    def edit(changed: list[dict[str, Any]]) -> None:
        changed[index]["body"]["mean"] = 0.12345

    content = forged(edit)
    check(content)
    line, reason = fault(content)
    assert line == index + 1
    assert reason == (f"the store witnessed another entry {index + 1} at {at(index + 1)}: the ledger was rewritten")
    assert "has the published hash" in fault(content, [], head=ENTRIES[-1].hash)[1]


@pytest.mark.parametrize("index", range(7), ids=str)
def test_an_entry_that_a_forger_takes_out_and_closes_the_gap(index: int) -> None:
    def take_out(changed: list[dict[str, Any]]) -> None:
        del changed[index]
        for number, content in enumerate(changed, start=1):
            content["number"] = number
            if "prediction" in content["body"] and content["body"]["prediction"] > index + 1:
                content["body"]["prediction"] -= 1

    line, _ = fault(forged(take_out))
    assert line == index + 1


def test_an_entry_that_a_forger_puts_in() -> None:
    def put_in(changed: list[dict[str, Any]]) -> None:
        changed.append({"number": 8, "time": at(7.5), "kind": "prediction", "body": {"name": "I knew"}})

    content = forged(put_in)
    check(content)
    assert fault(content) == (8, "it was not appended through the store that witnessed the entries before it")


@given(st.integers(1, 6), st.floats(0.001, 1000))
def test_an_entry_that_is_earlier_than_the_one_before_it(index: int, minutes: float) -> None:
    def back_date(changed: list[dict[str, Any]]) -> None:
        changed[index]["time"] = at(index - minutes)

    line, reason = fault(forged(back_date), [])
    assert line == index + 1
    assert "before that of the line before it" in reason
    assert "back-dated" in reason


def test_an_entry_of_the_future() -> None:
    def post_date(changed: list[dict[str, Any]]) -> None:
        changed[6]["time"] = moment(NOW + timedelta(hours=1))

    line, reason = fault(forged(post_date), [])
    assert (line, reason[-17:]) == (7, "lies in the future"[-17:])


def test_a_prediction_that_a_forger_back_dates_before_its_measurement() -> None:
    """Prediction 4 was registered at minute 4; it is moved in front of entry 1, all hashes computed anew."""

    def move(changed: list[dict[str, Any]]) -> None:
        changed[3]["time"] = at(0)

    assert fault(forged(move), [])[0] == 4  # its time falls behind that of the one before it
    everything = [{**c, "time": at(0)} if c["number"] <= 4 else c for c in contents()]
    content = written(chained(everything))
    check(content)
    assert fault(content)[0] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prediction": 9}, "it scores 9, which is no prediction before it"),
        ({"prediction": 5}, "it scores 5, which is no prediction before it"),
        ({"prediction": "2"}, "it scores 2, which is no prediction before it"),
        ({"measured_at": None}, "it scores 4, which is no prediction before it"),
        ({"prediction": 2}, "prediction 2 was scored already"),
        ({"measured_at": at(3.9)}, f"its measurement was made at {at(3.9)}, before prediction 4 was registered at"),
        ({"measured_at": at(6.1)}, f"its measurement was made at {at(6.1)}, after it was scored at"),
    ],
    ids=["unknown", "a_score", "text", "unmeasured", "twice", "measured_before", "measured_after"],
)
def test_scores_belong_to_predictions_made_before(change: dict[str, Any], reason: str) -> None:
    def edit(changed: list[dict[str, Any]]) -> None:
        changed[5]["body"] |= change

    line, said = fault(forged(edit), [])
    assert line == 6
    assert said.startswith(reason)


def test_an_entry_whose_writer_was_killed_may_be_missing_and_another_take_its_number() -> None:
    other = Entry.make(number=7, time=at(6.5), kind="prediction", body={"name": "killed"}, previous=ENTRIES[5].hash)
    killed = Witnessed(number=7, hash=other.hash, time=other.time, kept=False)
    check(written(ENTRIES[:6]), witnessed=[*WITNESS[:6], killed])
    check(LEDGER, witnessed=[*WITNESS, killed])
    # it was written before its writer was killed, and only not noted as kept
    check(written([*ENTRIES[:6], other]), witnessed=[*WITNESS[:6], killed])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"not json",
        b"\xff\xfe",
        LINES[0][:-1] + b" ",
        LINES[0].replace(b":", b": ", 1)[:-1],
    ],
    ids=["empty", "object", "null", "list", "text", "bytes", "space", "space_within"],
)
def test_lines_that_are_no_entries(line: bytes) -> None:
    number, reason = fault(line + b"\n" + b"".join(LINES[1:]), [])
    assert number == 1
    assert reason.endswith("it was edited or damaged")
    assert "\n" not in reason


def test_json_that_only_python_reads_is_refused() -> None:
    """NaN is no JSON; nothing of it can be hashed."""
    number, _ = fault(LINES[0].replace(b"0.1", b"NaN") + b"".join(LINES[1:]), [])
    assert number == 1
