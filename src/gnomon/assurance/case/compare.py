"""Two cases side by side: what changed, and which claims it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gnomon.assurance.case.case import Case, combined
from gnomon.assurance.case.node import Claim, Context, Evidence, State
from gnomon.measurement import Measurement
from gnomon.measurement.arithmetic import subtract
from gnomon.statistics import paired_difference

Dependence = Literal["paired", "independent", "any"]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One measurement, before and after.

    Parameters
    ----------
    id : of the evidence.
    before, after : the measurements.
    low, high : interval of after less before; ``None`` where none is known.
    dependence : what it supposes: ``paired``, by the items that both were measured on; ``independent``, where they
        share neither data nor seed; or ``any``, the ends being those of both intervals together, which holds however
        they depend on each other, at twice the error.
    """

    id: str
    before: Measurement
    after: Measurement
    low: float | None
    high: float | None
    dependence: Dependence

    @property
    def shifted(self) -> bool:
        """Whether the difference's interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "evidence": self.id,
            "before": self.before.value,
            "after": self.after.value,
            "difference": {"low": _finite(self.low), "high": _finite(self.high), "supposes": self.dependence},
            "shifted": self.shifted,
        }


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A claim that is in another state than before.

    Parameters
    ----------
    before, after : its states; ``None`` where a case does not make it. Where the line has moved, after is the worse of
        its states at either line: a claim at a looser line is not the one that was made.
    because : ids of the evidence below it that shows something else than before.
    """

    claim: Claim
    before: State | None
    after: State | None
    because: tuple[str, ...]

    @property
    def breaks(self) -> bool:
        """Whether the claim was supported and no longer is: refuted, not shown, or not made at all."""
        return self.before == "supported" and self.after != "supported"

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "claim": self.claim.id,
            "text": self.claim.text,
            "before": self.before,
            "after": self.after,
            "breaks": self.breaks,
            "because": list(self.because),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changed between two cases.

    Parameters
    ----------
    changes : what the cases are about that is not the same: name, before, after.
    shifts : every measurement that both cite.
    turns : every claim in another state.
    """

    before: Case
    after: Case
    changes: tuple[tuple[str, str, str], ...]
    shifts: tuple[Shift, ...]
    turns: tuple[Turn, ...]

    @property
    def broken(self) -> tuple[Turn, ...]:
        """Claims that no longer hold."""
        return tuple(turn for turn in self.turns if turn.breaks)

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "verdict": {"before": self.before.decision["verdict"], "after": self.after.decision["verdict"]},
            "changes": [dict(zip(("what", "before", "after"), one, strict=True)) for one in self.changes],
            "measurements": [one.to_json() for one in self.shifts],
            "claims": [one.to_json() for one in self.turns],
            "broken": [one.claim.id for one in self.broken],
        }


def compare(before: Case, after: Case) -> Comparison:
    """What changed from ``before`` to ``after``, and which claims it breaks. Claims and evidence meet by their ids."""
    return Comparison(
        before=before,
        after=after,
        changes=tuple(_changes(before, after)),
        shifts=tuple(_shifts(before, after)),
        turns=tuple(_turns(before, after)),
    )


def _changes(before: Case, after: Case) -> Iterator[tuple[str, str, str]]:
    for what, old, new in (
        ("subject", before.subject.name, after.subject.name),
        ("weights", before.subject.sha256, after.subject.sha256),
        ("safeguards", _hash(before, "safeguards"), _hash(after, "safeguards")),
        ("policy", before.policy.sha256, after.policy.sha256),
        ("gnomon", before.software.get("gnomon", ""), after.software.get("gnomon", "")),
        ("source of gnomon", before.software.get("code_version", ""), after.software.get("code_version", "")),
        ("packages", _packages(before), _packages(after)),
        ("level", str(before.decision.get("level")), str(after.decision.get("level"))),
        ("verdict", before.decision["verdict"], after.decision["verdict"]),
    ):
        if old != new:
            yield what, old, new
    lines = {one.id: _line(one) for one in before.evidence()}
    for leaf in after.evidence():
        if lines.get(leaf.id, _line(leaf)) != _line(leaf):
            yield f"line of {leaf.id}", lines[leaf.id], _line(leaf)
    old_files, new_files = ({one.name: one.sha256 for one in case.materials} for case in (before, after))
    for name in sorted(old_files.keys() | new_files.keys()):
        if old_files.get(name) != new_files.get(name):
            yield f"material {name}", old_files.get(name, "none"), new_files.get(name, "none")


def _line(leaf: Evidence) -> str:
    asked = leaf.criterion
    return f"{'below' if asked.worse == 'above' else 'above'} {asked.line:g}"


def _hash(case: Case, name: str) -> str:
    node = case.by_id.get(name)
    return node.sha256 if isinstance(node, Context) else ""


def _packages(case: Case) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(case.software.get("packages", {}).items()))


def _shifts(before: Case, after: Case) -> Iterator[Shift]:
    olds = {one.id: one for one in before.evidence()}
    for new in after.evidence():
        old = olds.get(new.id)
        if old is not None and _alike(old.measured, new.measured):
            low, high, dependence = difference(old.measured, new.measured)
            yield Shift(id=new.id, before=old.measured, after=new.measured, low=low, high=high, dependence=dependence)


def _alike(a: Measurement, b: Measurement) -> bool:
    return (a.quantity, a.unit, a.site, dict(a.labels)) == (b.quantity, b.unit, b.site, dict(b.labels))


def difference(before: Measurement, after: Measurement) -> tuple[float | None, float | None, Dependence]:
    """The interval of ``after - before``, and what it supposes of how they depend on each other; see `Shift`."""
    if before.uncertainty.low is None or after.uncertainty.low is None:
        return None, None, "any"
    first, second = (m.diagnostics.get("items") or {} for m in (before, after))
    level = before.uncertainty.level
    if first and first.keys() == second.keys() and level is not None:
        keys = sorted(first)
        clusters = before.diagnostics.get("clusters")
        found = paired_difference(
            np.array([first[key] for key in keys]),
            np.array([second[key] for key in keys]),
            None if not clusters else np.array([clusters[key] for key in keys]),
            level=level,
        )[1]
        return _ends(found.low), _ends(found.high), "paired"
    origins = before.provenance, after.provenance
    if (
        origins[0] is not None
        and origins[1] is not None
        and not origins[0].shares_with(origins[1])
        and level == after.uncertainty.level
    ):
        u = subtract(after, before).uncertainty
        return _ends(u.low), _ends(u.high), "independent"
    low = float(after.uncertainty.low) - float(before.uncertainty.high or 0.0)
    high = float(after.uncertainty.high or 0.0) - float(before.uncertainty.low)
    return low, high, "any"


def _ends(value: Any) -> float | None:
    return None if value is None else float(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _turns(before: Case, after: Case) -> Iterator[Turn]:
    names = list(dict.fromkeys([one.id for case in (after, before) for one in case.claims()]))
    held = _at_lines_of(before, after)
    for name in names:
        old = before.states.get(name)
        new = combined([after.states[name], held[name]], "all") if name in after.states else None
        if old != new:
            node = after.by_id.get(name) or before.by_id[name]
            if isinstance(node, Claim):
                yield Turn(claim=node, before=old, after=new, because=tuple(_because(before, after, name)))


def _at_lines_of(before: Case, after: Case) -> Mapping[str, State]:
    """The states of ``after`` with each of its measurements held against the line of ``before``."""
    olds = {one.id: one.criterion for one in before.evidence()}
    nodes = tuple(
        one.model_copy(update={"criterion": olds.get(one.id, one.criterion)}) if isinstance(one, Evidence) else one
        for one in after.nodes
    )
    # unchecked: its verdict is that of its own lines
    return Case.model_construct(**{**dict(after), "nodes": nodes}).states


def _because(before: Case, after: Case, name: str) -> Iterator[str]:
    """Evidence below ``name`` in either case that shows another thing, or is in one of them only."""
    below = dict.fromkeys([leaf for case in (after, before) for leaf in _leaves(case, name)])
    for leaf in below:
        if before.states.get(leaf) != after.states.get(leaf):
            yield leaf


def _leaves(case: Case, name: str) -> Iterator[str]:
    node = case.by_id.get(name)
    parts = getattr(node, "by", None)
    if isinstance(node, Evidence) or (node is not None and parts is None):
        yield name
    for part in parts or ():
        yield from _leaves(case, part)
