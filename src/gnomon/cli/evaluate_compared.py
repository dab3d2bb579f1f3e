"""The table of `gnomon evaluate --compare`: every reading bare and deployed, and what the controller changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.assurance import Deployment, Evaluation
    from gnomon.assurance.asking import Question
    from gnomon.assurance.fairness import Compared
    from gnomon.measurement import Measurement
    from gnomon.randomness import Rng


def asked_by(questions: Sequence[Question]) -> list[Evaluation]:
    """The evaluations of the questions, with their options."""
    from gnomon.assurance import evaluation

    return [evaluation(one.evaluation).model_validate(one.spec["options"]) for one in questions]


def left_out(evaluations: Sequence[Evaluation], deployment: Deployment) -> dict[str, str]:
    """Which of them cannot be compared, and why."""
    from gnomon.assurance.fairness import Comparable

    reasons = {
        one.name: one.inapplicable(deployment) if isinstance(one, Comparable) else "its readings are no means of rows"
        for one in evaluations
    }
    return {name: why for name, why in reasons.items() if why}


def compared_by(evaluations: Sequence[Evaluation], deployment: Deployment, rng: Rng, level: float) -> list[Compared]:
    """The comparisons of those evaluations that apply and whose readings are means of rows.

    Raises GnomonError without a controller, or where there is no such evaluation.
    """
    from gnomon.assurance.fairness import Comparable, compare
    from gnomon.errors import GnomonError

    lacking = left_out(evaluations, deployment)
    able = [one for one in evaluations if isinstance(one, Comparable) and one.name not in lacking]
    if not able:
        told = "; ".join(f"{name}: {why}" for name, why in lacking.items())
        raise GnomonError(f"nothing is compared row by row ({told})", mend="leave --compare out, or give materials")
    return [row for one in able for row in compare(one, deployment, rng.child(one.name), level=level)]


def cost(deployment: Deployment, level: float) -> list[Measurement]:
    """What the controller costs on neutral text, where there is some."""
    from gnomon.assurance.fairness import neutral_cost

    return [neutral_cost(deployment, level=level)] if deployment.has("neutral") else []


def print_compared(
    found: Sequence[Compared], costs: Sequence[Measurement], lacking: Mapping[str, str] | None = None
) -> None:
    """Print the table, and what is not in it."""
    from gnomon.cli.tables import print_table

    rows = [
        (
            one.bare.quantity,
            " · ".join(one.bare.labels.values()),
            *(_text(m) for m in (one.bare, one.deployed, one.change)),
            "" if str(one.bare.unit) == "1" else str(one.bare.unit),
        )
        for one in found
    ]
    rows += [(m.quantity, "neutral", "0", _text(m), _text(m), "") for m in costs]
    print_table(
        "with and without the controller", ("quantity", "at", "bare", "deployed", "paired change", "unit"), rows
    )
    if lacking:
        print_table("not compared", ("evaluation", "why"), list(lacking.items()))


def told(
    found: Sequence[Compared], costs: Sequence[Measurement], lacking: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "compared": [
            {"bare": one.bare.to_json(), "deployed": one.deployed.to_json(), "change": one.change.to_json()}
            for one in found
        ],
        "cost": [m.to_json() for m in costs],
        "left_out": dict(lacking or {}),
    }


def _text(measurement: Measurement) -> str:
    from gnomon.report.numbers import read

    return str(read(measurement)) if measurement.status == "ok" else measurement.status
