"""`gnomon efficiency`: what a cheaper network saves, and what it does to all else that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.deployment_options import Deployed, Materials, Safeguards
from gnomon.cli.options import AsJson, Device, Seed, SubjectPath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.asking import Question
    from gnomon.assurance.efficiency import Compared, Comparison, RowChange
    from gnomon.assurance.policy import Limit

_WORSE = 1


def efficiency(
    subject: SubjectPath,
    changes: Annotated[
        list[str] | None, typer.Option("--change", help="int8, int4, pruned=50%, pruned_rows=25%; repeat or a,b.")
    ] = None,
    smaller: Annotated[
        list[str] | None, typer.Option("--smaller", help="Another network in its place; repeat.")
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--evaluation", help="What is compared; repeat or a,b. Default text_loss.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Option of an evaluation, as NAME.OPTION=VALUE; repeat for more.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Compare all that this policy asks; it says what is worse.")
    ] = None,
    safeguards: Safeguards = None,
    materials: Materials = None,
    level: Annotated[float, typer.Option("--level", help="That all verdicts hold at together.")] = 0.95,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> int:
    """Make SUBJECT cheaper, and compare what is measured of it before and after.

    Exits with 1 when a reading is shown to be worse, which a loss and what a policy asks can be, and with 0 otherwise:
    what is not told apart is not shown to be as good.
    """
    from gnomon.assurance.efficiency import Change, Smaller, change_of, compare_changes
    from gnomon.cli.options import open_subject
    from gnomon.cli.progress import progress_bar
    from gnomon.randomness import Rng

    chosen: list[Change] = [change_of(text) for text in split(changes)]
    if not chosen and not smaller:
        raise GnomonError(
            "no change is named", mend="give --change int8, or see gnomon evaluate SUBJECT efficiency for what it takes"
        )
    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    questions, limits = _asked(split(names), settings or [], policy)
    given = Deployed(subject=subject, safeguards=safeguards or (), materials=materials or (), device=device)
    deployment = given.open()
    chosen += [Smaller(open_subject(path, device), Path(path).name) for path in smaller or []]
    with progress_bar("comparing") as progress:
        found = compare_changes(deployment, chosen, questions, Rng(seed), limits=limits, level=level, progress=progress)
    if as_json:
        print_json({"subject": deployment.subject.name, **found.to_json()})
    else:
        _print(found)
    worse = any(row.verdict == "worse" for one in found.changes for row in one.rows)
    return _WORSE if worse else 0


def _asked(names: Sequence[str], settings: Sequence[str], policy: str | None) -> tuple[list[Question], list[Limit]]:
    """The questions, and the limits of the policy."""
    from gnomon.assurance.policy import question_of, read_policy
    from gnomon.cli.evaluate import questions_of

    document = None if policy is None else read_policy(policy)
    limits = [] if document is None else [*document.thresholds, *document.safeguards]
    named = questions_of(names or ["text_loss"], settings)
    return list(dict.fromkeys([*named, *(question_of(limit) for limit in limits)])), list(limits)


def _print(found: Comparison) -> None:
    from gnomon.cli.tables import print_table

    print_table(
        "what is saved",
        ("change", "bytes of weights", "", "FLOPs a token", "", "seconds a written token"),
        [_saved(one) for one in found.changes],
    )
    for one in found.changes:
        print_table(
            f"{one.change}: verdicts hold together at {found.level:.0%}, {found.family} readings in all",
            ("evaluation", "quantity", "at", "before", "after", "change", "verdict"),
            [_row(row) for row in one.rows],
        )
    for name, why in found.left_out.items():
        print_table("not read", ("evaluation", "why"), [(name, why)])


def _saved(one: Compared) -> tuple[str, ...]:
    from gnomon.report.numbers import value_text

    def pair(before: float, after: float) -> tuple[str, str]:
        return f"{before:,.0f} → {after:,.0f}", f"{after / before:.0%}"

    flops = ("–", "") if one.saving.flops is None else pair(*one.saving.flops)
    seconds = "simulated: none here"
    if one.saving.seconds is not None:
        seconds = " → ".join(value_text(m) for m in one.saving.seconds)
    return (one.change, *pair(*one.saving.bytes), *flops, seconds if one.simulated or one.saving.seconds else "–")


def _row(row: RowChange) -> tuple[str, ...]:
    from gnomon.report.numbers import interval_text, value_text

    place = " · ".join([row.before.site or "", *row.before.labels.values()]).strip(" ·")
    after = row.reason or "–" if row.after is None else f"{value_text(row.after)}"
    change = ""
    if row.change is not None:
        told = row.change.status == "ok"
        change = f"{value_text(row.change)} {interval_text(row.change)}" if told else row.change.reason
    return (row.evaluation, row.before.quantity, place, value_text(row.before), after, change, row.verdict)
