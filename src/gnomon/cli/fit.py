"""`gnomon fit`: laws fitted to a table or to stored runs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.options import AsJson, Seed, StorePath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.laws import Form, Table
    from gnomon.laws.comparison import Comparison
    from gnomon.laws.frame import Frame

_NOTHING_IDENTIFIED = 3
_FEW, _ROWS_EACH = 4, 5  # parameters that any table may have, rows for each of more
_MANY = 6


def fit(
    data: Annotated[Path | None, typer.Argument(help="Table: .csv, .tsv or .parquet.")] = None,
    runs: Annotated[list[str] | None, typer.Option("--run", help="A run in the store instead; repeat or a,b.")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--form", help="Forms; repeat or a,b. Default: all the rows allow.")
    ] = None,
    x: Annotated[list[str] | None, typer.Option("--x", help="Columns of the inputs, in order; repeat or a,b.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Column of what was measured.")] = None,
    derived: Annotated[
        list[str] | None, typer.Option("--derive", help="NAME=EXPRESSION, a new column: 'D=[Training FLOP]/(6*N)'.")
    ] = None,
    conditions: Annotated[
        list[str] | None, typer.Option("--where", help="Condition on the rows: 'loss < 3.4'; repeat: all hold.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Column of the run or seed that dependent rows share.")
    ] = None,
    noise: Annotated[
        str, typer.Option("--noise", help="auto, normal, log_normal, laplace or log_laplace (robust).")
    ] = "auto",
    draws: Annotated[int, typer.Option("--draws", min=20, help="Of the bootstrap.")] = 1000,
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="File to save the fits in, for predict and plan.")] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Folder of a page with figures.")] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Fit laws to DATA, or to what a stored run found; compare them, and state parameters with intervals.

    Columns of a run are the fields of specs, labels, outcomes and quantities; nested ones are dotted. Exits with 0, and
    with 3 when the data determine the parameters of none of the forms.
    """
    from gnomon.laws.comparison import compare
    from gnomon.laws.document import to_document
    from gnomon.randomness import Rng

    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    frame = _frame(data, split(runs), store)
    for definition in derived or ():
        frame = frame.derived(definition)
    for condition in conditions or ():
        frame = frame.where(condition)
    table = _table(frame, x or (), y, group)
    chosen, short = _forms(split(names), table)
    with _waiting(f"fitting {', '.join(one.name for one in chosen)} to {len(table)} rows"):
        found = compare(table, chosen, noise=noise, draws=draws, level=level, rng=Rng(seed))
    document = {
        **to_document(found),
        "source": frame.source,
        "derived": list(derived or ()),
        "conditions": list(conditions or ()),
        "seed": seed,
        "gnomon": version("gnomon"),
    }
    if out is not None:
        from gnomon.report.document import write_file

        write_file(out, json.dumps(document, allow_nan=False).encode())
    written = None
    if page is not None:
        from gnomon.report.fits import write_fits

        written = write_fits(found, page, source=frame.source)
    if as_json:
        print_json(document)
    else:
        _print(found)
        for one in short:
            typer.echo(
                f"left out: {one.name} has {len(one.parameters)} parameters, which want {_rows(one)} rows; "
                f"the table has {len(table)}. --form {one.name} fits it all the same",
                err=True,
            )
        for path in (out, written):
            if path is not None:
                typer.echo(f"{'fits' if path == out else 'page'}: {path}")
    return 0 if any(one.identifiable for one in found.fits) else _NOTHING_IDENTIFIED


def _frame(data: Path | None, runs: Sequence[str], store: str | None) -> Frame:
    if (data is None) == (not runs):
        raise GnomonError("fit takes a table or a stored run", mend="give DATA or --run RUN, and not both")
    if data is not None:
        from gnomon.laws.reading import read_frame

        return read_frame(data)
    from gnomon.lab.store import Store
    from gnomon.laws.stored import read_runs

    with Store.open(store, create=False) as kept:
        return read_runs(kept, runs)


def _table(frame: Frame, x: Sequence[str], y: str | None, group: str | None) -> Table:
    if not x or y is None:
        missing = "--x" if not x else "--y"
        raise GnomonError(f"{missing} is missing", mend=f"name columns of {frame.source}: {', '.join(frame.cells)}")
    # a name that holds a comma is given whole
    columns = [name for given in x for name in ([given] if given in frame.cells else split([given]))]
    return frame.table(columns, y, group)


def _forms(names: Sequence[str], table: Table) -> tuple[list[Form], list[Form]]:
    """The forms called so; without names all that take so many columns and have a meaning there, and, apart from them,
    those among these that want more rows.

    Forms of more than 4 parameters need 5 rows for each, and those of more than 6, which take minutes, to be named.
    """
    from gnomon.laws.registry import form, forms

    if names:
        return [form(name) for name in dict.fromkeys(names)], []
    fitting: list[Form] = []
    short: list[Form] = []
    for kind in forms().values():
        if kind.columns and len(kind.columns) != len(table.columns):
            continue
        one = kind()
        with contextlib.suppress(GnomonError):
            one.check(table.x)
            if len(one.parameters) <= _MANY:
                (fitting if len(table) >= _rows(one) else short).append(one)
    if not fitting:
        raise GnomonError(
            f"no form takes {len(table.columns)} columns with {len(table)} such rows",
            mend=f"name a form; known: {', '.join(forms())}",
        )
    return fitting, short


def _rows(one: Form) -> int:
    """The fewest rows that a form is fitted to without being named."""
    parameters = len(one.parameters)
    return parameters + 1 if parameters <= _FEW else _ROWS_EACH * parameters


@contextlib.contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Says ``what`` is being done, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def _print(found: Comparison) -> None:
    from gnomon.cli.tables import print_table

    table, noise = found.fits[0].table, found.fits[0].noise
    order = sorted(found.fits, key=lambda one: one.bic)
    rows = [_row(found, one.form.name, one.bic - order[0].bic) for one in order]
    columns = ("form", "BIC − least", "held out", "weight", "identified")
    print_table(f"{table.target} against {', '.join(table.columns)}", columns, rows)
    scatter = "log-" if noise.scale == "log" else ""
    typer.echo(
        f"{len(table)} rows, {scatter}{noise.kind.replace('laplace', 'Laplace')} noise of spread {noise.spread:.3g}"
    )
    best = found[found.best]
    parameters = [
        (name, best.form.parameters[name], _number(e.value), f"{_number(e.low)} to {_number(e.high)}")
        for name, e in best.parameters.items()
    ]
    interval = f"{100 * best.level:.3g}% interval"
    print_table(f"{best.form.title} ({found.best})", ("parameter", "meaning", "value", interval), parameters)
    if found.rivals:
        typer.echo(f"not told apart from it by what was held out: {', '.join(found.rivals)}")
    for one in found.fits:
        for reason in one.unidentified:
            typer.echo(f"{one.form.name}: {reason}", err=True)


def _row(found: Comparison, name: str, behind: float) -> tuple[str, ...]:
    one = found[name]
    held = "–" if one.heldout is None else f"{one.heldout:.3g}"
    return (name, f"{behind:.1f}", held, f"{found.weights[name]:.1%}", "yes" if one.identifiable else "no")


def _number(value: float) -> str:
    return f"{value:.4g}".replace("inf", "∞")
