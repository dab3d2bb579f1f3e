"""`gnomon assure`: is a network within a policy?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.deployment_options import Compute, Deployed, Materials, Safeguards
from gnomon.cli.options import AsJson, Device, Seed, StorePath, SubjectPath, print_json, split
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance.policy import Decision, Judged, Occasion, Row


def assure(
    subject: SubjectPath,
    policy: Annotated[str, typer.Option("--policy", help="TOML file, or the name of a policy that gnomon ships.")],
    safeguards: Safeguards = None,
    materials: Materials = None,
    compute: Compute = None,
    earlier: Annotated[
        list[Path] | None, typer.Option("--earlier", help="Case of an earlier test under this policy; repeat.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Thresholds to measure; repeat or a,b.")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Measure SUBJECT against a policy and decide whether it may go on.

    A threshold is passed when the bound of its interval clears limit and buffer, or every safeguard that it requires
    is shown to work. Exits with 0 within policy, 1 when a threshold is crossed without its safeguard, and 3 when the
    evidence does not suffice.
    """
    from gnomon.assurance.policy import assure as assured
    from gnomon.assurance.policy import read_policy
    from gnomon.cli.progress import progress_bar
    from gnomon.lab.store import Store, recording
    from gnomon.randomness import Rng

    document = read_policy(policy)
    before = [_occasion(path) for path in earlier or []]
    given = Deployed(
        subject=subject, safeguards=safeguards or (), materials=materials or (), compute=compute, device=device
    )
    deployment = given.open()
    spec = {"policy": document.model_dump(mode="json"), "seed": seed, "only": split(only)}
    with (
        Store.open(store) as kept,
        recording(kept, "assure", subject=deployment.subject.name, spec=spec) as sink,
        progress_bar("assuring") as progress,
    ):
        decision = assured(
            document,
            deployment,
            Rng(seed),
            now=datetime.now(UTC),
            earlier=before,
            only=split(only),
            heard=lambda answer: sink.add(answer.measurements),
            progress=progress,
        )
    if as_json:
        print_json(decision.to_json())
    else:
        _print(decision)
    return decision.exit_code


def _occasion(path: Path) -> Occasion:
    """The test of an earlier case: its folder, its JSON, or what ``--json`` printed. Raises GnomonError for others."""
    from gnomon.assurance.policy import Occasion

    file = path / "case.json" if path.is_dir() else path
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GnomonError(f"--earlier: no file {str(file)!r}", mend="give what gnomon assure wrote") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GnomonError(f"--earlier {file} is not JSON: {error}", mend="give what gnomon assure wrote") from None
    document = found.get("decision", found) if isinstance(found, dict) else None
    if not isinstance(document, dict) or not isinstance(document.get("test"), dict):
        raise GnomonError(f"--earlier {file} tells no test", mend="give what gnomon assure wrote")
    return Occasion.from_json(document["test"])


def _print(decision: Decision) -> None:
    from gnomon.cli.tables import print_table

    columns = ("threshold", "level", "measured", "limit", "verdict", "safeguard", "why")
    title = f"{decision.policy.title}, version {decision.policy.version} · {decision.subject}"
    print_table(title, columns, [_cells(row) for row in decision.rows])
    typer.echo(decision.sentence)
    level = decision.level
    typer.echo(f"level: {level.number}{f', {level.title}' if level.title else ''}, the highest that is not ruled out")
    typer.echo(_next(decision))


def _cells(row: Row) -> tuple[str, ...]:
    measured = "–" if row.measured is None else _interval(row.measured)
    limit = "–" if row.measured is None else _limit(row.measured)
    proofs = "\n".join(f"{one.limit.id}: {_STATES[one.state]} {_interval(one)}".rstrip(" –") for one in row.safeguards)
    return row.id, str(row.level), measured, limit, row.verdict, proofs or "–", row.reason


_STATES = {"clears": "proven", "fails": "fails", "open": "open"}


def _interval(one: Judged) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:.4g} [{one.low:.4g}, {one.high:.4g}]"


def _limit(one: Judged) -> str:
    sense = "<" if one.limit.worse == "above" else ">"
    sign = "−" if one.limit.worse == "above" else "+"
    return f"{sense} {one.limit.limit:g}" + (f" {sign} {one.limit.buffer:g}" if one.limit.buffer else "")


def _next(decision: Decision) -> str:
    due, parts = decision.next_test, []
    if due.day is not None:
        parts.append(f"by {due.day.isoformat()}")
    if due.compute is not None:
        parts.append(f"at {due.compute:.3g} FLOP of effective compute")
    if due.changes:
        parts.append(f"when {_or(list(due.changes))} change")
    line = f"next test: {_or(parts)}, whichever is first" if len(parts) > 1 else f"next test: {_or(parts) or 'never'}"
    return line + "".join(f"\nthis test was overdue: {reason}" for reason in due.overdue)


def _or(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" or " if len(parts) > 1 else "") + parts[-1] if parts else ""
