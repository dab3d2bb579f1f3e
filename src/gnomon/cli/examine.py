"""`gnomon examine`: everything that applies to a subject, and a page to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    DataPath,
    Device,
    Examples,
    Label,
    Memory,
    Overlong,
    Seed,
    Sites,
    StorePath,
    SubjectPath,
    TextUnit,
    open_data,
    open_subject,
    print_json,
    seconds,
    size,
    split,
)

if TYPE_CHECKING:
    from gnomon.report import Examination


def examine(
    subject: SubjectPath,
    data: DataPath = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")] = Path("report"),
    sites: Sites = None,
    column: Column = None,
    label: Label = None,
    cluster: Cluster = None,
    unit: TextUnit = "line",
    overlong: Overlong = "error",
    examples: Examples = None,
    budget: Annotated[str, typer.Option("--budget", help="Time to spend, e.g. 40s or 10m.")] = "40s",
    memory: Memory = "512MiB",
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Measure all that applies to SUBJECT within a budget, and write one self-contained HTML report."""
    from gnomon.cli.progress import progress_bar
    from gnomon.estimators import Budget
    from gnomon.lab.store import Store
    from gnomon.report import examine as run

    limit = Budget(seconds=seconds(budget), examples=examples, bytes=size(memory))
    measured = open_subject(subject, device)
    how = {"column": column, "label": label, "cluster": cluster, "unit": unit, "overlong": overlong}
    given = open_data(data, measured, seed=seed, **how)
    with Store.open(store) as kept, progress_bar("examining") as progress:
        examination, page = run(
            measured, given, out, sites=split(sites), budget=limit, seed=seed, store=kept, progress=progress
        )
    return show(examination, page, as_json=as_json)


def show(examination: Examination, page: Path, *, as_json: bool) -> int:
    """Print what was examined and where the report is; 3 when nothing could be read."""
    found = examination.measurements
    read = sum(m.status == "ok" for m in found)
    if as_json:
        document = {
            "report": str(page),
            "measurements": [m.to_json() for m in found],
            "left_out": [x.to_json() for x in examination.left_out],
            "seconds": examination.seconds,
        }
        print_json(document)
    else:
        quantities = len({m.quantity for m in found if m.status == "ok"})
        typer.echo(
            f"{examination.subject.name}: {quantities} quantities, {read} measurements ok, "
            f"{len(found) - read} not measurable, {len(examination.left_out)} estimators left out, "
            f"{examination.seconds:.0f} s"
        )
        typer.echo(f"report: {page}")
    return 0 if read else 3
