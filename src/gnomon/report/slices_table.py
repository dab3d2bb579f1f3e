"""Error slices as a table, and in a few sentences; draws nothing."""

from __future__ import annotations

from gnomon.assurance.errors.slices import Found
from gnomon.measurement import Uncertainty
from gnomon.report.numbers import fixed

COLUMNS = ("", "slice", "held out", "clusters", "errors", "rest", "excess", "p, corrected", "confirmed")


def rows(found: Found) -> list[tuple[str, ...]]:
    """A row of `COLUMNS` for each slice that was nominated, and one for the rest."""
    table: list[tuple[str, ...]] = [
        (
            f"{number}",
            one.description,
            f"{one.examples:,}",
            f"{one.clusters:,}",
            _percent(one.rate, one.rate_interval),
            f"{fixed(100 * one.rest, 1)} %",
            _percent(one.excess, one.excess_interval),
            f"{one.adjusted:.2g}",
            "yes" if one.confirmed else "no",
        )
        for number, one in enumerate(found.slices, start=1)
    ]
    if found.rest is not None:
        table.append(("", "the rest", "", "", _percent(*found.rest), "", "", "", ""))
    return table


def lead(found: Found) -> str:
    """What came of the search, in sentences."""
    level, count = 100 * found.level, len(found.confirmed)
    nominated = len(found.slices) + len(found.unseen)
    wrong = f"{fixed(100 * float(found.graded.errors.mean()), 1)} % of {len(found.graded):,} answers are wrong."
    sought = (
        f"Of {nominated} slices that one half nominated by {found.features:,} features and their conjunctions,"
        f" {count} {'is' if count == 1 else 'are'} confirmed on the other half ({int(found.held_out.sum()):,} answers)."
    )
    sure = (
        f"At most {100 - level:.3g} % of the confirmed are expected to be none; all intervals hold at once at"
        f" {level:.3g} %. Each slice is apart from those above it."
    )
    return " ".join((wrong, sought, *_unseen(found), sure))


def _unseen(found: Found) -> tuple[str, ...]:
    if not found.unseen:
        return ()
    named = "; ".join(found.unseen)
    return (f"Without held-out answers, so that the worst slice may be wrong throughout: {named}.",)


def _percent(value: float, interval: Uncertainty) -> str:
    low, high = (100 * float(end or 0.0) for end in (interval.low, interval.high))
    places = 0 if high - low > 1 else 1
    return f"{fixed(100 * value, places)} [{fixed(low, places)}, {fixed(high, places)}] %"
