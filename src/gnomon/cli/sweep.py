"""`gnomon sweep`: a grid over the spec of one experiment."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import AsJson, StorePath, print_json
from gnomon.cli.sweeping import ExecutorName, Workers, executor_named, say_failures, settings, watching
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.lab.store import PointRecord
    from gnomon.lab.sweep import Point
    from gnomon.lab.sweep.grid import Sweep

_SOME_FAILED = 3
_MOST_ROWS = 60
_MOST_OUTCOMES = 6


def sweep(
    file: Annotated[Path, typer.Argument(help="TOML: experiment, [spec], [grid] and perhaps seeds.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for all points; repeat.")] = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of a page that shows how far it is.")] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Run the grid in FILE: every point once, those that are in the store already not again.

    A sweep that was interrupted or killed goes on where it stopped when the same command is run again; points that
    failed are tried again. Exits with 0 when all points are done, with 3 when some failed.
    """
    from gnomon.lab.store import Store, recording
    from gnomon.lab.sweep import run_points

    started = time.perf_counter()
    asked = _read(file).holding(settings(changes))
    points = _points(file, asked)
    distinct = list({p.key: p for p in points}.values())
    if len(distinct) < len(points):
        typer.echo(f"{len(points) - len(distinct)} of {len(points)} points equal another and are run once", err=True)
    page = None if out is None else out / "sweep.html"
    with (
        Store.open(store) as kept,
        recording(kept, "sweep", subject=asked.experiment, spec=asked.model_dump(mode="json")) as sink,
        watching(f"Sweep of {asked.experiment}", [asked.experiment], page=page) as show,
        executor_named(executor, workers, kept) as where,
    ):
        before = len(kept.points(keys=[p.key for p in distinct], status="done"))
        results = run_points(
            distinct, store=kept, executor=where, run=sink.run, watch=lambda state: show(asked.experiment, state)
        )
    records = [results.record(p) for p in distinct]
    failed = [r for r in records if r.status == "failed"]
    if as_json:
        summary = {
            "run": sink.run,
            "experiment": asked.experiment,
            "points": len(records),
            "done": len(records) - len(failed),
            "failed": len(failed),
            "skipped": before,
            "seconds": results.seconds,
            "waited": time.perf_counter() - started,
        }
        print_json({**summary, "rows": [_row(r) for r in records]})
    else:
        _print(asked, distinct, records)
        done = f"{len(records) - len(failed)} of {len(records)} points done"
        typer.echo(f"{done}, {before} of them before; {len(failed)} failed; run {sink.run}")
        if page is not None:
            typer.echo(f"page: {page}")
    say_failures(failed)
    return _SOME_FAILED if failed else 0


def _read(file: Path) -> Sweep:
    from gnomon.lab.spec import read_toml
    from gnomon.lab.sweep.grid import Sweep

    try:
        return Sweep.model_validate(read_toml(file))
    except GnomonError as error:
        raise _in(file, error) from None


def _points(file: Path, asked: Sweep) -> list[Point]:
    from gnomon.phenomena import phenomena

    phenomena()  # experiments are registered by the modules that define them, plug-ins included
    try:
        return asked.points()
    except GnomonError as error:
        raise _in(file, error) from None


def _in(file: Path, error: GnomonError) -> GnomonError:
    return error if str(file) in error.cause else GnomonError(f"{file}: {error.cause}", mend=error.mend)


def _row(record: PointRecord) -> dict[str, Any]:
    return {
        "status": record.status,
        "spec": dict(record.spec),
        "outcome": record.outcome,
        "reason": record.reason,
        "seconds": record.seconds,
    }


def _print(asked: Sweep, points: Sequence[Point], records: Sequence[PointRecord]) -> None:
    from gnomon.cli.tables import print_table

    axes = [name for name in asked.axes() if name.split(".")[-1] != "seed"]
    names = list(dict.fromkeys(name for r in records for name in r.outcome if _is_number(r.outcome[name])))
    shown = names[:_MOST_OUTCOMES]
    rows = list(_groups(axes, shown, points, records))
    columns = (*axes, "done", "failed", "each", *shown)
    print_table(f"{asked.experiment}: median, and range over what else differs", columns, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS or len(names) > len(shown):
        typer.echo(f"{len(rows)} rows and {len(names)} outcomes in all; --json prints them")


def _groups(
    axes: Sequence[str], names: Sequence[str], points: Sequence[Point], records: Sequence[PointRecord]
) -> Iterator[tuple[str, ...]]:
    """A row for each element of the product, over its seeds."""
    from gnomon.report.numbers import seconds

    cells: dict[tuple[str, ...], list[PointRecord]] = {}
    for point, record in zip(points, records, strict=True):
        cells.setdefault(tuple(_field(point.spec.model_dump(mode="json"), a) for a in axes), []).append(record)
    for cell, several in cells.items():
        done = [r for r in several if r.status == "done"]
        each = seconds(statistics.median(r.seconds for r in done)) if done else "–"
        numbers = ([r.outcome[n] for r in done if _is_number(r.outcome.get(n))] for n in names)
        yield (*cell, str(len(done)), str(len(several) - len(done)), each, *map(_summary, numbers))


def _field(spec: Mapping[str, Any], name: str) -> str:
    value: Any = spec
    for part in name.split("."):
        value = value[part]
    return str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _summary(values: Sequence[float]) -> str:
    if not values:
        return "–"
    middle, low, high = f"{statistics.median(values):.4g}", f"{min(values):.4g}", f"{max(values):.4g}"
    return middle if low == high else f"{middle} ({low} to {high})"
