"""`gnomon measure`: chosen quantities of one subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.configured import Settings, configured
from gnomon.cli.options import (
    AsJson,
    Cluster,
    Column,
    DataPath,
    Device,
    Examples,
    Label,
    Memory,
    Names,
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
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.estimators import Estimator
    from gnomon.measurement import Measurement

_INSUFFICIENT, _BAD = 3, 2


def measure(
    subject: SubjectPath,
    names: Names = None,
    settings: Settings = None,
    sites: Sites = None,
    data: DataPath = None,
    column: Column = None,
    label: Label = None,
    cluster: Cluster = None,
    unit: TextUnit = "line",
    overlong: Overlong = "error",
    examples: Examples = None,
    budget: Annotated[str | None, typer.Option("--budget", help="Time to spend, e.g. 30s.")] = None,
    memory: Memory = "512MiB",
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Measure quantities of SUBJECT, and all that the estimators measure that are --set; keep them in the store."""
    wanted = split(names)
    if not wanted and not settings:
        raise GnomonError("no quantity is named", mend="add -q NAME, or run `gnomon examine` for all that apply")
    from gnomon.cli.progress import progress_bar
    from gnomon.cli.tables import measurement_row, print_table
    from gnomon.estimators import Budget
    from gnomon.lab.measuring import check_names
    from gnomon.lab.measuring import measure as run
    from gnomon.lab.store import Store, recording

    check_names(wanted)
    chosen: list[str | Estimator] = [*wanted, *configured(settings or (), device)]
    limit = Budget(seconds=None if budget is None else seconds(budget), examples=examples, bytes=size(memory))
    measured = open_subject(subject, device)
    how = {"column": column, "label": label, "cluster": cluster, "unit": unit, "overlong": overlong}
    given = open_data(data, measured, seed=seed, **how)
    places = split(sites)
    spec = {
        "quantities": wanted,
        "set": settings or [],
        "sites": places,
        "seed": seed,
        "data": None if data is None else str(data),
    }
    with (
        Store.open(store) as kept,
        recording(kept, "measure", subject=measured.name, spec=spec) as sink,
        progress_bar("measuring") as progress,
    ):
        session = run(measured, chosen, data=given, sites=places, budget=limit, seed=seed, sink=sink, progress=progress)
    if as_json:
        left_out = [x.to_json() for x in session.left_out]
        print_json({"measurements": [m.to_json() for m in session.measurements], "left_out": left_out})
    else:
        columns = ("quantity", "site", "value", "interval", "unit", "status", "estimator")
        print_table(measured.name, columns, map(measurement_row, session.measurements))
        for one in session.left_out:
            typer.echo(f"left out: {one.estimator}: {one.reason}")
    return _exit_code(session.measurements) or (_INSUFFICIENT if session.left_out else 0)


def _exit_code(found: Sequence[Measurement]) -> int:
    """0 when every quantity was read somewhere; otherwise 2 if one only failed, 3 if evidence was insufficient."""
    by_quantity: dict[str, set[str]] = {}
    for m in found:
        by_quantity.setdefault(m.quantity, set()).add(m.status)
    unread = [statuses for statuses in by_quantity.values() if "ok" not in statuses]
    if not unread and by_quantity:
        return 0
    return _BAD if any(statuses == {"failed"} for statuses in unread) else _INSUFFICIENT
