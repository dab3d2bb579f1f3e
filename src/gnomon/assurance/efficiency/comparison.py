"""What making a network cheaper does to all else that is measured of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gnomon.assurance.asking import Question, ask
from gnomon.assurance.deployment import Deployment
from gnomon.assurance.efficiency.changes import Change, Changed
from gnomon.assurance.efficiency.efficiency import Efficiency
from gnomon.assurance.efficiency.held import weight_bytes
from gnomon.assurance.efficiency.quantities import FLOPS_PER_TOKEN, READING_CHANGE, SECONDS_PER_TOKEN
from gnomon.assurance.fairness.comparable import Comparable
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.policy import Limit
from gnomon.assurance.registry import evaluation
from gnomon.errors import GnomonError
from gnomon.estimators.loss.nll import NLL
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.statistics import Family

Moved = Literal["higher", "lower", "not told apart", "not measured"]
Verdict = Literal["worse", "better", "higher", "lower", "not told apart", "not measured"]
Worse = Literal["above", "below", ""]
Progress = Callable[[str, int, int], None]
Place = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class RowChange:
    """One reading before and after.

    Parameters
    ----------
    evaluation : whose it is.
    before, after : the readings; ``after`` is ``None`` where it could not be had.
    change : the paired difference, where the evaluation tells of what its readings are the means.
    moved : which way it is shown to have moved, at the family's level.
    worse : on which side its bad values are, where a policy says.
    reason : why it was not measured.
    """

    evaluation: str
    before: Measurement
    after: Measurement | None
    change: Measurement | None
    moved: Moved
    worse: Worse = ""
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """``moved``, in terms of worse and better where it is known which is which."""
        if not self.worse or self.moved not in ("higher", "lower"):
            return self.moved
        return "worse" if (self.moved == "higher") == (self.worse == "above") else "better"

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "evaluation": self.evaluation,
            "before": self.before.to_json(),
            "after": None if self.after is None else self.after.to_json(),
            "change": None if self.change is None else self.change.to_json(),
            "moved": self.moved,
            "verdict": self.verdict,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Saving:
    """What a change saves.

    Parameters
    ----------
    bytes : of the weights, before and in the form that the change gives them.
    flops : a token of the prompt, before and after, where zeros are left out; ``None`` where it is not known.
    seconds : a written token, before and after; ``None`` where the form is simulated, which saves no time.
    """

    bytes: tuple[int, int]
    flops: tuple[float, float] | None
    seconds: tuple[Measurement, Measurement] | None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        seconds = None if self.seconds is None else [m.to_json() for m in self.seconds]
        return {"bytes": list(self.bytes), "flops": self.flops and list(self.flops), "seconds": seconds}


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """One change: what it saves, and what it does to each row."""

    change: str
    simulated: bool
    saving: Saving
    rows: tuple[RowChange, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "change": self.change,
            "simulated": self.simulated,
            "saving": self.saving.to_json(),
            "rows": [row.to_json() for row in self.rows],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Several changes of one deployment.

    Parameters
    ----------
    changes : each with the same rows.
    level : that all verdicts hold at together.
    family : how many readings times changes are compared.
    left_out : questions without a reading before, with the reason.
    """

    changes: tuple[Compared, ...]
    level: float
    family: int
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "level": self.level,
            "family": self.family,
            "left_out": dict(self.left_out),
            "changes": [one.to_json() for one in self.changes],
        }


def compare_changes(
    deployment: Deployment,
    changes: Sequence[Change],
    questions: Sequence[Question],
    rng: Rng,
    *,
    limits: Sequence[Limit] = (),
    level: float = 0.95,
    progress: Progress | None = None,
) -> Comparison:
    r"""Put ``questions`` to ``deployment`` and to each change of it, and say what is shown to have moved.

    The family is every reading that the deployment gives, under every change, m in all; every verdict holds at once
    with probability at least ``level``, whatever the dependence (Bonferroni). Readings of an evaluation that is
    `Comparable` are compared row by row, at the level :math:`1 - (1 - \mathrm{level}) / m` of the difference. Others
    have moved where the two intervals, each with half of that risk, have no point in common: also sound under any
    dependence, and blunt, as what both have in common does not cancel. The same rng puts the same questions.

    Parameters
    ----------
    limits : of a policy; they say of which readings more is worse, and of which less. Of a loss more is worse.

    Cost: twice what the questions cost, and that again for every change.

    Raises GnomonError when there is no change or no question, as a change does, and when nothing can be read before.
    """
    if not changes or not questions:
        raise GnomonError("there is nothing to compare", mend="give at least one change and one evaluation")
    said = progress or (lambda *_: None)
    total = len(questions) * (len(changes) + 2)
    plainly: dict[Question, Mapping[Place, Measurement]] = {}
    left_out: dict[str, str] = {}
    for number, question in enumerate(questions):
        said(question.evaluation, number, total)
        found = _read(question, deployment, rng, level)
        if not found.readings:
            left_out[question.evaluation] = found.reason
        plainly[question] = found.readings
    places = [place for readings in plainly.values() for place in readings]
    if not places:
        raise GnomonError(
            f"nothing can be read: {'; '.join(f'{name}: {why}' for name, why in left_out.items())}",
            mend="give materials, or other evaluations",
        )
    names = [change.name for change in changes]
    family = Family("efficiency changes", tuple(f"{name} {place}" for name in names for place in places))
    own = family.simultaneous(level)
    first = {}
    for number, question in enumerate(questions, start=len(questions)):
        said(question.evaluation, number, total)
        first[question] = _read(question, deployment, rng, 1 - (1 - own) / 2)
    plain = _arithmetic(deployment, rng)
    compared = []
    for turn, change in enumerate(changes, start=2):
        changed = change.apply(deployment)
        rows: list[RowChange] = []
        for number, question in enumerate(questions, start=turn * len(questions)):
            said(f"{change.name}: {question.evaluation}", number, total)
            after = _read(question, changed.deployment, rng, 1 - (1 - own) / 2)
            rows += _compared(question, plainly[question], first[question], after, limits, own)
        saving = _saving(deployment, changed, plain, rng)
        compared.append(Compared(change=change.name, simulated=changed.simulated, saving=saving, rows=tuple(rows)))
    return Comparison(changes=tuple(compared), level=level, family=len(family.members), left_out=left_out)


@dataclass(frozen=True)
class _Read:
    """What a deployment answered: readings by place, their rows where they have any, and why there are none.

    ``lacking`` has the reasons of places of their own, ``reason`` that of all.
    """

    readings: Mapping[Place, Measurement]
    rows: Mapping[Place, Rows]
    lacking: Mapping[Place, str]
    reason: str = ""

    def why(self, place: Place) -> str:
        """Why ``place`` was not read; what was not read has fewer labels than what was."""
        own = (why for one, why in self.lacking.items() if one[:2] == place[:2] and set(one[2]) <= set(place[2]))
        return next(own, self.reason)


def _read(question: Question, deployment: Deployment, rng: Rng, level: float) -> _Read:
    rows: dict[Place, Rows] = {}
    kind = evaluation(question.evaluation)
    if issubclass(kind, Comparable):
        asked = deployment.bare if question.bare else deployment
        one = kind.model_validate(json.loads(question.options))
        reason = one.inapplicable(asked)
        if reason:
            return _Read({}, {}, {}, reason)
        try:
            found = one.rows(asked, rng.child("assurance", question.evaluation, question.options))
        except GnomonError as error:
            return _Read({}, {}, {}, error.cause)
        measured = [row.measurement(level) for row in found]
        rows = {_place(question, m): row for m, row in zip(measured, found, strict=True)}
    else:
        answer = ask(question, deployment, rng, level=level)
        if answer.reason:
            return _Read({}, {}, {}, answer.reason)
        measured = list(answer.measurements)
    scalar = {_place(question, m): m for m in measured if isinstance(m.value, float)}
    reason = "; ".join(dict.fromkeys(m.reason for m in measured if m.reason)) or "it gave no single number"
    lacking = {_place(question, m): m.reason for m in measured if m.reason}
    return _Read(scalar, rows, lacking, reason)


def _place(question: Question, m: Measurement) -> Place:
    """What a reading is of, the same before and after."""
    labels = {**dict(m.labels), **({"site": m.site} if m.site else {})}
    return (f"{question.evaluation} {question.options} {question.bare}", m.quantity, tuple(sorted(labels.items())))


def _compared(
    question: Question,
    plainly: Mapping[Place, Measurement],
    before: _Read,
    after: _Read,
    limits: Sequence[Limit],
    level: float,
) -> list[RowChange]:
    """Of the readings that there are ``plainly``; some have no interval ``before`` at the level of a large family."""
    found = []
    for place, shown in plainly.items():
        one, two = before.readings.get(place, shown), after.readings.get(place)
        change: Measurement | None = None
        moved: Moved = "not measured"
        reason = "" if two else after.why(place)
        if place not in before.readings:
            two, reason = None, before.why(place)
        if two is not None and place in before.rows:
            try:
                change = before.rows[place].change(after.rows[place], READING_CHANGE, level)
                moved, reason = (_moved(change) if change.status == "ok" else "not told apart"), change.reason
            except GnomonError as error:  # the rows of the two cannot be paired
                reason = error.cause
        elif two is not None:
            moved = _apart(one, two)
        found.append(
            RowChange(
                evaluation=question.evaluation,
                before=one,
                after=two,
                change=change,
                moved=moved,
                worse=_worse(question, one, limits),
                reason=reason,
            )
        )
    return found


def _worse(question: Question, m: Measurement, limits: Sequence[Limit]) -> Worse:
    """On which side the bad values of a reading are; nothing where the limits do not say, or not the same."""
    sides: set[Worse] = {"above"} if m.quantity == NLL.name else set()
    for limit in limits:
        named = limit.quantity in (m.quantity, "") and limit.evaluation == question.evaluation
        if named and limit.labels.items() <= m.labels.items():
            sides.add(limit.worse)
    return sides.pop() if len(sides) == 1 else ""


def _ends(m: Measurement) -> tuple[float, float] | None:
    """Of the interval, with the systematic part; ``None`` where it is not known."""
    u, value = m.uncertainty, float(np.asarray(m.value))
    slack = u.systematic or 0.0
    if u.kind == "exact":
        return value - slack, value + slack
    if u.low is None or u.high is None:
        return None
    return float(np.asarray(u.low)) - slack, float(np.asarray(u.high)) + slack


def _moved(change: Measurement) -> Moved:
    ends = _ends(change)
    if ends is None or ends[0] <= 0 <= ends[1]:
        return "not told apart"
    return "higher" if ends[0] > 0 else "lower"


def _apart(one: Measurement, two: Measurement) -> Moved:
    first, second = _ends(one), _ends(two)
    if first is None or second is None or (first[0] <= second[1] and second[0] <= first[1]):
        return "not told apart"
    return "higher" if second[0] > first[1] else "lower"


def _arithmetic(deployment: Deployment, rng: Rng) -> Mapping[tuple[str, str], Measurement]:
    """What `Efficiency` measures, by quantity and phase; nothing where it does not apply."""
    instrument = Efficiency()
    if instrument.inapplicable(deployment):
        return {}
    found = instrument.run(deployment, rng.child("efficiency"))
    return {(m.quantity, m.labels.get("phase", "")): m for m in found if m.status == "ok"}


def _saving(deployment: Deployment, changed: Changed, plain: Mapping[tuple[str, str], Measurement], rng: Rng) -> Saving:
    now = plain if changed.simulated else _arithmetic(changed.deployment, rng)
    prompt, written = (FLOPS_PER_TOKEN.name, "prefill"), (SECONDS_PER_TOKEN.name, "decode")
    flops = None
    if prompt in plain and prompt in now:
        flops = float(np.asarray(plain[prompt].value)), float(np.asarray(now[prompt].value)) - changed.idle_flops
    seconds = (
        None if changed.simulated or not {written} <= plain.keys() & now.keys() else (plain[written], now[written])
    )
    return Saving(bytes=(weight_bytes(deployment.subject), changed.bytes), flops=flops, seconds=seconds)
