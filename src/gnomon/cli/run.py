"""`gnomon run`: phenomena, each with its claim, its control and a verdict over seeds."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gnomon.cli.options import AsJson, StorePath, print_json
from gnomon.cli.sweeping import ExecutorName, Workers, executor_named, say_failures, settings, watching
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.phenomena import Report

_EXIT = {"shown": 0, "not shown": 1, "insufficient": 3}
_NOT_JUDGED = 2


def run(
    name: Annotated[str | None, typer.Argument(help="A phenomenon, or all; without it they are listed.")] = None,
    preset: Annotated[Literal["quick", "full"], typer.Option("--preset", help="How much of it.")] = "quick",
    changes: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE of its settings; repeat.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="How many; default: the preset's.")] = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")] = Path("report"),
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Run a phenomenon (or all of them): claim, negative control, verdict over seeds, and a page that shows them.

    Exits with 0 when all are shown and their controls are not, with 1 when one is not, with 3 when one is undecided,
    and with 2 when every point of one failed: the page of the others is written all the same.
    """
    from gnomon.cli.tables import claim_row, print_table
    from gnomon.lab.store import Store
    from gnomon.phenomena import NotJudgedError, phenomena, phenomenon
    from gnomon.phenomena import run as run_one
    from gnomon.report.phenomena import write_phenomena

    if name is None:
        return _list(as_json)
    if name == "all" and changes:
        raise GnomonError("--set changes the settings of one phenomenon", mend="name it instead of all")
    chosen = [phenomenon(n) for n in (phenomena() if name == "all" else [name])]
    given = settings(changes)
    title = "All phenomena" if name == "all" else chosen[0].title
    stages = [one.name for one in chosen]
    reports: list[Report] = []
    not_judged: list[NotJudgedError] = []
    with (
        Store.open(store) as kept,
        watching(title, stages, page=out / "progress.html", result="phenomena.html") as show,
        executor_named(executor, workers, kept) as where,
    ):
        for one in chosen:
            watch = functools.partial(show, one.name)
            try:
                reports.append(
                    run_one(one, store=kept, executor=where, preset=preset, changes=given, seeds=seeds, watch=watch)
                )
            except NotJudgedError as error:
                not_judged.append(error)
        if not reports:
            raise not_judged[0]
        pages = write_phenomena(reports, out)
    if as_json:
        documents = [r.to_json(figures) for r, figures in zip(reports, pages.figures, strict=True)]
        print_json(documents if name == "all" else documents[0])
    else:
        rows = [row for report in reports for row in claim_row(report)]
        print_table("phenomena", ("phenomenon", "arm", "claim", "value", "interval", "threshold", "state"), rows)
        typer.echo(f"page: {pages.page}")
    for report in reports:
        if report.failed:
            typer.echo(f"{report.phenomenon.name}: {len(report.failed)} of {report.points} points failed", err=True)
            say_failures(report.failed)
    for unjudged in not_judged:
        typer.echo(f"gnomon: {unjudged}", err=True)
    return _NOT_JUDGED if not_judged else max((_code(r) for r in reports), key=[0, 3, 1].index)


def _list(as_json: bool) -> int:
    """What there is to run."""
    from gnomon.cli.tables import print_table
    from gnomon.phenomena import phenomena

    names = ("name", "title", "claim", "control", "source")
    known = [{name: getattr(one, name) for name in names} for one in phenomena().values()]
    if as_json:
        print_json(known)
    else:
        print_table("phenomena", names[:3], [tuple(one[name] for name in names[:3]) for one in known])
    return 0


def _code(report: Report) -> int:
    """0 when it is shown and its control is not; 3 when either is undecided, 1 otherwise."""
    if report.verdict == "shown" and report.control == "shown":
        return 1
    if report.verdict == "shown" and report.control == "insufficient":
        return 3
    return _EXIT[report.verdict]
