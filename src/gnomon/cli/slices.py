"""`gnomon slices`: where a network errs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.deployment_options import Deployed, Safeguards
from gnomon.cli.options import AsJson, Device, Seed, StorePath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance import Deployment
    from gnomon.assurance.errors.graded import Graded

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")


def slices(
    what: Annotated[
        str, typer.Argument(help="Table of graded answers (text, and correct or error), or a network to be graded.")
    ],
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="Table with prompt, target, choices (a|b); default questions.csv in SUBJECT."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", help="Columns that may describe slices, a,b or none; by default all."),
    ] = None,
    activations: Annotated[
        bool, typer.Option("--activations/--no-activations", help="Whether groups of activations are looked at too.")
    ] = True,
    site: Annotated[str, typer.Option("--site", help="Whose activations; by default the middle block's.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, help="Slices that may be nominated.")] = 10,
    support: Annotated[
        int, typer.Option("--support", min=2, help="Fewest clusters of a slice in the half that is searched.")
    ] = 5,
    safeguards: Safeguards = None,
    level: Annotated[float, typer.Option("--level", help="Of the intervals; 1 less the false discovery rate.")] = 0.95,
    seed: Seed = 0,
    page: Annotated[Path | None, typer.Option("--page", help="Folder of a page with table and figures.")] = None,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Find where a network errs more than elsewhere: slices sought in half of its answers, confirmed in the others.

    Exits with 0 when no slice is confirmed, with 1 when any is, and with 3 when nothing could be held out.
    """
    from gnomon.assurance.errors.error_slices import ErrorSlices, overall, slice_measurements
    from gnomon.cli.tables import print_table
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng
    from gnomon.report.slices_table import COLUMNS, lead, rows

    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    chosen = None if columns is None else [name for name in split(columns) if name != "none"]
    search = ErrorSlices(
        columns=None if chosen is None else tuple(chosen),
        activations=activations,
        site=site,
        most=most,
        support=support,
    )
    graded, deployment = _graded(what, questions, search.columns, safeguards or [], device)
    subject = None if deployment is None else deployment.subject
    found = search.search(subject, graded, Rng(seed).child("slices"), level=level)
    measurements = [overall(graded, level), *slice_measurements(found)]
    name = what if subject is None else subject.name
    spec = {**search.model_dump(mode="json"), "level": level, "seed": seed, "questions": graded.source}
    with Store.open(store) as kept, recording(kept, "slices", subject=name, spec=spec) as sink:
        sink.add(measurements)
    if as_json:
        print_json({"subject": name, "level": level, "measurements": [m.to_json() for m in measurements]})
    else:
        print_table(f"where {name} errs", COLUMNS, rows(found))
        typer.echo(lead(found))
    if page is not None:
        from gnomon.report.slices import write_slices

        written = write_slices(found, page, subject=name)
        if not as_json:
            typer.echo(f"page: {written}")
    if found.worst is None:
        return 3
    return 1 if found.confirmed else 0


def _graded(
    what: str, questions: Path | None, columns: tuple[str, ...] | None, safeguards: list[str], device: str
) -> tuple[Graded, Deployment | None]:
    """The graded answers, and what gave them; ``None`` where the table is all there is."""
    from gnomon.assurance.errors.graded import read_graded, read_questions
    from gnomon.assurance.errors.grading import grade
    from gnomon.assurance.errors.material import QUESTIONS

    path = Path(what)
    if path.suffix.lower() in _TABLES:
        if not path.is_file():
            raise GnomonError(f"no file {what!r}", mend="give the path of an existing table")
        if questions is not None or safeguards:
            raise GnomonError("a table of graded answers has no questions or safeguards", mend="leave out the option")
        return read_graded(path, columns=columns), None
    given = [] if questions is None else [f"{QUESTIONS}={questions}"]
    deployment = Deployed(subject=what, safeguards=safeguards, materials=given, device=device).open()
    if not deployment.has(QUESTIONS):
        raise GnomonError(f"there are no questions beside {what}", mend="give --questions FILE, with prompt and target")
    return grade(deployment, read_questions(deployment.material(QUESTIONS), columns=columns)), deployment
