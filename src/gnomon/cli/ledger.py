"""`gnomon ledger`: predictions, frozen before the measurement and scored after it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import AsJson, StorePath, print_json
from gnomon.cli.sweeping import ExecutorName, Workers, executor_named, settings, watching
from gnomon.errors import GnomonError, InsufficientEvidenceError

if TYPE_CHECKING:
    from gnomon.laws.ledger.ledger import Ledger
    from gnomon.laws.ledger.prediction import Prediction
    from gnomon.predictions.running import Registration

app = typer.Typer(
    help="Predictions, frozen before the measurement and scored after it.", no_args_is_help=True, rich_markup_mode=None
)

LedgerPath = Annotated[
    Path | None,
    typer.Option("--ledger", help="The file; default $GNOMON_LEDGER or ledger.jsonl in the folder of the store."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of a page that shows the ledger.")]

_NO, _BAD_INPUT, _INSUFFICIENT = 1, 2, 3
_MEASURED = re.compile(r"(\d+)\s*=\s*([^±]+?)\s*(?:(?:±|\+/-|\+-)\s*(.+))?")


@app.callback()
def _group() -> None:
    """Predictions, frozen before the measurement and scored after it."""


@app.command("register")
def register(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Challenges, or all.")] = None,
    fit: Annotated[Path | None, typer.Option("--fit", help="Instead of challenges: what gnomon fit saved.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="With --fit: COLUMN=VALUE,… of the inputs.")] = None,
    quantity: Annotated[str | None, typer.Option("--quantity", help="With --fit: what will be measured.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="With --fit; default: that of the quantity, or 1.")] = None,
    conditions: Annotated[
        list[str] | None,
        typer.Option("--conditions", help="With --fit: NAME=VALUE that tells the measurement; repeat."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="With --fit: what to call the prediction.")] = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    store: StorePath = None,
    ledger: LedgerPath = None,
    as_json: AsJson = False,
) -> int:
    """Freeze predictions in the ledger; what was measured already is refused.

    A challenge first runs what it may see. Without names or --fit, the challenges are listed.
    """
    own = {"--at": at, "--quantity": quantity, "--unit": unit, "--conditions": conditions, "--name": name}
    if fit is not None:
        if names:
            raise GnomonError("--fit and challenges are registered apart", mend="give one of them")
        return _register_fit(fit, own, store, ledger, as_json)
    given = [option for option, value in own.items() if value is not None]
    if given:
        raise GnomonError(f"{given[0]} belongs to a fit", mend="give --fit FIT.json")
    if not names:
        return _list_challenges(as_json)
    return _register_challenges(names, executor, workers, store, ledger, as_json)


@app.command("score")
def score(
    measured: Annotated[
        list[str] | None,
        typer.Option("--measured", help="NUMBER=VALUE±ERROR of what was measured elsewhere (±ERROR if known); repeat."),
    ] = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    out: Out = None,
    store: StorePath = None,
    ledger: LedgerPath = None,
    as_json: AsJson = False,
) -> int:
    """Measure what was predicted, and score it.

    The points of every challenge that has no score are run. Users' own predictions are scored by --measured, or by what
    the store holds under their conditions. Exits with 3 when one cannot be scored yet.
    """
    from gnomon.laws.ledger.book import Book
    from gnomon.laws.ledger.scoring import score_by_hand, score_from_store
    from gnomon.predictions.running import score_challenges

    by_hand: dict[int, tuple[float, float | None]] = {}
    for number, value_and_error in map(_read_measured, measured or ()):
        if number in by_hand:
            raise GnomonError(f"--measured gives {number} twice", mend="give what was measured first")
        by_hand[number] = value_and_error
    with _opened(store, ledger) as book_keeping:
        entries = book_keeping.entries()
        _check_there_are(book_keeping, len(entries))
        before = Book.read(entries)
        waiting = {r.number: r for r in before.unscored()}
        for number in by_hand:
            if number not in waiting:
                raise GnomonError(f"{number} is no prediction that waits for a score", mend="see `gnomon ledger list`")
            if waiting[number].challenge:
                raise GnomonError(
                    f"prediction {number} belongs to challenge {waiting[number].challenge}, which measures it itself",
                    mend="leave --measured out",
                )
        left: list[tuple[int, str, str]] = []
        for number, one in waiting.items():
            if one.challenge:
                continue
            try:
                if number in by_hand:
                    value, error = by_hand[number]
                    score_by_hand(book_keeping, one, value, error)
                else:
                    score_from_store(book_keeping, one)
            except InsufficientEvidenceError as error_:
                left.append((number, one.prediction.name, str(error_)))
        with (
            watching("Ledger", ["targets"], page=None) as show,
            executor_named(executor, workers, book_keeping.store) as where,
        ):
            unscored = score_challenges(book_keeping, executor=where, watch=functools.partial(show, "targets"))
        left += [(u.registered.number, u.registered.prediction.name, u.reason) for u in unscored]
        document = _document(book_keeping)
        new = [p["number"] for p in document["predictions"] if p["number"] in waiting and p["measured"] is not None]
    document |= {
        "scored": sorted(new),
        "left": [{"number": number, "name": name, "reason": reason} for number, name, reason in sorted(left)],
    }
    _show(document, out, as_json)
    for number, name, reason in sorted(left):
        typer.echo(f"{number} {name} is not scored: {reason}", err=True)
    return _INSUFFICIENT if left else 0


@app.command("list")
def list_(out: Out = None, store: StorePath = None, ledger: LedgerPath = None, as_json: AsJson = False) -> int:
    """Show every prediction, misses first, and how the ledger did as a whole."""
    with _opened(store, ledger, create=False) as book_keeping:
        _check_there_are(book_keeping, len(book_keeping.entries()))
        document = _document(book_keeping)
    _show(document, out, as_json)
    return 0


@app.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option("--head", help="A hash that was published: it must be that of an entry.")
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Without the witness of the store, as for somebody else's ledger.")
    ] = False,
    store: StorePath = None,
    ledger: LedgerPath = None,
    as_json: AsJson = False,
) -> int:
    """Look for any entry that was edited, removed, moved, inserted or back-dated; exits with 1 when there is one."""
    from gnomon.lab.store import NoStoreError
    from gnomon.laws.ledger.ledger import reading
    from gnomon.laws.ledger.verifying import verify as verify_content

    if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
        raise GnomonError(
            f"{head!r} is no hash of an entry", mend="give the 64 digits that `gnomon ledger verify` printed"
        )
    named = ledger or os.environ.get("GNOMON_LEDGER")
    try:
        with _opened(store, ledger, create=False) as book_keeping:
            path = book_keeping.path
            found = None if alone else book_keeping.verify(head=head)
    except NoStoreError:
        if not named:
            raise
        path, found = Path(named), None
    if found is None:
        with reading(path) as content:
            found = verify_content(content, head=head)
    if found.fault is None and not found.entries:
        raise GnomonError(f"there is no ledger at {path}", mend="give --ledger, or register a prediction")
    if as_json:
        print_json({"ledger": str(path), **found.to_json()})
    elif found.fault is not None:
        typer.echo(f"{path}, line {found.fault.line}: {found.fault.reason}")
    else:
        witness = f"the store witnessed {found.witnessed} of them" if found.witnessed else "without a witness"
        typer.echo(f"intact: {len(found.entries)} entries, {witness}")
        typer.echo(f"head: {found.head}")
    return 0 if found.fault is None else _NO


@contextlib.contextmanager
def _opened(store: str | None, ledger: Path | None, *, create: bool = True) -> Iterator[Ledger]:
    from gnomon.lab.store import Store
    from gnomon.laws.ledger.ledger import Ledger, ledger_path

    with Store.open(store, create=create) as kept:
        yield Ledger(ledger_path(ledger, kept), kept)


def _check_there_are(ledger: Ledger, entries: int) -> None:
    if not entries:
        raise GnomonError(f"there is no ledger at {ledger.path}", mend="register a prediction, or give --ledger")


def _register_fit(fit: Path, own: Mapping[str, Any], store: str | None, ledger: Path | None, as_json: bool) -> int:
    """Register a user's own prediction."""
    from gnomon.laws.ledger.registering import register as freeze

    prediction = _predicted(fit, own)
    with _opened(store, ledger) as book_keeping:
        appended = freeze(book_keeping, [prediction])
    _say_mended([appended.mended])
    (entry,) = appended.entries
    low, high = prediction.distribution.interval(0.9)
    if as_json:
        predicted = {"median": prediction.distribution.median, "low": low, "high": high, "level": 0.9}
        told = {"number": entry.number, "name": prediction.name, "time": entry.time, "head": entry.hash}
        print_json({**told, "predicted": predicted, "outside": list(prediction.outside)})
        return 0
    typer.echo(f"{entry.number} {prediction.name}: {prediction.distribution.median:.5g}, 90 % {low:.5g} to {high:.5g}")
    for reason in prediction.outside:
        typer.echo(f"outside its domain: {reason}")
    typer.echo(f"head: {entry.hash}")
    return 0


def _predicted(fit: Path, own: Mapping[str, Any]) -> Prediction:
    from gnomon.cli.predict import read_place
    from gnomon.lab.spec import parsed
    from gnomon.laws.document import read_document
    from gnomon.laws.ledger.forecasting import predicted

    for option in ("--at", "--quantity"):
        if not own[option]:
            raise GnomonError(f"--fit needs {option}", mend="say where, and what will be measured")
    comparison = read_document(fit)
    return predicted(
        comparison,
        read_place(own["--at"], comparison.fits[0].table.columns),
        quantity=own["--quantity"],
        unit=own["--unit"] or _unit(own["--quantity"]),
        conditions={name: parsed(value) for name, value in settings(own["--conditions"]).items()},
        name=own["--name"] or "",
    )


def _unit(quantity: str) -> str:
    """Unit of ``quantity`` where an installed estimator, theory or phenomenon defines it, else 1."""
    from gnomon.estimators import estimators
    from gnomon.measurement import catalogue

    estimators()
    return str(catalogue[quantity].unit) if quantity in catalogue else "1"


def _register_challenges(
    names: Sequence[str], executor: str, workers: int | None, store: str | None, ledger: Path | None, as_json: bool
) -> int:
    from gnomon.cli.tables import print_table
    from gnomon.predictions import challenge, challenges
    from gnomon.predictions.running import register_challenges

    chosen = [challenge(n) for n in (challenges() if "all" in names else dict.fromkeys(names))]
    if not chosen:
        raise GnomonError("there are no challenges", mend="install a package that brings some")
    with (
        _opened(store, ledger) as book_keeping,
        watching("Challenges", ["known points"], page=None) as show,
        executor_named(executor, workers, book_keeping.store) as where,
    ):
        found = register_challenges(
            chosen, ledger=book_keeping, executor=where, watch=functools.partial(show, "known points")
        )
        verdict = book_keeping.verify()
        path = book_keeping.path
    _say_mended([one.mended for one in found])
    if as_json:
        kept = ("challenge", "state", "reason")
        told = [{**{k: getattr(one, k) for k in kept}, "numbers": dict(one.numbers)} for one in found]
        print_json({"ledger": str(path), "head": verdict.head, "challenges": told})
    else:
        print_table("registered", ("challenge", "state", "predictions"), [_registration_row(one) for one in found])
        typer.echo(f"head: {verdict.head}")
    for one in found:
        if one.state == "refused":
            typer.echo(f"{one.challenge} is refused: {one.reason}", err=True)
    return _BAD_INPUT if any(one.state == "refused" for one in found) else 0


def _registration_row(one: Registration) -> tuple[str, ...]:
    said = {"present": "registered before"}.get(one.state, one.state)
    return one.challenge, said, ", ".join(f"{number} {target}" for target, number in one.numbers.items())


def _list_challenges(as_json: bool) -> int:
    from gnomon.cli.tables import print_table
    from gnomon.predictions import challenges

    names = ("name", "title", "question", "source")
    known = [{name: getattr(one, name) for name in names} for one in challenges().values()]
    if as_json:
        print_json(known)
    else:
        print_table("challenges", names[:3], [tuple(one[name] for name in names[:3]) for one in known])
    return 0


def _say_mended(notes: Sequence[str]) -> None:
    for note in notes:
        if note:
            typer.echo(note, err=True)


def _read_measured(text: str) -> tuple[int, tuple[float, float | None]]:
    """``NUMBER=VALUE±ERROR``, where ``±`` may be ``+-`` and the error may be missing.

    >>> _read_measured("3 = 0.52±0.01"), _read_measured("4=1e3")
    ((3, (0.52, 0.01)), (4, (1000.0, None)))
    """
    match = _MEASURED.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        value, error = float(match[2]), None if match[3] is None else float(match[3])
        if not abs(value) < float("inf") or (error is not None and not 0 <= error < float("inf")):
            raise ValueError
    except ValueError:
        raise GnomonError(
            f"cannot read the measurement {text!r}", mend="write NUMBER=VALUE or NUMBER=VALUE±ERROR"
        ) from None
    return int(match[1]), (value, error)


def _document(ledger: Ledger) -> dict[str, Any]:
    from gnomon.laws.ledger.book import Book
    from gnomon.laws.ledger.summary import summary

    entries = ledger.entries()
    return summary(Book.read(entries), path=str(ledger.path), head=entries[-1].hash)


def _show(document: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """The document as JSON or as tables, and its page."""
    from gnomon.cli.ledger_tables import print_ledger
    from gnomon.report.ledger import write_ledger

    page = None if out is None else write_ledger(document, out)
    if as_json:
        print_json(document)
    else:
        print_ledger(document)
        if page is not None:
            typer.echo(f"page: {page}")
