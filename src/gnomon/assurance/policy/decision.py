"""The decision: each row of a policy held against what was measured, the level, and whether it may go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gnomon.assurance.asking import Answer, Question
from gnomon.assurance.deployment import Deployment
from gnomon.assurance.policy.allotment import at_route, at_test
from gnomon.assurance.policy.cadence import NextTest, Occasion
from gnomon.assurance.policy.judged import Judged, judge
from gnomon.assurance.policy.policy import Level, Limit, Policy, Safeguard, Threshold

Verdict = Literal["within", "crossed", "insufficient"]
EXIT_CODES: Mapping[Verdict, int] = {"within": 0, "crossed": 1, "insufficient": 3}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One threshold with the safeguards that it requires, or those that the lowest level requires of every network.

    Parameters
    ----------
    id, title : of the threshold, or of the level.
    level : that it leads to.
    measured : the threshold held against its measurement; ``None`` in the row of the lowest level.
    safeguards : each required one held against its measurement.
    verdict : ``within`` where the threshold clears, or all safeguards are proven; ``crossed`` where it is shown to be
        past and a safeguard is absent or shown to fail; else ``insufficient``.
    reason : in one sentence.
    """

    id: str
    title: str
    level: int
    measured: Judged | None
    safeguards: tuple[Judged, ...]
    verdict: Verdict
    reason: str

    @property
    def guarded(self) -> bool:
        """Whether safeguards are required, and all of them are proven."""
        return bool(self.safeguards) and all(one.state == "clears" for one in self.safeguards)

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        nothing: dict[str, Any] = {"value": None, "low": None, "high": None, "confidence": None, "at": {}}
        limit = None if self.measured is None else self.measured.limit
        return {
            "threshold": self.id,
            "title": self.title,
            "kind": limit.kind if isinstance(limit, Threshold) else "level",
            "level": self.level,
            "measured": nothing if self.measured is None else self.measured.measured(),
            "limit": None if limit is None else limit.limit,
            "buffer": None if limit is None else limit.buffer,
            "worse": None if limit is None else limit.worse,
            "safeguard": ", ".join(one.limit.id for one in self.safeguards) or None,
            "safeguards": [_told(one) for one in self.safeguards],
            "verdict": self.verdict,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a policy says of a deployment.

    Parameters
    ----------
    level : the highest that is not ruled out.
    reached : the highest that a threshold shows to be reached; the lowest where none does.
    """

    policy: Policy
    subject: str
    rows: tuple[Row, ...]
    level: Level
    reached: Level
    occasion: Occasion
    next_test: NextTest
    answers: tuple[Answer, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the whole: ``crossed`` where one row is, else ``insufficient`` where one row is, else ``within``."""
        found = {row.verdict for row in self.rows}
        return "crossed" if "crossed" in found else "insufficient" if "insufficient" in found else "within"

    @property
    def exit_code(self) -> int:
        """0 within, 1 crossed, 3 insufficient."""
        return EXIT_CODES[self.verdict]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        rows = [row.id for row in self.rows if row.verdict == self.verdict]
        name = f"{self.policy.title}, version {self.policy.version}"
        if self.verdict == "crossed":
            return f"{self.subject} is past {name}: {', '.join(rows)} without a working safeguard."
        if self.verdict == "insufficient":
            return f"The evidence on {self.subject} does not suffice for {name}: {', '.join(rows)}."
        return f"{self.subject} is within {name}, at {100 * self.policy.confidence:g} % confidence."

    def to_json(self) -> dict[str, Any]:
        """JSON object, with the measurements."""
        return {
            "verdict": self.verdict,
            "level": self.level.number,
            "level_title": self.level.title,
            "level_reached": self.reached.number,
            "rows": [row.to_json() for row in self.rows],
            "next_test_due": self.next_test.to_json(),
            "sentence": self.sentence,
            "subject": self.subject,
            "policy": {
                "name": self.policy.name,
                "title": self.policy.title,
                "source": self.policy.source,
                "version": self.policy.version,
                "confidence": self.policy.confidence,
                "tests": self.policy.tests,
                "hash": self.policy.hash,
            },
            "test": self.occasion.to_json(),
        }


def question_of(limit: Limit) -> Question:
    """What is asked for ``limit``: a capability of the bare network, all else of the deployment as it is used."""
    bare = isinstance(limit, Threshold) and limit.kind == "capability"
    return Question.of(limit.evaluation, limit.options, bare=bare)


def shares(policy: Policy, number: int) -> list[tuple[Threshold | None, list[Safeguard], float]]:
    """The rows of ``policy`` at the test with this ``number``: threshold, its safeguards, and what each route spends.

    The last row, without a threshold, is there where the lowest level requires safeguards. Raises GnomonError as
    `at_test` does.
    """
    alpha = at_test(policy.alpha, number, policy.tests)
    rows: list[tuple[Threshold | None, list[Safeguard], float]] = []
    for threshold in policy.thresholds:
        required = policy.required(threshold)
        rows.append((threshold, required, at_route(alpha, guarded=bool(required))))
    if policy.always():
        rows.append((None, policy.always(), alpha))
    return rows


def decide(
    policy: Policy,
    answers: Mapping[Question, Answer],
    deployment: Deployment,
    *,
    occasion: Occasion,
    next_test: NextTest,
) -> Decision:
    """Hold every row of ``policy`` against ``answers``. What was not answered is insufficient, never passed."""
    rows = tuple(
        _row(policy, threshold, required, share, answers, deployment)
        for threshold, required, share in shares(policy, occasion.number)
    )
    return Decision(
        policy=policy,
        subject=deployment.subject.name,
        rows=rows,
        level=_highest(policy, rows, ("open", "fails")),
        reached=_highest(policy, rows, ("fails",)),
        occasion=occasion,
        next_test=next_test,
        answers=tuple(answers.values()),
    )


def _highest(policy: Policy, rows: Sequence[Row], states: tuple[str, ...]) -> Level:
    """The highest level of a threshold in one of ``states``; the lowest of all where there is none."""
    numbers = [row.level for row in rows if row.measured is not None and row.measured.state in states]
    return policy.level(max([policy.base.number, *numbers]))


def _row(
    policy: Policy,
    threshold: Threshold | None,
    required: Sequence[Safeguard],
    share: float,
    answers: Mapping[Question, Answer],
    deployment: Deployment,
) -> Row:
    measured = None if threshold is None else _held(threshold, share, answers)
    proofs = tuple(_absent(one, share, deployment) or _held(one, share, answers) for one in required)
    past = "fails" if measured is None else measured.state
    if past == "clears":
        verdict, reason = _cleared(measured)
    elif required and all(one.state == "clears" for one in proofs):
        verdict, reason = "within", "every safeguard that it requires is shown to work"
    elif past == "fails" and not required:
        verdict, reason = "crossed", "it is past the line, and no safeguard is foreseen"
    elif past == "fails" and any(one.state == "fails" for one in proofs):
        broken = ", ".join(
            f"{one.limit.id} ({one.reason or 'shown to fail'})" for one in proofs if one.state == "fails"
        )
        verdict, reason = "crossed", f"required safeguards do not work: {broken}"
    else:
        wanting = [one for one in proofs if one.state != "clears"] if past == "fails" else [measured, *proofs]
        told = [f"{one.limit.id}: {one.reason or 'shown to fail'}" for one in wanting if one and one.state != "clears"]
        verdict, reason = "insufficient", "; ".join(dict.fromkeys(told))
    base = policy.base
    return Row(
        id=f"level_{base.number}" if threshold is None else threshold.id,
        title=base.title if threshold is None else threshold.title,
        level=base.number if threshold is None else threshold.level,
        measured=measured,
        safeguards=proofs,
        verdict=verdict,
        reason=reason,
    )


def _cleared(measured: Judged | None) -> tuple[Verdict, str]:
    assert measured is not None
    end, side = (measured.high, "below") if measured.limit.worse == "above" else (measured.low, "above")
    return "within", f"its bound of {end:.4g} is {side} {measured.limit.line:.4g}"


def _held(limit: Limit, share: float, answers: Mapping[Question, Answer]) -> Judged:
    answer = answers.get(question_of(limit))
    if answer is None:
        return Judged(limit=limit, state="open", confidence=1 - share, reason="it was not measured")
    return judge(limit, answer, share)


def _absent(one: Safeguard, share: float, deployment: Deployment) -> Judged | None:
    lacking = [part for part in one.needs if getattr(deployment, part) is None]
    if not lacking:
        return None
    reason = f"the deployment has no {' and no '.join(lacking)}"
    return Judged(limit=one, state="fails", confidence=1 - share, reason=reason)


def _told(one: Judged) -> dict[str, Any]:
    word = {"clears": "proven", "fails": "fails", "open": "open"}[one.state]
    line = {"limit": one.limit.limit, "buffer": one.limit.buffer, "worse": one.limit.worse}
    return {"id": one.limit.id, "title": one.limit.title, **line, "measured": one.measured(), "verdict": word,
            "reason": one.reason}  # fmt: skip
