"""Whether the document of a decision and the policy in a case say what its argument does.

Pages, cards and CI read the document's rows, and people the policy: an edit of either must not stand beside evidence
that says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gnomon.assurance.case.node import Evidence, State
from gnomon.assurance.policy.policy import Limit, Policy
from gnomon.errors import GnomonError
from gnomon.measurement.provenance import hash_json
from gnomon.measurement.value import encode_value

if TYPE_CHECKING:
    from gnomon.assurance.case.case import Case

VERDICTS: Mapping[State, str] = {"supported": "within", "refuted": "crossed", "undeveloped": "insufficient"}
_ROUNDING = 1e-9  # of levels, which are one minus twice a share
_MEND = "decide anew with gnomon assure"


def check_agreement(case: Case) -> None:
    """Raise GnomonError where a verdict, a row, a line or a number shown is not that of the argument or the policy."""
    gives = VERDICTS[case.states[case.top]]
    if case.decision.get("verdict") != gives:
        raise GnomonError(
            f"the case says {case.decision.get('verdict')!r}, and its evidence gives {gives!r}", mend=_MEND
        )
    policy = _policy(case)
    rows = case.decision.get("rows")
    try:
        told = {row["threshold"]: row for row in rows or ()}
        _check_rows(case, policy, told)
        for leaf in case.evidence():
            if leaf.id.startswith("row:"):
                _check_line(leaf, policy)
        for name, row in told.items():
            _check_shown(case, name, row)
    except (KeyError, TypeError, AttributeError) as error:
        raise GnomonError(
            f"the decision of the case cannot be read ({type(error).__name__}: {error})", mend=_MEND
        ) from None


def _policy(case: Case) -> Policy:
    document = case.policy.facts.get("policy")
    # of the document, not of what is read from it: a later version may know more fields
    if hash_json(document) != case.policy.sha256:
        raise GnomonError("the policy in the case is not the one whose hash it states", mend=_MEND)
    return Policy.model_validate(document)


def _check_rows(case: Case, policy: Policy, told: Mapping[str, Mapping[str, Any]]) -> None:
    over = case.by_id.get("thresholds")
    argued = [name.removeprefix("row:") for name in getattr(over, "by", ())]
    if "thresholds" not in getattr(case.by_id[case.top], "by", ()) or getattr(over, "rule", "") != "all":
        raise GnomonError("the top of the case does not rest on all thresholds", mend=_MEND)
    missing = [one.id for one in policy.thresholds if one.id not in argued or one.id not in told]
    if missing or sorted(argued) != sorted(told):
        names = ", ".join(missing) or ", ".join(sorted(set(argued) ^ set(told)))
        raise GnomonError(f"the case and its policy have other rows: {names}", mend=_MEND)
    for name, row in told.items():
        gives = VERDICTS[case.states[f"row:{name}"]]
        if row["verdict"] != gives:
            raise GnomonError(f"row {name!r} says {row['verdict']!r}, and its evidence gives {gives!r}", mend=_MEND)


def _check_line(leaf: Evidence, policy: Policy) -> None:
    limit, asked, m = _limit(leaf, policy), leaf.criterion, leaf.measured
    if (asked.worse, asked.limit, asked.buffer) != (limit.worse, limit.limit, limit.buffer):
        raise GnomonError(f"evidence {leaf.id!r} is held against another line than the policy's", mend=_MEND)
    if asked.level < 2 * policy.confidence - 1 - _ROUNDING:
        raise GnomonError(f"evidence {leaf.id!r} is held at a lower level than the policy's", mend=_MEND)
    if (limit.quantity and m.quantity != limit.quantity) or not limit.labels.items() <= m.labels.items():
        raise GnomonError(f"evidence {leaf.id!r} is no measurement that the policy asks for", mend=_MEND)


def _limit(leaf: Evidence, policy: Policy) -> Limit:
    limits: dict[str, Limit] = {one.id: one for one in (*policy.thresholds, *policy.safeguards)}
    row, *rest = leaf.id.removeprefix("row:").split("/")[:-1]
    return limits[row if not rest or (rest == ["below"] and row in limits) else rest[-1]]


def _check_shown(case: Case, name: str, row: Mapping[str, Any]) -> None:
    """Every number that a row shows is that of a leaf below it."""
    leaves = [leaf for leaf in case.evidence() if leaf.id.startswith(f"row:{name}/")]
    known = {numbers for leaf in leaves for numbers in _numbers(leaf)}
    for part in (row, *row["safeguards"]):
        shown = part["measured"]
        if shown["value"] is not None and (shown["value"], shown["low"], shown["high"]) not in known:
            raise GnomonError(f"row {name!r} shows numbers that none of its evidence has", mend=_MEND)


def _numbers(leaf: Evidence) -> Iterator[tuple[Any, Any, Any]]:
    low, high = leaf.ends or (None, None)
    yield encode_value(leaf.measured.value), encode_value(low), encode_value(high)
