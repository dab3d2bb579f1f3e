"""`gnomon case check`: whether a case is sound, and whether its evidence can be made again."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shlex
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.case_show import CasePath
from gnomon.cli.options import AsJson, print_json
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.case.repeating import Repeat

_DIFFERS = 1


def check(
    context: typer.Context,
    case: CasePath,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Make every piece of evidence again, and compare to the bit.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Check a CASE: its structure, and that its verdict follows from its evidence.

    With --rerun every measurement is made again by its command, in this folder, and has to come out the same. Exits
    with 0, and with 1 when one does not.
    """
    from gnomon.assurance.case import load
    from gnomon.assurance.case.repeating import repeat
    from gnomon.cli.progress import progress_bar

    found = load(case)
    repeats: list[Repeat] = []
    if rerun:
        with progress_bar("evaluating") as progress:
            repeats = repeat(found, functools.partial(_run_here, context.obj), told=progress)
    differing = [one for one in repeats if one.found in ("other", "missing")]
    counts = {state: list(found.states.values()).count(state) for state in ("supported", "refuted", "undeveloped")}
    if as_json:
        rows = [{"evidence": one.evidence.id, "found": one.found, "reason": one.reason} for one in repeats]
        print_json({"sound": True, "states": counts, "repeated": rows, "differing": len(differing)})
    else:
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        typer.echo(f"sound: the verdict, {found.decision['verdict']}, follows from the evidence ({told})")
        for one in repeats:
            typer.echo(_line(one))
    return _DIFFERS if differing else 0


def _run_here(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON document of a command of gnomon's, ``run`` in this process with a store of its own."""
    printed, said = io.StringIO(), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as store,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
    ):
        code = run([*arguments, "--store", store, "--json"])
    if code == GnomonError.exit_code:
        raise GnomonError(said.getvalue().strip().removeprefix("gnomon: ") or shlex.join(arguments))
    document: dict[str, Any] = json.loads(printed.getvalue())
    return document


def _line(one: Repeat) -> str:
    before = one.evidence.measured.value
    if one.found == "other" and one.again is not None:
        return f"OTHER    {one.evidence.id}: {before} before, {one.again.value} now"
    words = {"same": "same    ", "missing": "MISSING ", "no command": "no command", "other": "OTHER   "}
    return f"{words[one.found]} {one.evidence.id}{f': {one.reason}' if one.reason else ''}"
