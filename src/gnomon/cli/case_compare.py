"""`gnomon case compare`: what changed between two cases, and which claims it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gnomon.cli.case_show import CasePath
from gnomon.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from gnomon.assurance.case.compare import Comparison, Shift, Turn

_BROKEN = 1
_SHOWN = 16  # of a hash


def compare(before: CasePath, after: CasePath, as_json: AsJson = False) -> int:
    """Compare the case BEFORE with the case AFTER: what changed, and which claims it breaks.

    Exits with 0, and with 1 when a claim that was supported no longer is, or is no
    longer made.
    """
    from gnomon.assurance.case import load
    from gnomon.assurance.case.compare import compare as compared

    found = compared(load(before), load(after))
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    return _BROKEN if found.broken else 0


def _print(found: Comparison) -> None:
    from gnomon.cli.tables import print_table

    if found.changes:
        rows = [(what, old[:_SHOWN], new[:_SHOWN]) for what, old, new in found.changes]
        print_table("what changed", ("what", "before", "after"), rows)
    shifted = [one for one in found.shifts if one.shifted]
    if shifted:
        columns = ("evidence", "before", "after", "difference", "supposes")
        print_table("measurements beyond their intervals", columns, [_shift(one) for one in shifted])
    if found.turns:
        columns = ("claim", "before", "after", "", "text")
        print_table("claims", columns, [_turn(one) for one in found.turns])
    still = len(found.shifts) - len(shifted)
    typer.echo(f"{len(found.broken)} claims break; {still} of {len(found.shifts)} measurements are not shown to differ")


def _shift(one: Shift) -> tuple[str, ...]:
    return (
        one.id,
        f"{one.before.value:.4g}",
        f"{one.after.value:.4g}",
        f"[{one.low:.4g}, {one.high:.4g}]",
        one.dependence,
    )


def _turn(one: Turn) -> tuple[str, ...]:
    return one.claim.id, one.before or "–", one.after or "–", "BREAKS" if one.breaks else "", one.claim.text
