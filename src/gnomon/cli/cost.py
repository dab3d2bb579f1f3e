"""`gnomon cost`: what stored runs took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import AsJson, StorePath, print_json
from gnomon.errors import GnomonError, UnknownNameError

if TYPE_CHECKING:
    from gnomon.measurement import Cost, Measurement

_LATEST = 20


def cost(
    run: Annotated[str | None, typer.Argument(help="Id of a run; the latest 20 without one.")] = None,
    watts: Annotated[float | None, typer.Option("--watts", help="Of one core at work.")] = None,
    intensity: Annotated[
        float | None, typer.Option("--carbon-intensity", help="Of the grid, in g of CO₂ a kWh.")
    ] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """FLOPs and seconds of stored runs, and energy and carbon as estimated from them."""
    from gnomon.assurance.efficiency import Power, cost_of, spent
    from gnomon.lab.store import Store

    if watts is not None and not 0 < watts < float("inf"):
        raise GnomonError(f"a core at {watts:g} W", mend="give more than 0, or leave --watts out where it is not known")
    if intensity is not None and not 0 <= intensity < float("inf"):
        raise GnomonError(f"a grid of {intensity:g} g/kWh", mend="give a number from 0")
    power = Power(watts=watts, intensity=intensity)
    rows: list[tuple[dict[str, Any], Cost, tuple[Measurement, Measurement]]] = []
    with Store.open(store, create=False) as kept:
        runs = {one.id: one for one in kept.runs()}
        if run is not None and run not in runs:
            raise UnknownNameError("run", run, runs)
        for one in [runs[run]] if run else sorted(runs.values(), key=lambda r: r.id)[-_LATEST:]:
            found = kept.measurements(run=one.id)
            named = {"run": one.id, "kind": one.kind, "subject": one.subject, "measurements": len(found)}
            rows.append((named, cost_of(found), spent(found, power)))
    if as_json:
        told = [
            {**named, "cost": taken.to_json(), "energy": energy.to_json(), "carbon": carbon.to_json()}
            for named, taken, (energy, carbon) in rows
        ]
        print_json({"runs": told})
    else:
        _print(rows)


def _print(rows: list[tuple[dict[str, Any], Cost, tuple[Measurement, Measurement]]]) -> None:
    from gnomon.cli.tables import print_table
    from gnomon.report.numbers import interval_text, value_text

    def estimate(m: Measurement) -> str:
        return f"{value_text(m)} {interval_text(m)}" if m.status == "ok" else m.reason

    columns = ("run", "kind", "subject", "readings", "FLOPs", "seconds", "joules, estimated", "g of CO₂, estimated")
    table = [
        (
            named["run"],
            named["kind"],
            named["subject"],
            str(named["measurements"]),
            f"{taken.flops:.3g}",
            f"{taken.seconds:.3g}",
            estimate(energy),
            estimate(carbon),
        )
        for named, taken, (energy, carbon) in rows
    ]
    print_table("what runs took", columns, table)
