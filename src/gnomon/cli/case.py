"""`gnomon case`: show, check, compare and export cases, and forecast when thresholds will be crossed."""

from __future__ import annotations

import typer

from gnomon.cli.case_check import check
from gnomon.cli.case_compare import compare
from gnomon.cli.case_export import export
from gnomon.cli.case_forecast import forecast
from gnomon.cli.case_show import show

app = typer.Typer(
    name="case",
    help="Cases that gnomon assure --out wrote: claims, arguments, evidence.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("show")(show)
app.command("check")(check)
app.command("compare")(compare)
app.command("export")(export)
app.command("forecast")(forecast)
