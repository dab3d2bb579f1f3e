"""`gnomon case forecast`: when thresholds will be crossed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnomon.cli.options import AsJson, print_json
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.forecast import Crossing, Ladder

_INSUFFICIENT = 3


def forecast(
    cases: Annotated[
        list[Path] | None, typer.Argument(help="Cases of smaller networks and, last, the one asked of.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="CSV with compute, value and trials or error, in place of cases.")
    ] = None,
    line: Annotated[float | None, typer.Option("--line", help="Limit with its buffer, for --table.")] = None,
    worse: Annotated[Literal["above", "below"], typer.Option("--worse", help="Bad side of it, for --table.")] = "above",
    decades: Annotated[float, typer.Option("--decades", min=0.0, help="Horizon, above the largest network.")] = 1.0,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="The rungs are checkpoints of one run.")] = False,
    level: Annotated[float, typer.Option("--level", help="Of the two-sided intervals.")] = 0.95,
    as_json: AsJson = False,
) -> int:
    """Forecast at which effective compute each threshold will be crossed, from a ladder of networks.

    Exits with 0, and with 3 when nothing can be forecast.
    """
    from gnomon.assurance.case import load
    from gnomon.assurance.forecast import crossing
    from gnomon.assurance.forecast.of_cases import forecasts

    if (table is None) == (not cases):
        raise GnomonError("give cases, or a table", mend="e.g. gnomon case forecast SMALL MIDDLE LARGE")
    found: list[tuple[str, float, Crossing]]
    if table is not None:
        if line is None:
            raise GnomonError("a table has no line of its own", mend="give --line")
        ladder = _ladder(table, apart=not checkpoints)
        found = [(table.stem, line, crossing(ladder, line, worse=worse, decades=decades, level=level))]
    else:
        told = forecasts([load(path) for path in cases or ()], decades=decades, level=level, apart=not checkpoints)
        found = [(one.threshold, one.criterion.line, one.found) for one in told]
    if as_json:
        print_json({"forecasts": [_document(*one) for one in found]})
    else:
        _print(found, level)
    return 0 if any(one.measurement.status == "ok" for _, _, one in found) else _INSUFFICIENT


def _ladder(path: Path, *, apart: bool) -> Ladder:
    from gnomon.assurance.forecast import Ladder, Rung
    from gnomon.delimited import read_rows

    rungs = []
    for number, row in read_rows(path, "\t" if path.suffix == ".tsv" else ","):
        try:
            trials, error = (float(row[name]) if row.get(name) else None for name in ("trials", "error"))
            rungs.append(Rung(compute=float(row["compute"]), value=float(row["value"]), trials=trials, error=error))
        except KeyError as missing:
            raise GnomonError(
                f"{path} has no column {missing}", mend="name columns compute, value, trials or error"
            ) from None
        except ValueError as wrong:
            raise GnomonError(f"{path}, line {number}: {wrong}", mend="give numbers") from None
        except GnomonError as wrong:
            raise GnomonError(f"{path}, line {number}: {wrong.cause}", mend=wrong.mend) from None
    return Ladder(rungs=tuple(rungs), apart=apart)


def _document(threshold: str, line: float, found: Crossing) -> dict[str, Any]:
    return {"threshold": threshold, "line": line, "horizon": found.horizon, "crossing": found.measurement.to_json()}


def _print(found: Sequence[tuple[str, float, Crossing]], level: float) -> None:
    from gnomon.cli.tables import print_table
    from gnomon.report.assurance import crossing_text

    columns = ("threshold", "line", f"crossed at (FLOP), {100 * level:.4g} %", "horizon")
    rows = [(name, f"{line:g}", crossing_text(one.measurement), f"{one.horizon:.3g}") for name, line, one in found]
    print_table("forecasts", columns, rows)
