"""`gnomon evaluate`: evaluations of a network, without a policy."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.deployment_options import Compute, Deployed, Materials, Safeguards
from gnomon.cli.options import AsJson, Device, Seed, StorePath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.asking import Answer, Question
    from gnomon.measurement import Measurement

_INSUFFICIENT = 3


def evaluate(
    subject: Annotated[str | None, typer.Argument(help="Hugging Face directory or hub id, or an organism.")] = None,
    names: Annotated[
        list[str] | None, typer.Argument(help="Evaluations, apart or as a,b; without any they are listed.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Option of an evaluation, as NAME.OPTION=VALUE; repeat for more.")
    ] = None,
    safeguards: Safeguards = None,
    materials: Materials = None,
    compute: Compute = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also bare, and the paired change by the controller of --with.")
    ] = False,
    level: Annotated[float, typer.Option("--level", help="Of the two-sided intervals.")] = 0.95,
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Put evaluations to SUBJECT, behind its safeguards where it has any, and print what was measured.

    Exits with 0, and with 3 when there is not one number.
    """
    from gnomon.assurance.asking import ask
    from gnomon.cli.evaluate_compared import asked_by, compared_by, cost, left_out, print_compared, told
    from gnomon.cli.progress import progress_bar
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng

    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    questions = questions_of(split(names), settings or [])
    if subject is None or not questions:
        return _list(as_json)
    given = Deployed(
        subject=subject, safeguards=safeguards or (), materials=materials or (), compute=compute, device=device
    )
    deployment = given.open()
    if compare:
        evaluations = asked_by(questions)
        changes = compared_by(evaluations, deployment, Rng(seed), level)
        costs, lacking = cost(deployment, level), left_out(evaluations, deployment)
        if as_json:
            print_json({"subject": deployment.subject.name, "level": level, **told(changes, costs, lacking)})
        else:
            print_compared(changes, costs, lacking)
        return 0 if any(one.change.status == "ok" for one in changes) else _INSUFFICIENT
    spec = {"questions": [question.spec for question in questions], "level": level, "seed": seed}
    answers = []
    with (
        Store.open(store) as kept,
        recording(kept, "evaluate", subject=deployment.subject.name, spec=spec) as sink,
        progress_bar("evaluating") as progress,
    ):
        for done, question in enumerate(questions):
            progress(question.evaluation, done, len(questions))
            answers.append(ask(question, deployment, Rng(seed), level=level))
            sink.add(answers[-1].measurements)
    if as_json:
        print_json({"subject": deployment.subject.name, "level": level, "evaluations": [_told(a) for a in answers]})
    else:
        _print(answers, level)
    known = any(m.status == "ok" for answer in answers for m in answer.measurements)
    return 0 if known else _INSUFFICIENT


def questions_of(names: Sequence[str], settings: Sequence[str]) -> list[Question]:
    """Each named evaluation with its options. Raises GnomonError for an option of one that is not named."""
    from gnomon.assurance.asking import Question

    options: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting in settings:
        where, equals, text = setting.partition("=")
        name, dot, option = where.strip().partition(".")
        if not (equals and dot and option):
            raise GnomonError(f"cannot read the setting {setting!r}", mend="write NAME.OPTION=VALUE")
        if name not in options:
            raise GnomonError(f"--set {setting}: {name!r} is not among the evaluations asked for", mend="name it too")
        options[name][option] = _value(text.strip())
    return [Question.of(name, chosen) for name, chosen in options.items()]


def _value(text: str) -> Any:
    """``text`` as JSON, which the commands of a case's leaves have, or as a value of TOML, or as it stands."""
    from gnomon.lab.spec import parsed

    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return parsed(text)


def _list(as_json: bool) -> int:
    from gnomon.assurance import evaluations
    from gnomon.cli.tables import print_table

    known = evaluations()
    if as_json:
        rows = {
            name: {
                "quantities": [q.name for q in kind.quantities],
                "materials": list(kind.materials),
                "options": kind.model_json_schema().get("properties", {}),
            }
            for name, kind in known.items()
        }
        print_json({"evaluations": rows})
        return 0
    table = [
        (
            name,
            ", ".join(q.name for q in kind.quantities),
            ", ".join(kind.materials) or "–",
            ", ".join(kind.model_fields) or "–",
        )
        for name, kind in known.items()
    ]
    print_table("evaluations", ("name", "quantities", "materials", "options"), table)
    return 0


def _told(answer: Answer) -> dict[str, Any]:
    return {
        **answer.question.spec,
        "reason": answer.reason,
        "seconds": round(answer.seconds, 3),
        "measurements": [m.to_json() for m in answer.measurements],
    }


def _print(answers: Sequence[Answer], level: float) -> None:
    from gnomon.cli.tables import measurement_row, print_table

    def row(m: Measurement) -> tuple[str, ...]:
        quantity, place, value, interval, *rest = measurement_row(m)[:-1]
        own = m.uncertainty.level
        told = "" if own is None or not interval or math.isclose(own, level) else f" ({100 * own:.4g} %)"
        return (quantity, place, value, interval + told, *rest)

    rows = [
        (a.question.evaluation, *row(m)) if m else (a.question.evaluation, "", "", "–", "", "", a.reason)
        for a in answers
        for m in (a.measurements or (None,))
    ]
    columns = ("evaluation", "quantity", "at", "value", f"{100 * level:.4g} % interval", "unit", "status")
    print_table("", columns, rows)
