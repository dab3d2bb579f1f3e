"""A case as a Hugging Face model card: ``README.md`` with metadata that the hub reads, and the case in words.

Results stand under ``model-index``, one for each piece of evidence with a value; what was not shown has none, and is
named in the text.

Sources: the hub's specification, https://github.com/huggingface/hub-docs/blob/main/modelcard.md; Mitchell et al.,
arXiv:1810.03993 (what a card says).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from gnomon.assurance.case.case import Case
from gnomon.assurance.case.node import Claim, Context, Doubt, Evidence

_SAYS = {
    "within": "is within the policy",
    "crossed": "is **not** within the policy: a threshold is crossed without a working safeguard",
    "insufficient": "is **not** shown to be within the policy: the evidence does not suffice",
}


def model_card(case: Case) -> str:
    """The card: YAML metadata between lines of ``---``, and Markdown below."""
    metadata = {
        "tags": ["gnomon", "assurance"],
        "model-index": [{"name": case.subject.name, "results": list(_results(case))}],
    }
    # JSON strings and numbers are YAML; the layout is YAML's own
    return f"---\n{_yaml(metadata)}---\n\n" + "\n".join(_body(case))


def _results(case: Case) -> Iterator[dict[str, Any]]:
    """One result for each measurement that has a value, however many claims cite it."""
    told = set()
    for one in case.evidence():
        m = one.measured
        key = (one.command, m.quantity, m.site, tuple(sorted(m.labels.items())))
        if m.value is None or key in told:
            continue
        told.add(key)
        read = [name.removeprefix("material:") for name in one.context]
        yield {
            "task": {"type": "text-generation" if case.subject.facts.get("language") else "other"},
            "dataset": {"name": ", ".join(read) or "none", "type": read[0] if read else "none"},
            "metrics": [
                {
                    "type": m.quantity,
                    "name": _title(one),
                    "value": m.value,
                    "args": {
                        "low": _end(m.uncertainty.low),
                        "high": _end(m.uncertainty.high),
                        "level": m.uncertainty.level,
                    },
                }
            ],
        }


def _body(case: Case) -> Iterator[str]:
    decision, policy = case.decision, case.policy.facts["policy"]
    yield f"# {_plain(case.subject.name)}"
    yield ""
    yield (
        f"{_plain(case.subject.name)} {_SAYS[decision['verdict']]} *{_plain(policy['title'])}* "
        f"({_plain(policy['version'])}), level {decision['level']}, at {100 * policy['confidence']:g} % confidence."
    )
    yield ""
    yield "## Evaluation"
    yield ""
    yield "| threshold | measured | limit | buffer | verdict | why |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in decision["rows"]:
        limit = "" if row["limit"] is None else f"{'below' if row['worse'] == 'above' else 'above'} {row['limit']:g}"
        buffer = "" if row["buffer"] is None else f"{row['buffer']:g}"
        cells = (
            row["title"] or row["threshold"],
            _interval(row["measured"]),
            limit,
            buffer,
            row["verdict"],
            row["reason"],
        )
        yield f"| {' | '.join(map(_plain, cells))} |"
    yield ""
    open_claims = [node for node in case.claims() if case.states[node.id] != "supported" and not _above(case, node)]
    if open_claims:
        yield "## Not shown"
        yield ""
        for claim in open_claims:
            doubts = [node for name in claim.doubts if isinstance(node := case.by_id[name], Doubt)]
            why = " ".join(
                f"{doubt.text}{f' {doubt.settled_by} would do.' if doubt.settled_by else ''}" for doubt in doubts
            )
            yield f"- {_plain(claim.text)} ({case.states[claim.id]}) {_plain(why)}".rstrip()
        yield ""
    yield "## Limits of this case"
    yield ""
    for node in case.nodes:
        if isinstance(node, Context) and node.assumed:
            yield f"- Assumed, and shown by nothing here: {_plain(node.text)}"
    yield ""
    yield "## How to measure it again"
    yield ""
    yield "```sh"
    yield from dict.fromkeys(shlex.join(one.command) for one in case.evidence() if one.command)
    yield "```"
    yield ""
    yield f"Weights `{case.subject.sha256}`, policy `{case.policy.sha256}`, made with gnomon "
    yield f"{case.software.get('gnomon')} at {case.made}."
    yield ""


def _above(case: Case, claim: Claim) -> bool:
    """Whether a claim rests on other claims only: the ones below say what is wanting."""
    return bool(claim.by) and all(case.by_id[name].kind == "argument" for name in claim.by)


def _title(one: Evidence) -> str:
    m = one.measured
    labels = ", ".join(f"{name} {text}" for name, text in m.labels.items())
    return m.quantity.replace("_", " ") + (f" ({labels})" if labels else "")


def _end(value: Any) -> float | None:
    return None if value is None else float(value)


def _interval(measured: dict[str, Any]) -> str:
    value, low, high = (measured[key] for key in ("value", "low", "high"))
    if not isinstance(value, (int, float)):
        return "not measured"
    ends = "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"
    return f"{_number(value)}{ends}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def _plain(text: Any) -> str:
    """``text`` on one line, without what Markdown or HTML would read as its own."""
    one = " ".join(str(text).split())
    for sign in "\\`*_[]<>|":
        one = one.replace(sign, f"\\{sign}")
    return one


def _yaml(value: Any, depth: int = 0) -> str:
    """Mappings and lists in YAML's layout, all else as JSON; a text is quoted, so that none is taken for a number."""
    pad = "  " * depth
    if isinstance(value, dict):
        return "".join(
            f"{pad}{key}:\n{_yaml(inner, depth + 1)}"
            if isinstance(inner, (dict, list)) and inner
            else f"{pad}{key}: {json.dumps(inner, ensure_ascii=True)}\n"
            for key, inner in value.items()
        )
    return "".join(
        f"{pad}- {_yaml(inner, depth + 1).lstrip()}" if isinstance(inner, dict) else f"{pad}- {json.dumps(inner)}\n"
        for inner in value
    )
