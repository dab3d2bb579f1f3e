"""Putting an evaluation to a deployment: what it answers, or why it does not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import evaluation
from gnomon.assurance.safeguards import safeguards_hash
from gnomon.errors import GnomonError
from gnomon.measurement import Cost, Measurement
from gnomon.measurement.provenance import record
from gnomon.randomness import Rng


@dataclass(frozen=True)
class Question:
    """An evaluation with its options, put to the bare network or to the deployment as it is used."""

    evaluation: str
    options: str
    bare: bool = False

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any], *, bare: bool = False) -> Question:
        """The question with all its options, those left out at their defaults, so that equal questions are equal."""
        full = evaluation(name).model_validate(dict(options)).model_dump(mode="json")
        return cls(name, json.dumps(full, sort_keys=True), bare)

    @property
    def spec(self) -> dict[str, Any]:
        """As JSON."""
        return {"evaluation": self.evaluation, "options": json.loads(self.options), "bare": self.bare}

    @property
    def settings(self) -> list[str]:
        """``NAME.OPTION=VALUE`` for each option that is not at its default."""
        kind = evaluation(self.evaluation)
        chosen = kind.model_validate(json.loads(self.options)).model_dump(mode="json", exclude_defaults=True)
        return [f"{self.evaluation}.{name}={json.dumps(value)}" for name, value in sorted(chosen.items())]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a question.

    Parameters
    ----------
    measurements : with two-sided intervals at ``level``; empty where there is a ``reason``.
    reason : why it could not be asked, or how it failed; empty otherwise.
    failed : whether the evaluation broke, as opposed to lacking something.
    seconds : wall time.
    """

    question: Question
    level: float
    measurements: tuple[Measurement, ...] = ()
    reason: str = ""
    failed: bool = False
    seconds: float = field(default=0.0, compare=False)


def ask(question: Question, deployment: Deployment, rng: Rng, *, level: float) -> Answer:
    """Put ``question`` to ``deployment``, with two-sided intervals at ``level``. Only an interruption makes it raise.

    The stream of randomness belongs to the question, so that one asked alone is answered as among others. The
    measurements get the provenance that they lack: weights, safeguards, options and seed.
    """
    started = time.perf_counter()
    asked = deployment.bare if question.bare else deployment
    one = evaluation(question.evaluation).model_validate(json.loads(question.options))
    try:
        reason = one.inapplicable(asked)
        if reason:
            return Answer(question=question, level=level, reason=reason)
        found = list(one.run(asked, rng.child("assurance", question.evaluation, question.options), level=level))
        seconds = time.perf_counter() - started
        known = _recorded(found, question, one, asked, level=level, seed=rng.seed, seconds=seconds)
    except Exception as error:  # noqa: BLE001 - whatever breaks is this question's answer, and the others are still asked
        reason = str(error) if isinstance(error, GnomonError) else f"{type(error).__name__}: {error}"
        return Answer(question=question, level=level, reason=" ".join(reason.split()), failed=True)
    return Answer(question=question, level=level, measurements=known, seconds=seconds)


def _recorded(
    found: Sequence[Measurement],
    question: Question,
    one: Evaluation,
    asked: Deployment,
    *,
    level: float,
    seed: int,
    seconds: float,
) -> tuple[Measurement, ...]:
    """``found``, with the provenance that those without it get."""
    share = seconds / max(1, len(found))  # each carries its share, so that the costs of a run add up
    made = record(
        spec={**question.spec, "level": level, "safeguards": safeguards_hash(asked)},
        subject=asked.subject.name,
        weights_hash=asked.subject.weights_hash(),
        data_hash=_data_hash(one, asked),
        seed=seed,
        wall_seconds=share,
        flops=sum(m.cost.flops for m in found),
    )
    return tuple(
        m if m.provenance else m.recorded(m.cost if m.cost != Cost() else Cost(seconds=share), made) for m in found
    )


def _data_hash(one: Evaluation, deployment: Deployment) -> str | None:
    """SHA-256 of the materials that it may read; ``None`` where it reads none."""
    files = [deployment.material(name) for name in sorted(one.reads) if deployment.has(name)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else None
