"""What `gnomon assure --out` writes: the case, its page, and forecasts from earlier cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance import Deployment
    from gnomon.assurance.asking import Question
    from gnomon.assurance.case import Case
    from gnomon.assurance.policy import Decision
    from gnomon.cli.deployment_options import Deployed


def case_of(
    decision: Decision,
    deployment: Deployment,
    given: Deployed,
    *,
    seed: int,
    now: datetime,
    earlier: Sequence[Path] = (),
    explanations: Sequence[str] = (),
) -> tuple[Case, Decision]:
    """The case for ``decision``, and the decision with its next test no later than forecasts say.

    Forecasts are made from earlier cases and this one. Raises GnomonError for an explanation that must not be cited, or
    an earlier file that is no case.
    """
    from gnomon.assurance.case import build, load
    from gnomon.assurance.case.citing import cite
    from gnomon.assurance.forecast.of_cases import advanced, forecasts
    from gnomon.randomness import Rng

    def command(question: Question, level: float) -> tuple[str, ...]:
        return given.command(question, level=level, seed=seed)

    cited = [node for one in explanations for node in cite(one, deployment, Rng(seed), command=command)]
    case = build(decision, deployment, command=command, made=now, cited=cited)
    if earlier:
        found = forecasts([*map(load, earlier), case])
        decision = advanced(decision, found)
        told = tuple(one.to_json() for one in found)
        case = build(decision, deployment, command=command, made=now, cited=cited, forecasts=told)
    return case, decision


def write(case: Case, out: Path) -> Path:
    """Write ``case.json`` and the page into ``out``; the path of the page."""
    from gnomon.assurance.case import save
    from gnomon.report.assurance import write_page

    if out.exists() and not out.is_dir():
        raise GnomonError(f"--out {out} is a file", mend="give a folder")
    save(case, out)
    return write_page(case, out)
