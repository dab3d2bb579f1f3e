"""Making the evidence of a case again, and holding it against what the case says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gnomon.assurance.case.case import Case
from gnomon.assurance.case.node import Evidence
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.measurement.value import same_value

_COMMAND = ("gnomon", "evaluate")

Run = Callable[[Sequence[str]], dict[str, Any]]
"""Runs ``gnomon ARGUMENTS --json`` and returns its document. Raises GnomonError when the command does."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """What came of making one piece of evidence again.

    Parameters
    ----------
    found : ``same`` in value and interval, to the bit; ``other``; ``missing`` where the command no longer gives it; or
        ``no command``.
    again : the measurement made again, if there is one.
    reason : why it is missing.
    """

    evidence: Evidence
    found: Literal["same", "other", "missing", "no command"]
    again: Measurement | None = None
    reason: str = ""


def repeat(case: Case, run: Run, *, told: Callable[[str, int, int], None] | None = None) -> list[Repeat]:
    """Run the command of every piece of evidence, each command once, and compare.

    A measurement is the same when it has the same value and the same interval: the seed fixes both. Only ``gnomon
    evaluate`` is ever run, whatever the case says, for a case may come from anybody.

    Raises GnomonError for another command.
    """
    leaves = list(case.evidence())
    for one in leaves:
        if one.command and one.command[:2] != _COMMAND:
            raise GnomonError(f"evidence {one.id!r} is made by {one.command[0]!r}", mend="only gnomon evaluate is run")
    documents: dict[tuple[str, ...], dict[str, Any] | str] = {}
    commands = list(dict.fromkeys(one.command for one in leaves if one.command))
    for done, command in enumerate(commands):
        if told is not None:
            told(command[3] if len(command) > 3 else "evidence", done, len(commands))
        try:
            documents[command] = run(command[1:])
        except GnomonError as error:
            documents[command] = error.cause
    return [_held(one, documents.get(one.command, "")) for one in leaves]


def _held(one: Evidence, document: dict[str, Any] | str) -> Repeat:
    if not one.command:
        return Repeat(evidence=one, found="no command")
    if isinstance(document, str):
        return Repeat(evidence=one, found="missing", reason=document)
    before = one.measured
    answers = document.get("evaluations", [])
    for answer in answers:
        for m in map(Measurement.from_json, answer["measurements"]):
            if (m.quantity, m.site, dict(m.labels)) == (before.quantity, before.site, dict(before.labels)):
                return Repeat(evidence=one, found="same" if _same(before, m) else "other", again=m)
    reasons = "; ".join(answer["reason"] for answer in answers if answer.get("reason"))
    return Repeat(evidence=one, found="missing", reason=reasons or "the command no longer measures it")


def _same(a: Measurement, b: Measurement) -> bool:
    return a.status == b.status and same_value(a.value, b.value) and a.uncertainty == b.uncertainty
