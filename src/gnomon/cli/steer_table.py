"""What `gnomon steer` prints in the terminal."""

from __future__ import annotations

import typer

from gnomon.cli.tables import print_table
from gnomon.control.strength.steering import Steering
from gnomon.measurement import Measurement
from gnomon.report.numbers import plain, read


def print_steering(found: Steering) -> None:
    """Continuations side by side, the curves with their bands, the control by random directions, and the choice."""
    at = "no strength" if found.strength is None else f"strength {found.strength:g}"
    if found.continuations:
        rows = [(one.prompt, one.untouched, one.steered) for one in found.continuations]
        print_table(f"{found.controller.name} in {found.subject}", ["prompt", "untouched", at], rows)
    study = found.study
    if study is None:
        return
    names = list(study.curves)
    body = []
    for i, strength in enumerate(study.strengths):
        cells = [
            _text(study.curves[name].measurement(i, arm=study.arm, strength=strength, level=study.level))
            for name in names
        ]
        if strength == found.strength:
            mark = "at this strength" if study.choice.index != i else "chosen"
        else:
            mark = "within" if i in study.choice.within else ""
        body.append((f"{strength:g}", *cells, mark))
    if found.random:
        body.append(("random", *(_text(found.random.get(name)) for name in names), f"at {found.strength:g}"))
    title = f"bands that hold together at {100 * study.level:.3g}%"
    print_table(title, ["strength", *names, ""], body)
    for reason in _unread(found):
        typer.echo(reason)
    budgets = ", ".join(f"{name} ≤ {plain(limit)}" for name, limit in study.budgets.items())
    if study.choice.index is not None:
        typer.echo(f"largest effect within {budgets}: strength {study.strengths[study.choice.index]:g}")
    elif study.budgets:
        enough = study.choice.suffices.get("texts")
        more = "" if enough is None else f"; about {enough:,.0f} texts would do"
        typer.echo(f"within {budgets}: {study.choice.reason}{more}")


def _unread(found: Steering) -> list[str]:
    """Why cells are empty, once a curve and reason."""
    rows = [*(found.study.measurements if found.study else ()), *found.random.values()]
    return list(
        dict.fromkeys(f"{m.labels['reading']} –: {m.reason}" for m in rows if m.reason and "reading" in m.labels)
    )


def _text(measurement: Measurement | None) -> str:
    """A cell; an empty one where nothing was read or the texts do not tell."""
    return "–" if measurement is None or measurement.status != "ok" else str(read(measurement))
