"""`gnomon policies`: the policies that gnomon ships, and each as a file to be changed."""

from __future__ import annotations

from typing import Annotated

import typer

from gnomon.cli.options import AsJson, print_json
from gnomon.errors import UnknownNameError


def policies(
    name: Annotated[str | None, typer.Argument(help="Print this one as TOML.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the policies that gnomon ships, or print the one called NAME as the TOML document that it is."""
    from gnomon.assurance.policy import read_policy, shipped
    from gnomon.cli.tables import print_table

    known = shipped()
    if name is not None and name not in known:
        raise UnknownNameError("policy", name, known)
    if name is not None and not as_json:
        typer.echo(known[name].read_text(encoding="utf-8"), nl=False)
        return 0
    found = {one: read_policy(one) for one in ([name] if name else known)}
    if as_json:
        print_json({one: policy.model_dump(mode="json") for one, policy in found.items()})
        return 0
    rows = [(one, str(len(policy.thresholds)), policy.title, policy.version) for one, policy in found.items()]
    print_table("policies", ("name", "thresholds", "title", "version"), rows)
    return 0
