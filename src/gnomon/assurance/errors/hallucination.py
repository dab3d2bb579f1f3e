"""The evaluation of hallucination: wrong and confident, and whether confidence can be gone by."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.errors.calibration import ALL, calibration, slices_of
from gnomon.assurance.errors.confirmation import share
from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.material import ANSWERS, QUESTIONS, graded_material, lacking
from gnomon.assurance.errors.quantities import AURC, CONFIDENT_ERROR_RATE, GUARANTEED_COVERAGE, HALLUCINATION_RATE
from gnomon.assurance.errors.selective import answering, area, confidence_of, least_answers, risk_coverage
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import register
from gnomon.estimators.loss.calibration_error import CALIBRATION_ERROR
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.statistics import Family


@register
class Hallucination(Evaluation):
    """How often the network is wrong and sure of it, over all questions and in slices by columns of few values.

    Intervals of one quantity hold for all slices at once at the level, and apart from them those over all questions.

    Parameters
    ----------
    confidence : from which an answer counts as confident.
    risk : share of errors among the answers that is to be guaranteed.
    columns : that make slices; all by default.
    """

    name: ClassVar[str] = "hallucination"
    quantities = (HALLUCINATION_RATE, CONFIDENT_ERROR_RATE, AURC, GUARANTEED_COVERAGE, CALIBRATION_ERROR)
    materials = (QUESTIONS, ANSWERS)

    confidence: Annotated[float, Field(gt=0, le=1)] = 0.9
    risk: Annotated[float, Field(gt=0, lt=1)] = 0.05
    columns: tuple[str, ...] | None = None

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: one of the two materials is enough."""
        return lacking(deployment)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Cost: grading."""
        graded = graded_material(deployment, self.columns)
        if graded.confidence is None:
            reason = "the answers have no column confidence"
            return [Measurement.insufficient(one, reason, estimator=self.name) for one in self.quantities]
        slices = list(slices_of(graded))
        parts = [name for name, _ in slices if name != ALL]
        each = Family("slices", tuple(parts)).simultaneous(level) if parts else level
        measured = [self._area(graded, level), self._coverage(graded, level)]
        for name, member in slices:
            part, at = graded.take(member), level if name == ALL else each
            found = [*self._rates(part, name, at), calibration(part, name, rng.child("calibration"), level=at)]
            measured += [_stated(one, level) for one in found]
        return measured

    def _rates(self, graded: Graded, name: str, level: float) -> list[Measurement]:
        sure = confidence_of(graded) >= self.confidence
        labels = {"confidence": f"{self.confidence:g}", "slice": name}
        both = Graded(texts=graded.texts, errors=np.where(sure, graded.errors, 0.0), clusters=graded.clusters)
        value, interval = share(both, np.ones(len(graded), dtype=bool), level)
        counts = {"questions": len(graded), "confident": int(sure.sum()), "wrong": float(both.errors.sum())}
        measured = [self._ok(HALLUCINATION_RATE, value, interval, labels, counts)]
        if sure.any():
            value, interval = share(graded, sure, level)
            measured.append(self._ok(CONFIDENT_ERROR_RATE, value, interval, labels, counts))
        else:
            measured.append(
                Measurement.insufficient(
                    CONFIDENT_ERROR_RATE,
                    f"no answer has a confidence of {self.confidence:g}",
                    labels=labels,
                    estimator=self.name,
                )
            )
        return measured

    def _area(self, graded: Graded, level: float) -> Measurement:
        value, interval = area(graded, level=level)
        if interval.kind == "unknown":
            return Measurement.insufficient(
                AURC, "the questions are one cluster", suffices={"clusters": 2}, estimator=self.name
            )
        curve = risk_coverage(graded, level=level)
        return Measurement.ok(
            AURC,
            value,
            interval,
            estimator=self.name,
            diagnostics={name: getattr(curve, name).tolist() for name in curve.__dataclass_fields__},
        )

    def _coverage(self, graded: Graded, level: float) -> Measurement:
        labels = {"risk": f"{self.risk:g}"}
        found = answering(graded, risk=self.risk, delta=1 - level, level=level)
        if found is None:
            return Measurement.insufficient(
                GUARANTEED_COVERAGE,
                f"at no threshold of confidence is a risk of at most {self.risk:g} shown",
                suffices={"clusters": float(least_answers(self.risk, 1 - level))},
                labels=labels,
                estimator=self.name,
            )
        details = {"threshold": found.threshold, "risk_seen": found.risk, "delta": 1 - level}
        return self._ok(GUARANTEED_COVERAGE, found.coverage, found.coverage_interval, labels, details)

    def _ok(
        self, quantity: Quantity, value: float, interval: Uncertainty, labels: dict[str, str], details: dict[str, float]
    ) -> Measurement:
        return Measurement.ok(quantity, value, interval, labels=labels, estimator=self.name, diagnostics=details)


def _stated(one: Measurement, level: float) -> Measurement:
    """With the level at which its interval holds at once with the others."""
    return one if one.status != "ok" else replace(one, uncertainty=replace(one.uncertainty, level=level))
