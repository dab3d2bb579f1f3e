"""What `gnomon assure --out` writes: the case, its page, and forecasts from earlier cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance import Deployment
    from gnomon.assurance.asking import Question
    from gnomon.assurance.case import AnyNode, Case
    from gnomon.assurance.policy import Decision, Policy
    from gnomon.cli.deployment_options import Deployed


def check_out(out: Path | None) -> None:
    """Raise GnomonError, before anything is measured, where no case can be written."""
    if out is not None and out.exists() and not out.is_dir():
        raise GnomonError(f"--out {out} is a file", mend="give a folder")


def check_earlier(policy: Policy, earlier: Sequence[Case]) -> None:
    """Raise GnomonError for a case under another policy, or under one that shared its α out otherwise."""
    now = {"name": policy.name, "confidence": policy.confidence, "tests": policy.tests}
    for case in earlier:
        for field, value in now.items():
            then = case.decision["policy"].get(field)
            if then != value:
                raise GnomonError(
                    f"an earlier case of {case.subject.name} was tested under {field} = {then!r}, and this policy has"
                    f" {value!r}",
                    mend="give cases under this policy: what other tests have spent of α does not add up with it",
                )


def cited_nodes(
    explanations: Sequence[Path], deployment: Deployment, given: Deployed, *, seed: int
) -> tuple[AnyNode, ...]:
    """The nodes that cite ``explanations``. Raises GnomonError for one that must not be cited."""
    from gnomon.assurance.case.citing import cite
    from gnomon.randomness import Rng

    command = _command(given, seed)
    return tuple(node for one in explanations for node in cite(one, deployment, Rng(seed), command=command))


def case_of(
    decision: Decision,
    deployment: Deployment,
    given: Deployed,
    *,
    seed: int,
    now: datetime,
    earlier: Sequence[Case] = (),
    cited: Sequence[AnyNode] = (),
) -> tuple[Case, Decision]:
    """The case for ``decision``, and the decision with its next test no later than forecasts say.

    Forecasts are made from ``earlier`` cases and this one.
    """
    from gnomon.assurance.case import build
    from gnomon.assurance.forecast.of_cases import advanced, forecasts

    command = _command(given, seed)
    case = build(decision, deployment, command=command, made=now, cited=cited)
    if earlier:
        found = forecasts([*earlier, case])
        decision = advanced(decision, found)
        told = tuple(one.to_json() for one in found)
        case = build(decision, deployment, command=command, made=now, cited=cited, forecasts=told)
    return case, decision


def _command(given: Deployed, seed: int) -> Callable[[Question, float], tuple[str, ...]]:
    def command(question: Question, level: float) -> tuple[str, ...]:
        return given.command(question, level=level, seed=seed)

    return command


def write(case: Case, out: Path) -> Path:
    """Write ``case.json`` and the page into ``out``; the path of the page."""
    from gnomon.assurance.case import save
    from gnomon.report.assurance import write_page

    save(case, out)
    return write_page(case, out)
