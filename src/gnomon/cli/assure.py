"""`gnomon assure`: is a network within a policy?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.deployment_options import Compute, Deployed, Materials, Safeguards
from gnomon.cli.options import AsJson, Device, Seed, StorePath, SubjectPath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.asking import Answer
    from gnomon.assurance.policy import Decision, Judged, Row


def assure(
    subject: SubjectPath,
    policy: Annotated[str, typer.Option("--policy", help="TOML file, or the name of a policy that gnomon ships.")],
    safeguards: Safeguards = None,
    materials: Materials = None,
    compute: Compute = None,
    earlier: Annotated[
        list[Path] | None, typer.Option("--earlier", help="Case of an earlier test under this policy; repeat.")
    ] = None,
    explanations: Annotated[
        list[Path] | None,
        typer.Option("--explanation", help="Directory of an explanation that the case cites; repeat."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Thresholds to measure; repeat or a,b.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the case: its JSON and its page.")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Measure SUBJECT against a policy and decide whether it may go on.

    A threshold is passed when the bound of its interval clears limit and buffer, or every safeguard that it requires
    is shown to work. Exits with 0 within policy, 1 when a threshold is crossed without its safeguard, and 3 when the
    evidence does not suffice.
    """
    from gnomon.assurance.case import load
    from gnomon.assurance.policy import Occasion, read_policy
    from gnomon.assurance.policy import assure as assured
    from gnomon.cli.case_writing import case_of, check_earlier, check_out, cited_nodes, write
    from gnomon.cli.progress import progress_bar
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng

    document = read_policy(policy)
    now = datetime.now(UTC)
    before = [load(path) for path in earlier or []]
    check_earlier(document, before)
    check_out(out)
    given = Deployed(
        subject=subject, safeguards=safeguards or (), materials=materials or (), compute=compute, device=device
    )
    deployment = given.open()
    others = sorted({case.subject.name for case in before} - {deployment.subject.name})
    if others:
        typer.echo(f"earlier tests of {', '.join(others)} are counted as tests of this subject", err=True)
    cited = cited_nodes(explanations or [], deployment, given, seed=seed)
    spec = {"policy": document.model_dump(mode="json"), "seed": seed, "only": split(only)}
    decision: Decision | None = None
    unstored: list[GnomonError] = []
    try:
        with (
            Store.open(store) as kept,
            recording(kept, "assure", subject=deployment.subject.name, spec=spec) as sink,
            progress_bar("assuring") as progress,
        ):

            def heard(answer: Answer) -> None:
                try:
                    sink.add(answer.measurements)
                except GnomonError as error:
                    unstored.append(error)

            decision = assured(
                document,
                deployment,
                Rng(seed),
                now=now,
                earlier=[Occasion.from_json(case.decision["test"]) for case in before],
                only=split(only),
                heard=heard,
                progress=progress,
            )
    except GnomonError as error:
        # a store that fills up takes no decision with it
        if decision is None:
            raise
        unstored.append(error)
    if unstored:
        typer.echo(f"not everything was stored: {unstored[0]}", err=True)
    case, decision = case_of(decision, deployment, given, seed=seed, now=now, earlier=before, cited=cited)
    if as_json:
        print_json({**decision.to_json(), "forecasts": list(case.forecasts)})
    else:
        _print(decision)
    if out is not None:
        page = write(case, out)
        typer.echo(f"case: {page}", err=as_json)
    return decision.exit_code


def _print(decision: Decision) -> None:
    from gnomon.cli.tables import print_table

    columns = ("threshold", "level", "measured", "limit", "verdict")
    title = f"{decision.policy.title}, version {decision.policy.version} · {decision.subject}"
    print_table(title, columns, [_cells(row) for row in decision.rows])
    # below the table, for seven columns do not fit into a terminal of 80
    for row in decision.rows:
        if row.verdict != "within" or row.measured is None or row.measured.state != "clears":
            proofs = [f"{p.limit.id} {_STATES[p.state]} {_interval(p)}" for p in row.safeguards if p.value is not None]
            typer.echo(f"{row.id}: {'; '.join([row.reason.removeprefix(f'{row.id}: '), *proofs])}")
    typer.echo(decision.sentence)
    level = decision.level
    typer.echo(f"level: {level.number}{f', {level.title}' if level.title else ''}, the highest that is not ruled out")
    typer.echo(_next(decision))


def _cells(row: Row) -> tuple[str, ...]:
    measured = "–" if row.measured is None else _interval(row.measured)
    limit = "–" if row.measured is None else _limit(row.measured)
    return row.id, str(row.level), measured, limit, row.verdict


_STATES = {"clears": "proven", "fails": "fails", "open": "open"}


def _interval(one: Judged) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–"
    at = ", ".join(f"{name}: {text}" for name, text in one.at.items())
    return f"{one.value:.4g} [{one.low:.4g}, {one.high:.4g}]" + (f" ({at})" if at else "")


def _limit(one: Judged) -> str:
    sense = "<" if one.limit.worse == "above" else ">"
    sign = "−" if one.limit.worse == "above" else "+"
    return f"{sense} {one.limit.limit:g}" + (f" {sign} {one.limit.buffer:g}" if one.limit.buffer else "")


def _next(decision: Decision) -> str:
    due, parts = decision.next_test, []
    if due.day is not None:
        parts.append(f"by {due.day.isoformat()}")
    if due.compute is not None:
        parts.append(f"at {due.compute:.3g} FLOP of effective compute")
    if due.changes:
        parts.append(f"when {_or(list(due.changes))} change")
    line = f"next test: {_or(parts)}, whichever is first" if len(parts) > 1 else f"next test: {_or(parts) or 'never'}"
    return line + "".join(f"\nthis test was overdue: {reason}" for reason in due.overdue)


def _or(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" or " if len(parts) > 1 else "") + parts[-1] if parts else ""
