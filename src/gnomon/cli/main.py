"""The `gnomon` command: one line for every error, and an exit code that scripts can rely on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from gnomon.cli import assure as assure_command
from gnomon.cli import (
    attack,
    calibrate,
    case,
    concepts,
    dictionary,
    doctor,
    examine,
    ledger,
    measure,
    monitor,
    organism,
    policies,
    quantities,
)
from gnomon.cli import cost as cost_command
from gnomon.cli import directions as directions_command
from gnomon.cli import efficiency as efficiency_command
from gnomon.cli import evaluate as evaluate_command
from gnomon.cli import fit as fit_command
from gnomon.cli import plan as plan_command
from gnomon.cli import predict as predict_command
from gnomon.cli import report as report_command
from gnomon.cli import run as run_command
from gnomon.cli import scores as scores_command
from gnomon.cli import slices as slices_command
from gnomon.cli import steer as steer_command
from gnomon.cli import sweep as sweep_command
from gnomon.errors import GnomonError

BAD_INPUT = 2
# typer turns Ctrl-C into this exit code, and carries click's base class of usage errors under a private name
_INTERRUPTED = 130
_UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="gnomon",
    help="A physics laboratory for neural networks.",
    epilog="Exit codes: 0 yes or done · 1 the answer is no · 2 bad input · 3 insufficient evidence.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    del debug  # taken off the line before it is parsed, see run()


app.command("quantities")(quantities.quantities)
app.command("measure")(measure.measure)
app.command("calibrate")(calibrate.calibrate)
app.command("examine")(examine.examine)
app.command("run")(run_command.run)
app.command("sweep")(sweep_command.sweep)
app.command("fit")(fit_command.fit)
app.command("predict")(predict_command.predict)
app.command("plan")(plan_command.plan)
app.command("directions")(directions_command.directions)
app.command("steer")(steer_command.steer)
app.command("assure")(assure_command.assure)
app.command("policies")(policies.policies)
app.command("evaluate")(evaluate_command.evaluate)
app.command("cost")(cost_command.cost)
app.command("efficiency")(efficiency_command.efficiency)
app.command("scores")(scores_command.scores)
app.command("slices")(slices_command.slices)
app.command("report")(report_command.report)
app.command("doctor")(doctor.doctor)
app.add_typer(attack.app, name="attack")
app.add_typer(case.app, name="case")
app.add_typer(concepts.app, name="concepts")
app.add_typer(dictionary.app, name="dictionary")
app.add_typer(ledger.app, name="ledger")
app.add_typer(monitor.app, name="monitor")
app.add_typer(organism.app, name="organism")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Errors are one line on stderr (a traceback with ``--debug``)."""
    debug = "--debug" in arguments
    line = [a for a in arguments if a != "--debug"] or ["--help"]
    try:
        # a command that runs others runs them by this function
        code = app(args=line, standalone_mode=False, obj=run)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except (GnomonError, _UsageError, OSError, KeyboardInterrupt, MemoryError) as error:
        if debug:
            raise
        explanation, code = _explain(error)
        sys.stderr.write(f"gnomon: {explanation}\n")
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def _explain(error: BaseException) -> tuple[str, int]:
    if isinstance(error, GnomonError):
        return str(error), error.exit_code
    if isinstance(error, _UsageError):
        message = error.format_message()  # type: ignore[attr-defined]
        return " ".join(message.split()), BAD_INPUT
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", BAD_INPUT
    if isinstance(error, MemoryError):
        return "out of memory; use fewer examples, fewer sites or a smaller limit", BAD_INPUT
    return "interrupted; what was finished is in the store", BAD_INPUT
