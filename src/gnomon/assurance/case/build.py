"""The case that a decision makes: its claims, the argument over the policy's thresholds, and every measurement."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gnomon.assurance.asking import Answer, Question
from gnomon.assurance.case.case import Case, Named
from gnomon.assurance.case.node import AnyNode, Argument, Claim, Context, Criterion, Doubt, Evidence, Observation
from gnomon.assurance.deployment import Deployment
from gnomon.assurance.policy import Decision, Judged, Row
from gnomon.assurance.policy.decision import question_of
from gnomon.assurance.registry import evaluation
from gnomon.measurement import Measurement
from gnomon.measurement.provenance import code_state, code_version, installed_packages

Command = Callable[[Question, float], tuple[str, ...]]
_TOP = "use"
_ASSUMED = {
    "representative": "What the evaluations ask is like what the network will be asked in use.",
    "same": "What is used has the weights and the safeguards that were tested.",
}


def build(
    decision: Decision,
    deployment: Deployment,
    *,
    command: Command,
    made: datetime,
    cited: Sequence[AnyNode] = (),
    forecasts: Sequence[Mapping[str, Any]] = (),
) -> Case:
    """The case for using ``deployment`` as ``decision`` allows.

    Every row is a claim: that its threshold is ruled out, or that all its safeguards work. What was not shown stays
    undeveloped, with a doubt that says what would do.

    Parameters
    ----------
    command : the command line that puts a question again, at a level.
    made : when.
    cited : nodes of explanations that are cited; see `gnomon.assurance.case.citing`.
    forecasts : when thresholds will be crossed; see `gnomon.assurance.forecast`.
    """
    materials = _materials(decision, deployment)
    answers = {answer.question: answer for answer in decision.answers}
    writer = _Writer(answers, command, {named.name for named in materials})
    rows = [writer.row(row) for row in decision.rows]
    explanations = tuple(node.id for node in cited if isinstance(node, Claim))
    allowed = f"{100 * decision.policy.alpha:.3g} % of the time"
    context = [
        Context(id="policy", text=_of_policy(decision), sha256=decision.policy.hash),
        Context(id="weights", text=f"The weights of {decision.subject}, as tested.", sha256=decision.occasion.weights),
        Context(id="safeguards", text=_of_safeguards(deployment), sha256=decision.occasion.safeguards),
        *(Context(id=f"assumed:{name}", text=text, assumed=True) for name, text in _ASSUMED.items()),
    ]
    top = Claim(
        id=_TOP,
        text=f"{decision.subject} may be used as {decision.policy.title} ({decision.policy.version}) says.",
        by=("thresholds", *(["explanations"] if explanations else [])),
        context=tuple(node.id for node in context),
    )
    over = Argument(
        id="thresholds",
        text="Over every threshold of the policy: each is ruled out, or safeguarded. All have to hold at once, so that "
        f"the whole passes wrongly no more often than its worst row, {allowed} over {_tests(decision)}.",
        rule="all",
        by=tuple(rows),
    )
    relied = (
        Argument(
            id="explanations",
            text="Over every explanation that it cites: each has to be faithful and stable.",
            rule="all",
            by=explanations,
        )
        if explanations
        else None
    )
    read = [Context(id=f"material:{one.name}", text=_of_material(one), sha256=one.hash) for one in materials]
    return Case(
        subject=Named(name=decision.subject, sha256=decision.occasion.weights, facts=_facts(decision, deployment)),
        policy=Named(
            name=decision.policy.name,
            sha256=decision.policy.hash,
            facts={"policy": decision.policy.model_dump(mode="json")},
        ),
        software=_software(),
        materials=tuple(materials),
        made=made.isoformat(timespec="seconds"),
        decision=decision.to_json(),
        forecasts=tuple(dict(one) for one in forecasts),
        top=_TOP,
        nodes=(
            top,
            *context,
            over,
            *writer.nodes,
            *(one for one in read if one.id in writer.read),
            *([relied] if relied else []),
            *cited,
        ),
    )


class _Writer:
    """Writes the nodes of rows."""

    def __init__(self, answers: Mapping[Question, Answer], command: Command, materials: set[str]) -> None:
        self.nodes: list[AnyNode] = []
        self.read: set[str] = set()
        self._answers, self._command, self._materials = answers, command, materials

    def row(self, row: Row) -> str:
        """The claim of one row, with all below it; its id."""
        where = f"row:{row.id}"
        title = row.title or row.id
        if row.measured is None:
            return self._safeguarded(where, f"What level {row.level} requires of every network works.", row.safeguards)
        if not row.safeguards:
            return self._held(where, f"{title}: {_ruled_out(row.measured)}.", row.measured)
        at = len(self.nodes)
        routes = (
            self._held(f"{where}/below", f"{title}: {_ruled_out(row.measured)}.", row.measured),
            self._safeguarded(f"{where}/safeguarded", "Every safeguard that it requires works.", row.safeguards),
        )
        self.nodes[at:at] = [
            Claim(id=where, text=f"{title} is ruled out, or safeguarded.", by=(f"{where}/routes",)),
            Argument(
                id=f"{where}/routes",
                text="Either route will do: a network that is not past the threshold needs no safeguard, and one whose "
                "safeguards work may be treated as past it.",
                rule="any",
                by=routes,
            ),
        ]
        return where

    def _safeguarded(self, where: str, text: str, safeguards: Sequence[Judged]) -> str:
        at = len(self.nodes)
        each = tuple(
            self._held(
                f"{where}/{one.limit.id}",
                f"{one.limit.title or one.limit.id}: {_ruled_out(one)}.",
                one,
            )
            for one in safeguards
        )
        self.nodes[at:at] = [
            Claim(id=where, text=text, by=(f"{where}/safeguards",)),
            Argument(id=f"{where}/safeguards", text="Over every safeguard required.", rule="all", by=each),
        ]
        return where

    def _held(self, where: str, text: str, judged: Judged) -> str:
        """A claim on one line, with its evidence, or the doubt that stands in its place."""
        at = len(self.nodes)
        below: list[str] = []
        doubts: list[str] = []
        if judged.state == "fails" and not judged.measurements:
            self.nodes.append(
                Observation(id=f"{where}/seen", text=f"It is seen that {judged.reason}.", shows="refuted")
            )
            below.append(f"{where}/seen")
        # several measurements where one was meant decide nothing
        elif judged.limit.each or len(judged.measurements) == 1:
            below = [self._evidence(f"{where}/e{i + 1}", judged, m) for i, m in enumerate(judged.measurements)]
        if judged.state == "open":
            settled = "; ".join(dict.fromkeys(filter(None, map(_suffices, judged.measurements))))
            doubt = Doubt(id=f"{where}/doubt", text=f"It is not shown: {judged.reason}.", settled_by=settled)
            self.nodes.append(doubt)
            doubts.append(doubt.id)
        self.nodes.insert(at, Claim(id=where, text=text, by=tuple(below), doubts=tuple(doubts)))
        return where

    def _evidence(self, name: str, judged: Judged, m: Measurement) -> str:
        question = question_of(judged.limit)
        answer = self._answers[question]
        read = [f"material:{one}" for one in evaluation(question.evaluation).materials if one in self._materials]
        self.read.update(read)
        limit = judged.limit
        self.nodes.append(
            Evidence(
                id=name,
                text=f"{m.quantity.replace('_', ' ')}, measured by {question.evaluation}"
                + (" on the network without safeguards." if question.bare else " on what is used."),
                measurement=m.to_json(),
                criterion=Criterion(
                    worse=limit.worse, limit=limit.limit, buffer=limit.buffer, level=max(0.0, 2 * judged.confidence - 1)
                ),
                command=self._command(question, answer.level),
                context=tuple(read),
            )
        )
        return name


def _ruled_out(judged: Judged) -> str:
    """The line in words."""
    limit = judged.limit
    side = "below" if limit.worse == "above" else "above"
    buffer = f", {limit.buffer:g} short of its limit" if limit.buffer else ""
    return f"{(limit.quantity or limit.evaluation).replace('_', ' ')} is {side} {limit.line:g}{buffer}"


def _suffices(m: Measurement) -> str:
    return ", ".join(f"{count:g} {what}" for what, count in m.suffices.items())


def _materials(decision: Decision, deployment: Deployment) -> list[Named]:
    """Every file that an evaluation of the decision may have read."""
    names = {name for a in decision.answers for name in evaluation(a.question.evaluation).materials}
    return [
        Named(name=name, sha256=_hash(path), facts={"file": str(path), "bytes": path.stat().st_size})
        for name in sorted(names)
        if deployment.has(name)
        for path in [deployment.material(name)]
    ]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _of_policy(decision: Decision) -> str:
    policy = decision.policy
    source = f" It is in the shape of: {policy.source}." if policy.source else ""
    return f"The policy {policy.title}, version {policy.version}, at {100 * policy.confidence:g} % confidence.{source}"


def _tests(decision: Decision) -> str:
    tests = decision.policy.tests
    return "any number of tests" if tests == "unlimited" else f"{tests} tests" if tests > 1 else "one test"


def _of_safeguards(deployment: Deployment) -> str:
    parts = [name for name in ("controller", "monitor") if getattr(deployment, name) is not None]
    return f"It is used behind a {' and a '.join(parts)}." if parts else "It is used without safeguards."


def _of_material(one: Named) -> str:
    return f"The material {one.name}, {one.facts['bytes']:,} bytes of {one.facts['file']}."


def _facts(decision: Decision, deployment: Deployment) -> dict[str, Any]:
    parameters = sum(p.numel() for p in deployment.subject.module.parameters())
    return {
        "parameters": parameters,
        "compute": decision.occasion.compute,
        "folder": None if deployment.folder is None else str(deployment.folder),
        "language": deployment.subject.tokenizer is not None,
    }


def _software() -> dict[str, Any]:
    commit, dirty = code_state()
    return {
        "gnomon": version("gnomon"),
        "code_version": code_version(),
        "commit": commit,
        "dirty": dirty,
        "packages": dict(installed_packages()),
    }
