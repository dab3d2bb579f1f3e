"""`gnomon case show`: the argument of a case as a tree."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from gnomon.assurance.case import Case

CasePath = Annotated[Path, typer.Argument(help="Folder that gnomon assure --out wrote, or its case.json.")]
_SIGNS = {"supported": "✓", "refuted": "✗", "undeveloped": "◇"}


def show(case: CasePath, as_json: AsJson = False) -> int:
    """Print the claims of a CASE with what each rests on: ✓ supported, ✗ refuted, ◇ undeveloped.

    Exits with 0 within policy, 1 crossed, 3 insufficient.
    """
    from gnomon.assurance.case import load
    from gnomon.assurance.policy import EXIT_CODES

    found = load(case)
    if as_json:
        print_json({**found.to_json(), "states": dict(found.states)})
    else:
        typer.echo(found.decision["sentence"])
        for line in tree(found, found.top):
            typer.echo(line)
    return EXIT_CODES[found.decision["verdict"]]


def tree(case: Case, name: str, depth: int = 0) -> Iterator[str]:
    """The lines of ``name`` and of all below it."""
    from gnomon.assurance.case import Argument, Claim, Doubt, Evidence

    node = case.by_id[name]
    pad = "  " * depth
    if isinstance(node, Evidence):
        ends = "not measured" if node.ends is None else f"[{node.ends[0]:.4g}, {node.ends[1]:.4g}]"
        yield f"{pad}{_SIGNS[node.state]} {node.text.rstrip('.')}: {ends}, line {node.criterion.line:g}"
        if node.command:
            yield f"{pad}    {shlex.join(node.command)}"
        return
    yield f"{pad}{_SIGNS[case.states[name]]} {node.text}"
    if isinstance(node, Claim):
        for doubt in (case.by_id[one] for one in node.doubts):
            if isinstance(doubt, Doubt):
                yield f"{pad}    ? {doubt.text}{f' {doubt.settled_by} would do.' if doubt.settled_by else ''}"
    if isinstance(node, (Claim, Argument)):
        for part in node.by:
            yield from tree(case, part, depth + 1)
