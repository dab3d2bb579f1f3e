"""A case: one claim about a subject, and everything that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from gnomon.assurance.case.agreement import check_agreement
from gnomon.assurance.case.node import AnyNode, Argument, Claim, Evidence, Node, Observation, State
from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec

FORMAT: Final = "gnomon-case/1"


class Named(Spec):
    """Something that a case is about, by name and content.

    Parameters
    ----------
    name : as it was given.
    sha256 : of its content.
    facts : what else is known of it, for people.
    """

    name: str
    sha256: str
    facts: dict[str, Any] = Field(default_factory=dict)


class Case(Spec):
    """A claim, the argument for it, and its evidence.

    Parameters
    ----------
    subject : the network, hashed by its weights.
    policy : the policy, hashed by its text; the text itself is in its facts.
    software : version, source hash, commit and packages of what measured.
    materials : what evaluations read, by name.
    made : when, as ISO 8601.
    decision : the document of ``gnomon assure --json``.
    forecasts : when thresholds will be crossed; see `gnomon.assurance.forecast`.
    top : id of the claim that all is for.
    nodes : the argument; see `gnomon.assurance.case.node`.

    Raises
    ------
    GnomonError : when an id is used twice or leads nowhere, a node is of a kind that may not stand where it does, the
        argument goes in a circle, a node belongs to nothing, or a verdict, a line or a number shown is not that of the
        evidence and the policy.
    """

    format: Literal["gnomon-case/1"] = FORMAT
    subject: Named
    policy: Named
    software: dict[str, Any]
    materials: tuple[Named, ...] = ()
    made: str
    decision: dict[str, Any]
    forecasts: tuple[dict[str, Any], ...] = ()
    top: str
    nodes: tuple[Node, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Case:
        _check_ids(self)
        _check_kinds(self)
        _check_acyclic(self)
        _check_reached(self)
        check_agreement(self)
        return self

    @cached_property
    def by_id(self) -> Mapping[str, AnyNode]:
        """The nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def states(self) -> Mapping[str, State]:
        """What follows from the evidence for each claim, argument and piece of evidence.

        All of a claim's support has to hold; an argument says whether all has to, or any will do. One refuted part
        refutes a whole that needs all; a whole that any part will do for is refuted when all parts are.
        """
        found: dict[str, State] = {}

        def state(name: str) -> State:
            if name not in found:
                node = self.by_id[name]
                if isinstance(node, (Evidence, Observation)):
                    found[name] = node.state
                elif isinstance(node, (Claim, Argument)):
                    rule = node.rule if isinstance(node, Argument) else "all"
                    found[name] = combined([state(part) for part in node.by], rule)
            return found[name]

        for node in self.nodes:
            if isinstance(node, (Claim, Argument, Evidence, Observation)):
                state(node.id)
        return found

    def evidence(self) -> Iterator[Evidence]:
        """Its evidence, in order."""
        return (node for node in self.nodes if isinstance(node, Evidence))

    def claims(self) -> Iterator[Claim]:
        """Its claims, in order."""
        return (node for node in self.nodes if isinstance(node, Claim))

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `Case.model_validate`."""
        return self.model_dump(mode="json")


def combined(states: list[State], rule: Literal["all", "any"]) -> State:
    """What a whole is when its parts are so.

    >>> combined(["supported", "refuted"], "all"), combined(["undeveloped", "supported"], "any"), combined([], "all")
    ('refuted', 'supported', 'undeveloped')
    """
    if not states:
        return "undeveloped"
    decisive: State = "refuted" if rule == "all" else "supported"
    otherwise: State = "supported" if rule == "all" else "refuted"
    if decisive in states:
        return decisive
    return otherwise if all(state == otherwise for state in states) else "undeveloped"


_MAY_REST_ON: dict[str, tuple[str, ...]] = {
    "claim": ("argument", "evidence", "observation"),
    "argument": ("claim", "evidence", "observation"),
}


def _edges(node: AnyNode) -> Iterator[tuple[str, str]]:
    """Every id that ``node`` names, with the part it has."""
    for part in ("by", "context", "doubts"):
        yield from ((part, name) for name in getattr(node, part, ()))


def _check_ids(case: Case) -> None:
    if len(case.by_id) < len(case.nodes):
        names = [node.id for node in case.nodes]
        twice = next(name for name in names if names.count(name) > 1)
        raise GnomonError(f"two nodes of the case are called {twice!r}", mend="give each its own id")
    for node in case.nodes:
        for _, name in _edges(node):
            if name not in case.by_id:
                raise GnomonError(f"node {node.id!r} names {name!r}, which is not in the case", mend="mend the id")


def _check_kinds(case: Case) -> None:
    for node in case.nodes:
        for part, name in _edges(node):
            allowed = {"by": _MAY_REST_ON.get(node.kind, ()), "context": ("context",), "doubts": ("doubt",)}[part]
            kind = case.by_id[name].kind
            if kind not in allowed:
                raise GnomonError(
                    f"node {node.id!r} has the {kind} {name!r} where only {' or '.join(allowed)} may stand",
                    mend="mend the id",
                )
    if case.top not in case.by_id or case.by_id[case.top].kind != "claim":
        raise GnomonError(f"the top of the case, {case.top!r}, is no claim of it", mend="name a claim")


def _check_acyclic(case: Case) -> None:
    done: set[str] = set()

    def follow(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise GnomonError(f"the argument goes in a circle at {name!r}", mend="mend what it rests on")
        if name not in done:
            for part, below in _edges(case.by_id[name]):
                if part == "by":
                    follow(below, (*above, name))
            done.add(name)

    for node in case.nodes:
        follow(node.id, ())


def _check_reached(case: Case) -> None:
    reached: set[str] = set()
    waiting = [case.top]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [below for _, below in _edges(case.by_id[name])]
    lost = [node.id for node in case.nodes if node.id not in reached]
    if lost:
        raise GnomonError(f"node {lost[0]!r} belongs to no claim of the case", mend="leave it out or link it")
