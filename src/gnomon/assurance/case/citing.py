"""Citing an explanation in a case: only one that is faithful and stable can be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from gnomon.assurance.asking import Question, ask
from gnomon.assurance.case.node import AnyNode, Claim, Criterion, Evidence
from gnomon.assurance.deployment import Deployment
from gnomon.assurance.explanations import Criteria, citable
from gnomon.assurance.explanations.quantities import COMPLETENESS, FAITHFULNESS, STABILITY
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng


def cite(
    directory: Path | str,
    deployment: Deployment,
    rng: Rng,
    *,
    command: Callable[[Question, float], tuple[str, ...]],
    criteria: Criteria | None = None,
    level: float = 0.95,
) -> tuple[AnyNode, ...]:
    """The nodes that cite the explanation in ``directory``: that it may be relied on, with what shows it.

    Parameters
    ----------
    directory : what ``gnomon directions`` wrote; of a dictionary nobody says here which latents.
    criteria : what it has to show.
    level : of the intervals.

    Raises GnomonError, naming what is wanting, for an explanation that a case must not cite.
    """
    asked = criteria or Criteria()
    question = Question.of("explanation", {"directory": str(directory)})
    answer = ask(question, deployment, rng, level=level)
    if answer.reason:
        raise GnomonError(
            f"the explanation {directory} cannot be cited: {answer.reason}", mend="mend it or leave it out"
        )
    try:
        citable(answer.measurements, asked)
    except GnomonError as error:
        raise GnomonError(f"the explanation {directory} cannot be cited: {error.cause}", mend=error.mend) from None
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "-", Path(directory).name).strip("-.") or "explanation"
    chance = max(
        (float(m.uncertainty.high) for m in answer.measurements if _is_random(m) and m.uncertainty.high is not None),
        default=-math.inf,
    )
    leaves: list[Evidence] = []
    for m in answer.measurements:
        limit = _limit(m, asked, chance)
        if limit is not None:
            leaves.append(
                Evidence(
                    id=f"explanation:{name}/e{len(leaves) + 1}",
                    text=f"{m.quantity.replace('_', ' ')} of the explanation, measured by explanation.",
                    measurement=m.to_json(),
                    criterion=Criterion(worse="below", limit=limit, level=level),
                    command=command(question, level),
                )
            )
    top = Claim(
        id=f"explanation:{name}",
        text=f"The explanation {name} is faithful and stable, and may be relied on.",
        by=tuple(one.id for one in leaves),
    )
    return (top, *leaves)


def _is_random(m: Measurement) -> bool:
    return m.quantity == FAITHFULNESS.name and m.labels.get("arm") == "random"


def _limit(m: Measurement, asked: Criteria, chance: float) -> float | None:
    """What the low end of ``m`` has to exceed; ``None`` where nothing is asked of it."""
    if m.quantity == FAITHFULNESS.name and not _is_random(m):
        return max(chance, asked.faithful)
    # a criterion is met strictly above its limit, and these are met at it
    if m.quantity == STABILITY.name:
        return math.nextafter(asked.stable, -math.inf)
    if m.quantity == COMPLETENESS.name and asked.complete is not None:
        return math.nextafter(asked.complete, -math.inf)
    return None
